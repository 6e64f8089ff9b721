//! Sign-in with an identity provider: the options of `up` that go to the gateway.

use std::path::PathBuf;

use clap::Args;
use url::Url;

/// The same as the gateway's own options and variables; what is left out is as there.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Sign-in with an OpenID Connect provider")]
pub struct SsoArgs {
    /// The provider's address, as it stands in its tokens. Beside it people can still sign in with a password.
    #[arg(
        long,
        env = "CODEX_OIDC_ISSUER",
        value_name = "URL",
        requires = "oidc_client_id"
    )]
    pub oidc_issuer: Option<String>,
    /// Who the gateway is at the provider.
    #[arg(long, env = "CODEX_OIDC_CLIENT_ID", value_name = "ID")]
    pub oidc_client_id: Option<String>,
    /// A file with the secret that proves it; or the secret in the variable `CODEX_OIDC_CLIENT_SECRET`. Public clients have none.
    #[arg(long, env = "CODEX_OIDC_CLIENT_SECRET_FILE", value_name = "PATH")]
    pub oidc_client_secret_file: Option<PathBuf>,
    /// What the button says. [default: Single sign-on]
    #[arg(long, env = "CODEX_OIDC_NAME", value_name = "TEXT")]
    pub oidc_name: Option<String>,
    /// What is asked for beside `openid`, separated by commas. [default: email,profile]
    #[arg(long, env = "CODEX_OIDC_SCOPES", value_name = "LIST")]
    pub oidc_scopes: Option<String>,
    /// The claim that lists the groups. [default: groups]
    #[arg(long, env = "CODEX_OIDC_GROUPS_CLAIM", value_name = "CLAIM")]
    pub oidc_groups_claim: Option<String>,
    /// Whoever is in one of these groups is administrator, and nobody else of the provider.
    #[arg(long, env = "CODEX_OIDC_ADMIN_GROUPS", value_name = "LIST")]
    pub oidc_admin_groups: Option<String>,
    /// Whoever is in none of these groups is refused.
    #[arg(long, env = "CODEX_OIDC_ALLOWED_GROUPS", value_name = "LIST")]
    pub oidc_allowed_groups: Option<String>,
    /// Whether somebody who is not a user yet becomes one at the first sign-in. [default: true]
    #[arg(long, env = "CODEX_OIDC_JOIN", value_name = "BOOL")]
    pub oidc_join: Option<bool>,
    /// Addresses outside the gateway that a sign-in may return to, separated by commas.
    #[arg(long, env = "CODEX_OIDC_RETURN_TO", value_name = "LIST")]
    pub oidc_return_to: Option<String>,
    /// The address at which browsers reach the gateway. The provider must know it with /auth/oidc/callback behind it.
    /// [default: http:// and what --listen says, where that is on this machine and has a port]
    #[arg(long, env = "CODEX_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<Url>,
}
