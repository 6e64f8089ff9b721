//! Where the login is kept: a file that only its owner can read.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::ClientError;

/// The gateway and the token to use.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The gateway's address.
    pub url: Url,
    /// The bearer token.
    pub token: SecretString,
    /// The login that the token came from, where it can be renewed.
    pub file: Option<PathBuf>,
}

/// What the file holds.
#[derive(Deserialize, Serialize)]
pub struct Login {
    /// The gateway's address.
    pub url: Url,
    /// Who logged in.
    pub email: String,
    /// The token for requests.
    pub access_token: String,
    /// The token for a new one, where the gateway gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// What the environment says. It goes before the file.
#[derive(Debug, Default)]
pub struct Overrides {
    /// `CODEX_REMOTE_URL`.
    pub url: Option<String>,
    /// `CODEX_REMOTE_TOKEN`.
    pub token: Option<SecretString>,
}

impl Overrides {
    /// Reads the environment.
    #[must_use]
    pub fn from_env() -> Self {
        let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            url: read("CODEX_REMOTE_URL"),
            token: read("CODEX_REMOTE_TOKEN").map(SecretString::from),
        }
    }
}

/// The file of the login: `codex-remote/credentials.json` in the user's folder for configuration.
///
/// # Errors
/// When the environment names no such folder.
pub fn default_file() -> Result<PathBuf, ClientError> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let folder = absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .ok_or(ClientError::NoConfigFolder)?;
    Ok(folder.join("codex-remote").join("credentials.json"))
}

/// Chooses gateway and token. The stored token goes only to the gateway that it came from.
///
/// # Errors
/// When there is no gateway or no token for it.
pub fn choose(overrides: Overrides, file: &Path) -> Result<Credentials, ClientError> {
    let url = overrides.url.as_deref().map(parse_url).transpose()?;
    if let (Some(url), Some(token)) = (&url, &overrides.token) {
        return Ok(Credentials {
            url: url.clone(),
            token: token.clone(),
            file: None,
        });
    }
    let stored = load(file)?.ok_or(ClientError::NotLoggedIn)?;
    match overrides.token {
        Some(token) => Ok(Credentials {
            url: stored.url,
            token,
            file: None,
        }),
        None if url.is_some_and(|url| url != stored.url) => Err(ClientError::NotLoggedIn),
        None => {
            let token = stored.access_token.into();
            Ok(Credentials {
                url: stored.url,
                token,
                file: Some(file.to_owned()),
            })
        }
    }
}

/// Reads the login; `None` when there is none.
///
/// # Errors
/// When the file is there but cannot be read or understood.
pub fn load(file: &Path) -> Result<Option<Login>, ClientError> {
    let failed = |source| ClientError::Credentials {
        path: file.to_owned(),
        source,
    };
    match fs::read(file) {
        Ok(content) => serde_json::from_slice(&content)
            .map(Some)
            .map_err(|error| failed(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Writes the login, readable for its owner only, and in one step: a crash leaves the old one.
///
/// # Errors
/// When the folder or the file cannot be written.
pub fn save(file: &Path, login: &Login) -> Result<(), ClientError> {
    let failed = |source| ClientError::Credentials {
        path: file.to_owned(),
        source,
    };
    let write = || {
        let folder = file.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        // Made with mode 0600, so that there is no moment in which others can read it.
        let mut draft = tempfile::NamedTempFile::new_in(folder)?;
        draft
            .as_file()
            .set_permissions(fs::Permissions::from_mode(0o600))?;
        serde_json::to_writer_pretty(&mut draft, login)?;
        draft.write_all(b"\n")?;
        draft.as_file().sync_all()?;
        draft.persist(file)?;
        Ok(())
    };
    write().map_err(failed)
}

/// Reads the address of a gateway. A path is kept, as a prefix; query and fragment make no sense.
///
/// # Errors
/// When it is not an http(s) address, or holds a password.
pub fn parse_url(text: &str) -> Result<Url, ClientError> {
    let bad = || ClientError::BadUrl(text.to_owned());
    let mut url: Url = text.parse().map_err(|_| bad())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !plain {
        return Err(bad());
    }
    url.set_fragment(None);
    // With the slash at its end, addresses can be joined to it.
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// The value of the `Authorization` header for a token.
#[must_use]
pub fn bearer(token: &SecretString) -> String {
    format!("Bearer {}", token.expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            url: parse_url("https://codex.example.com").unwrap(),
            email: "ada@example.com".to_owned(),
            access_token: "stored".to_owned(),
            refresh_token: None,
        }
    }

    fn overrides(url: Option<&str>, token: Option<&str>) -> Overrides {
        Overrides {
            url: url.map(str::to_owned),
            token: token.map(SecretString::from),
        }
    }

    #[test]
    fn the_file_is_private_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("codex-remote/credentials.json");
        assert!(load(&file).unwrap().is_none());
        save(&file, &login()).unwrap();
        save(&file, &login()).unwrap();
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::metadata(file.parent().unwrap())
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o700
        );
        assert_eq!(load(&file).unwrap().unwrap().access_token, "stored");
        fs::write(&file, "{").unwrap();
        assert!(
            load(&file)
                .err()
                .unwrap()
                .to_string()
                .contains("credentials.json")
        );
    }

    #[test]
    fn the_environment_goes_first_and_a_token_goes_only_home() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials.json");
        assert!(matches!(
            choose(overrides(None, None), &file),
            Err(ClientError::NotLoggedIn)
        ));
        save(&file, &login()).unwrap();
        let chosen = |url, token| {
            choose(overrides(url, token), &file)
                .map(|chosen| (chosen.url.to_string(), bearer(&chosen.token)))
        };
        let home = "https://codex.example.com/".to_owned();
        assert_eq!(
            chosen(None, None).unwrap(),
            (home.clone(), "Bearer stored".to_owned())
        );
        assert_eq!(
            chosen(None, Some("t")).unwrap(),
            (home.clone(), "Bearer t".to_owned())
        );
        assert_eq!(
            chosen(Some("https://codex.example.com"), None).unwrap(),
            (home, "Bearer stored".to_owned())
        );
        assert!(matches!(
            chosen(Some("https://evil.example.com"), None),
            Err(ClientError::NotLoggedIn)
        ));
        let other = chosen(Some("http://127.0.0.1:1/prefix"), Some("t")).unwrap();
        assert_eq!(
            other,
            (
                "http://127.0.0.1:1/prefix/".to_owned(),
                "Bearer t".to_owned()
            )
        );
    }

    #[test]
    fn odd_addresses_are_refused() {
        for text in [
            "codex.example.com",
            "ftp://a",
            "https://u:p@a",
            "https://a?token=1",
        ] {
            assert!(
                matches!(parse_url(text), Err(ClientError::BadUrl(_))),
                "{text}"
            );
        }
    }
}
