//! Where the log of running tasks is, as configured.

use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;

use super::RedisConfig;

/// Where the log of running tasks is: `hub:/path/to.sock`, or Redis at `redis://[user[:password]@]host[:port][/database]`, `rediss://`
/// for TLS, `redis+unix:///path/to.sock`.
#[derive(Clone, Debug)]
pub enum LiveLocation {
    /// In the memory of the operator, lent to other processes of this machine through a Unix socket.
    Hub(PathBuf),
    /// In Redis, at this address, which may hold a password.
    Redis(SecretString),
}

impl LiveLocation {
    /// The address of Redis, where that is it.
    #[must_use]
    pub const fn redis(&self) -> Option<&SecretString> {
        match self {
            Self::Redis(address) => Some(address),
            Self::Hub(_) => None,
        }
    }
}

impl FromStr for LiveLocation {
    type Err = String;

    /// The reason does not repeat the text, which may hold a password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("hub:") {
            Some(path) if path.starts_with('/') => Ok(Self::Hub(path.into())),
            _ if RedisConfig::is_address(text) => redis_address(text).map(Self::Redis),
            _ => Err(
                "write hub:/path/to.sock, the socket of the operator, or redis://host:port".into(),
            ),
        }
    }
}

/// An address of Redis that can be used.
///
/// # Errors
/// Why it cannot, without repeating it: it may hold a password.
pub fn redis_address(text: &str) -> Result<SecretString, String> {
    let address = SecretString::from(text);
    match RedisConfig::new(&address, None) {
        Ok(_) => Ok(address),
        Err(error) => Err(error.to_string()),
    }
}

/// A file of certificate authorities that can be used.
///
/// # Errors
/// Why it cannot.
pub fn authorities_file(text: &str) -> Result<PathBuf, String> {
    // Any address with TLS will do: nothing connects.
    let probe = RedisConfig::new(&"rediss://localhost".into(), None);
    let path = PathBuf::from(text);
    match probe.and_then(|probe| probe.with_authorities(&path)) {
        Ok(_) => Ok(path),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn locations_are_checked_and_not_repeated() {
        let hub = "hub:/run/a.sock".parse().unwrap();
        assert!(
            matches!(hub, LiveLocation::Hub(path) if path.as_path() == Path::new("/run/a.sock"))
        );
        let redis: LiveLocation = "redis://:s3cret@x".parse().unwrap();
        assert!(redis.redis().is_some() && !format!("{redis:?}").contains("s3cret"));
        for bad in [
            "hub:a.sock",
            "s3cret",
            "http://:s3cret@x",
            "redis://:s3cret@x/none",
        ] {
            let error = bad.parse::<LiveLocation>().unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn authorities_have_to_be_some() {
        let error = authorities_file("/nowhere/ca.pem").unwrap_err();
        assert!(error.contains("/nowhere/ca.pem"), "{error}");
        assert!(authorities_file("/dev/null").is_err());
    }
}
