//! The part of the configuration that is about sign-in with another provider.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use crate::auth::oidc::OidcSettings;
use crate::config::read_secret;
use crate::error::Error;

/// Sign-in with another provider, with OpenID Connect.
#[derive(Debug, clap::Args)]
pub struct OidcConfig {
    /// The provider's address, as it stands in its tokens: `https://login.example.com/realms/main`.
    #[arg(
        id = "oidc_issuer",
        long = "oidc-issuer",
        env = "CODEX_OIDC_ISSUER",
        requires_all = ["oidc_client_id", "public_url"]
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
    /// A file that holds the same, for secrets that are mounted.
    #[arg(
        id = "oidc_client_secret_file",
        long = "oidc-client-secret-file",
        env = "CODEX_OIDC_CLIENT_SECRET_FILE",
        conflicts_with = "oidc_client_secret"
    )]
    pub client_secret_file: Option<PathBuf>,
    /// What the button says.
    #[arg(
        id = "oidc_name",
        long = "oidc-name",
        env = "CODEX_OIDC_NAME",
        default_value = "Single sign-on"
    )]
    pub name: String,
    /// What is asked for beside `openid`.
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
        value_delimiter = ','
    )]
    pub return_to: Vec<String>,
    /// The address at which browsers reach the gateway: `https://codex.example.com`.
    #[arg(id = "public_url", long = "public-url", env = "CODEX_PUBLIC_URL")]
    pub public_url: Option<String>,
}

impl OidcConfig {
    /// The settings, where a provider is configured.
    ///
    /// # Errors
    /// [`Error::Setting`] and [`Error::File`] with what is wrong.
    pub fn settings(&self) -> Result<Option<OidcSettings>, Error> {
        let (Some(issuer), Some(client_id), Some(public_url)) =
            (&self.issuer, &self.client_id, &self.public_url)
        else {
            return Ok(None);
        };
        safe("CODEX_OIDC_ISSUER", issuer)?;
        let client_secret = match (&self.client_secret, &self.client_secret_file) {
            (Some(secret), _) => Some(secret.clone()),
            (None, Some(path)) => Some(read_secret("the client secret", path)?),
            (None, None) => None,
        };
        for address in &self.return_to {
            let is_good = Url::parse(address.trim()).is_ok_and(|url| {
                // Whatever is no web address is a scheme that an app has registered; those of the browser itself are none.
                let is_app = !["http", "https", "javascript", "data", "blob", "file"]
                    .contains(&url.scheme());
                url.fragment().is_none() && (is_app || OidcSettings::is_safe(&url))
            });
            if !is_good {
                return Err(Error::Setting {
                    name: "CODEX_OIDC_RETURN_TO",
                    value: address.clone(),
                    expected: "write full addresses without fragment, for example codexremote://signed-in",
                });
            }
        }
        let trimmed = |list: &[String]| list.iter().map(|text| text.trim().to_owned()).collect();
        Ok(Some(OidcSettings {
            name: self.name.clone(),
            client_secret,
            scopes: trimmed(&self.scopes),
            groups_claim: self.groups_claim.clone(),
            admin_groups: trimmed(&self.admin_groups),
            allowed_groups: trimmed(&self.allowed_groups),
            may_join: self.join,
            return_to: trimmed(&self.return_to),
            ..OidcSettings::new(issuer, client_id, safe("CODEX_PUBLIC_URL", public_url)?)
        }))
    }
}

fn safe(name: &'static str, text: &str) -> Result<Url, Error> {
    Url::parse(text)
        .ok()
        .filter(OidcSettings::is_safe)
        .ok_or_else(|| Error::Setting {
            name,
            value: text.to_owned(),
            expected: "write an https address (http is for this machine only)",
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        oidc: OidcConfig,
    }

    fn settings(arguments: &[&str]) -> Result<Option<OidcSettings>, Error> {
        let program = Program::try_parse_from(["x"].iter().chain(arguments)).unwrap();
        program.oidc.settings()
    }

    const PROVIDER: [&str; 6] = [
        "--oidc-issuer",
        "https://login.example",
        "--oidc-client-id",
        "codex",
        "--public-url",
        "https://codex.example",
    ];

    #[test]
    fn a_provider_needs_three_settings() {
        assert!(settings(&[]).unwrap().is_none());
        assert!(Program::try_parse_from(["x", "--oidc-issuer", "https://a"]).is_err());
        let settings = settings(&PROVIDER).unwrap().unwrap();
        assert_eq!(settings.scopes, ["email", "profile"]);
        assert!(settings.may_join && settings.admin_groups.is_empty());
    }

    #[test]
    fn addresses_must_be_safe() {
        for (name, bad) in [
            ("--oidc-issuer", "http://login.example"),
            ("--oidc-issuer", "login"),
            ("--public-url", "http://codex.example"),
        ] {
            let mut arguments = PROVIDER;
            let at = arguments.iter().position(|word| *word == name).unwrap();
            arguments[at + 1] = bad;
            assert!(matches!(settings(&arguments), Err(Error::Setting { .. })));
        }
        let with = |address: &str| {
            let more = ["--oidc-return-to", address];
            settings(&[&PROVIDER[..], &more[..]].concat())
        };
        assert!(with("codexremote://signed-in,http://localhost:3000/").is_ok());
        for bad in ["http://app.example/", "javascript:x", "app", "a://b#c"] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }
}
