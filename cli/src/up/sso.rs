//! Sign-in with an identity provider: what the gateway is told about it.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    error::{UpError, file_error},
    layout::{Layout, write_private},
};
use crate::commands::up::sso::SsoArgs;

/// What says whose certificates to trust; not a secret.
const TRUST: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
/// Where the secret may stand in place of a file.
const SECRET: &str = "CODEX_OIDC_CLIENT_SECRET";

/// Settings of the gateway; none without a provider.
#[derive(Debug, Default)]
pub struct Sso(Vec<(&'static str, OsString)>);

impl Sso {
    /// Reads the options. A secret that stands in the environment is put into a file: the environment of a process is open to
    /// whoever may look at the process.
    ///
    /// # Errors
    /// When an address is none or nobody can tell where browsers find the gateway, or a file cannot be written.
    pub fn open(
        args: &SsoArgs,
        listen: SocketAddr,
        layout: &Layout,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, UpError> {
        let kept = layout.secret("oidc-client");
        let secret_file = secret_file(args, &kept, &env)?;
        if secret_file.as_ref() != Some(&kept) && kept.exists() {
            // A secret that is not used any more must not lie around.
            std::fs::remove_file(&kept).map_err(file_error("remove", &kept))?;
        }
        let (Some(issuer), Some(client)) = (&args.oidc_issuer, &args.oidc_client_id) else {
            return Ok(Self::default());
        };
        let mut settings: Vec<(&'static str, OsString)> = vec![
            ("CODEX_OIDC_ISSUER", issuer.into()),
            ("CODEX_OIDC_CLIENT_ID", client.into()),
            ("CODEX_PUBLIC_URL", public_url(args, listen)?.into()),
        ];
        settings.extend(secret_file.map(|file| ("CODEX_OIDC_CLIENT_SECRET_FILE", file.into())));
        let given = [
            ("CODEX_OIDC_NAME", &args.oidc_name),
            ("CODEX_OIDC_SCOPES", &args.oidc_scopes),
            ("CODEX_OIDC_GROUPS_CLAIM", &args.oidc_groups_claim),
            ("CODEX_OIDC_ADMIN_GROUPS", &args.oidc_admin_groups),
            ("CODEX_OIDC_ALLOWED_GROUPS", &args.oidc_allowed_groups),
            ("CODEX_OIDC_RETURN_TO", &args.oidc_return_to),
        ];
        settings.extend(
            given
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.as_ref()?.into()))),
        );
        settings.extend(
            args.oidc_join
                .map(|join| ("CODEX_OIDC_JOIN", join.to_string().into())),
        );
        settings.extend(
            TRUST
                .into_iter()
                .filter_map(|name| Some((name, env(name)?))),
        );
        Ok(Self(settings))
    }

    /// For the environment of the gateway.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, OsString)> {
        self.0.clone()
    }
}

fn secret_file(
    args: &SsoArgs,
    kept: &Path,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<PathBuf>, UpError> {
    if let Some(file) = &args.oidc_client_secret_file {
        // The gateway need not work in the same folder.
        let file = std::path::absolute(file).map_err(file_error("find", file))?;
        return Ok(Some(file));
    }
    match env(SECRET).filter(|secret| !secret.is_empty()) {
        Some(secret) if args.oidc_issuer.is_some() => {
            write_private(kept, secret.as_encoded_bytes())?;
            Ok(Some(kept.to_path_buf()))
        }
        _ => Ok(None),
    }
}

/// Where browsers find the gateway, and the provider sends them back to.
fn public_url(args: &SsoArgs, listen: SocketAddr) -> Result<String, UpError> {
    if let Some(url) = &args.public_url {
        return Ok(url.to_string());
    }
    if listen.ip().is_loopback() && listen.port() != 0 {
        return Ok(format!("http://{listen}"));
    }
    Err(UpError::Setting(format!(
        "--oidc-issuer needs --public-url: --listen {listen} does not tell at which address browsers reach the gateway, and the provider \
         has to send them back to it. Name that address (https, unless it is on this machine)"
    )))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SsoArgs,
    }

    const PROVIDER: [&str; 5] = [
        "up",
        "--oidc-issuer",
        "https://login.example",
        "--oidc-client-id",
        "codex",
    ];

    fn open(
        layout: &Layout,
        line: &[&str],
        listen: &str,
        secret: Option<&str>,
    ) -> Result<Sso, UpError> {
        let args = Line::parse_from(line).args;
        Sso::open(&args, listen.parse().unwrap(), layout, |name| {
            secret.filter(|_| name == SECRET).map(OsString::from)
        })
    }

    fn value(sso: &Sso, name: &str) -> Option<String> {
        let found = sso.0.iter().find(|(key, _)| *key == name)?;
        Some(found.1.to_string_lossy().into_owned())
    }

    #[test]
    fn without_a_provider_nothing_is_set() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(dir.path()).unwrap();
        let line = ["up", "--public-url", "https://codex.example"];
        let sso = open(&layout, &line, "127.0.0.1:8080", Some("s")).unwrap();
        assert!(sso.settings().is_empty());
        assert!(!layout.secret("oidc-client").exists());
        assert!(Line::try_parse_from(["up", "--oidc-issuer", "https://login.example"]).is_err());
    }

    #[test]
    fn the_gateway_gets_what_was_given_and_its_secret_as_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(dir.path()).unwrap();
        let groups = [&PROVIDER[..], &["--oidc-admin-groups", "a,b"]].concat();
        let sso = open(&layout, &groups, "127.0.0.1:8080", Some("s3cret")).unwrap();
        let get = |name| value(&sso, name);
        // The very text that stands in tokens, without a slash that an address would get.
        assert_eq!(get("CODEX_OIDC_ISSUER").unwrap(), "https://login.example");
        assert_eq!(get("CODEX_OIDC_ADMIN_GROUPS").unwrap(), "a,b");
        assert_eq!(get("CODEX_PUBLIC_URL").unwrap(), "http://127.0.0.1:8080");
        assert_eq!(get("CODEX_OIDC_JOIN"), None);
        let file = get("CODEX_OIDC_CLIENT_SECRET_FILE").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "s3cret");
        assert!(!format!("{sso:?}").contains("s3cret"));

        // It goes when it is not used any more.
        open(&layout, &PROVIDER, "127.0.0.1:8080", None).unwrap();
        assert!(!Path::new(&file).exists());
    }

    #[test]
    fn browsers_must_be_able_to_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(dir.path()).unwrap();
        for listen in ["127.0.0.1:0", "0.0.0.0:8080"] {
            let error = open(&layout, &PROVIDER, listen, None).unwrap_err();
            assert!(error.to_string().contains("--public-url"), "{error}");
        }
        let line = [&PROVIDER[..], &["--public-url", "https://codex.example"]].concat();
        let sso = open(&layout, &line, "0.0.0.0:8080", None).unwrap();
        assert_eq!(
            value(&sso, "CODEX_PUBLIC_URL").unwrap(),
            "https://codex.example/"
        );
    }
}
