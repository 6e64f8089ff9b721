//! The part of the configuration that is about sign-in with another provider.

use secrecy::SecretString;
use url::Url;

use crate::auth::oidc::OidcSettings;
use crate::config::values::{issuer, return_address, safe_url};

/// Sign-in with another provider, with OpenID Connect.
#[derive(Debug, clap::Args)]
pub struct OidcConfig {
    /// The provider's address, as it stands in its tokens: `https://login.example.com/realms/main`.
    #[arg(
        id = "oidc_issuer",
        long = "oidc-issuer",
        env = "CODEX_OIDC_ISSUER",
        value_parser = issuer
    )]
    pub issuer: Option<String>,
    /// Who the gateway is at the provider.
    #[arg(
        id = "oidc_client_id",
        long = "oidc-client-id",
        env = "CODEX_OIDC_CLIENT_ID"
    )]
    pub client_id: Option<String>,
    /// The secret that proves it. Without one the gateway is a public client, with PKCE only.
    #[arg(
        id = "oidc_client_secret",
        long = "oidc-client-secret",
        env = "CODEX_OIDC_CLIENT_SECRET",
        hide_env_values = true
    )]
    pub client_secret: Option<SecretString>,
    /// What the button says.
    #[arg(
        id = "oidc_name",
        long = "oidc-name",
        env = "CODEX_OIDC_NAME",
        default_value = "Single sign-on"
    )]
    pub name: String,
    /// What is asked for beside `openid`, separated by commas.
    #[arg(
        id = "oidc_scopes",
        long = "oidc-scopes",
        env = "CODEX_OIDC_SCOPES",
        value_delimiter = ',',
        default_value = "email,profile"
    )]
    pub scopes: Vec<String>,
    /// The claim that lists the groups; dots lead into objects.
    #[arg(
        id = "oidc_groups_claim",
        long = "oidc-groups-claim",
        env = "CODEX_OIDC_GROUPS_CLAIM",
        default_value = "groups"
    )]
    pub groups_claim: String,
    /// Whoever is in one of these groups is administrator, and nobody else of the provider. Without any, roles are given in the gateway.
    #[arg(
        id = "oidc_admin_groups",
        long = "oidc-admin-groups",
        env = "CODEX_OIDC_ADMIN_GROUPS",
        value_delimiter = ','
    )]
    pub admin_groups: Vec<String>,
    /// Whoever is in none of these groups is refused. Without any, everybody whom the provider knows may sign in.
    #[arg(
        id = "oidc_allowed_groups",
        long = "oidc-allowed-groups",
        env = "CODEX_OIDC_ALLOWED_GROUPS",
        value_delimiter = ','
    )]
    pub allowed_groups: Vec<String>,
    /// Whether somebody who is not a user yet becomes one at the first sign-in.
    #[arg(
        id = "oidc_join",
        long = "oidc-join",
        env = "CODEX_OIDC_JOIN",
        default_value_t = true,
        action = clap::ArgAction::Set
    )]
    pub join: bool,
    /// Addresses outside the gateway that a sign-in may return to, each in full: `codexremote://signed-in`.
    #[arg(
        id = "oidc_return_to",
        long = "oidc-return-to",
        env = "CODEX_OIDC_RETURN_TO",
        value_delimiter = ',',
        value_parser = return_address
    )]
    pub return_to: Vec<String>,
    /// The address at which browsers reach the gateway: `https://codex.example.com`. Sign-in with another provider needs it.
    #[arg(
        id = "public_url",
        long = "public-url",
        env = "CODEX_PUBLIC_URL",
        value_parser = safe_url
    )]
    pub public_url: Option<Url>,
}

impl OidcConfig {
    /// The settings, where a provider is configured.
    #[must_use]
    pub fn settings(&self) -> Option<OidcSettings> {
        let (issuer, client_id) = (self.issuer.as_ref()?, self.client_id.as_ref()?);
        let public_url = self.public_url.clone()?;
        let trimmed = |list: &[String]| list.iter().map(|text| text.trim().to_owned()).collect();
        Some(OidcSettings {
            name: self.name.clone(),
            client_secret: self.client_secret.clone(),
            scopes: trimmed(&self.scopes),
            groups_claim: self.groups_claim.clone(),
            admin_groups: trimmed(&self.admin_groups),
            allowed_groups: trimmed(&self.allowed_groups),
            may_join: self.join,
            return_to: self.return_to.clone(),
            ..OidcSettings::new(issuer, client_id, public_url)
        })
    }
}
