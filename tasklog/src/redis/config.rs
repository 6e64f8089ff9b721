//! Where Redis is, and how to use it.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion, RedisResult,
    TlsCertificates,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::LogError;
use crate::live::LiveLimits;

/// Where Redis is, and how to use it.
#[derive(Clone)]
pub struct RedisConfig {
    connection: ConnectionInfo,
    /// In PEM, instead of the authorities that the system trusts.
    authorities: Option<Vec<u8>>,
    /// How much is held.
    pub limits: LiveLimits,
    /// For how long readers may go on with a log after it was removed.
    pub linger: Duration,
    /// After how much time without an append a log expires that nobody removed.
    pub expiry: Duration,
}

impl RedisConfig {
    /// Reads an address: `redis://[user[:password]@]host[:port][/database]`, `rediss://` for TLS, or
    /// `redis+unix:///path/to.sock`. A password that is given apart stands above the one in the address.
    ///
    /// # Errors
    /// [`LogError::Setting`] when it is no such address. The message does not repeat the address, which may hold a password.
    pub fn new(address: &SecretString, password: Option<&SecretString>) -> Result<Self, LogError> {
        let address = address.expose_secret();
        if !Self::is_address(address) {
            return Err(LogError::Setting(
                "the address of Redis must begin with redis://, rediss:// or redis+unix://".into(),
            ));
        }
        let connection = address
            .into_connection_info()
            .map_err(|error| LogError::Setting(format!("the address of Redis: {error}")))?;
        if matches!(
            connection.addr(),
            ConnectionAddr::TcpTls { insecure: true, .. }
        ) {
            return Err(LogError::Setting(
                "the address of Redis asks to skip the check of certificates; that is not supported, remove #insecure".into(),
            ));
        }
        let mut settings = connection
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP2)
            .set_skip_set_lib_name();
        if let Some(password) = password {
            settings = settings.set_password(password.expose_secret());
        }
        let tcp = connection.tcp_settings().clone().set_nodelay(true);
        Ok(Self {
            connection: connection
                .set_redis_settings(settings)
                .set_tcp_settings(tcp),
            authorities: None,
            limits: LiveLimits::default(),
            linger: Duration::from_secs(60),
            expiry: Duration::from_secs(7 * 24 * 60 * 60),
        })
    }

    /// Trusts the certificate authorities in a file (PEM) instead of those that the system trusts.
    ///
    /// # Errors
    /// [`LogError::Setting`] when the file holds none that can be read, or when the address does not ask for TLS: then nothing would
    /// be checked.
    pub fn with_authorities(mut self, file: &Path) -> Result<Self, LogError> {
        if !matches!(self.connection.addr(), ConnectionAddr::TcpTls { .. }) {
            return Err(LogError::Setting(
                "certificate authorities for Redis only serve an address that begins with rediss://".into(),
            ));
        }
        let refuse = |reason: &dyn fmt::Display| {
            let file = file.display();
            LogError::Setting(format!(
                "the certificate authorities for Redis in {file}: {reason}"
            ))
        };
        let pem = std::fs::read(file).map_err(|error| refuse(&error))?;
        if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
            return Err(refuse(&"there is no certificate in PEM"));
        }
        self.authorities = Some(pem);
        self.client().map_err(|error| refuse(&error))?;
        Ok(self)
    }

    /// A client of this Redis, for other uses of the same. It connects when it is asked to.
    ///
    /// # Errors
    /// When the certificate authorities cannot be used.
    pub fn client(&self) -> RedisResult<Client> {
        match &self.authorities {
            None => Client::open(self.connection.clone()),
            Some(pem) => Client::build_with_tls(
                self.connection.clone(),
                TlsCertificates {
                    client_tls: None,
                    root_cert: Some(pem.clone()),
                },
            ),
        }
    }

    /// Whether a text is meant to be an address of Redis.
    #[must_use]
    pub fn is_address(text: &str) -> bool {
        ["redis://", "rediss://", "redis+unix://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
    }
}

impl fmt::Debug for RedisConfig {
    /// Leaves user and password out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("address", &self.connection.addr().to_string())
            .field("database", &self.connection.redis_settings().db())
            .field("limits", &self.limits)
            .field("linger", &self.linger)
            .field("expiry", &self.expiry)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(address: &str) -> Result<RedisConfig, LogError> {
        RedisConfig::new(&address.into(), None)
    }

    #[test]
    fn passwords_are_taken_and_never_shown() {
        let config = parse("rediss://app:s3cret@cache.example:6380/2").unwrap();
        assert_eq!(
            config.connection.redis_settings().password(),
            Some("s3cret")
        );
        let shown = format!("{config:?}");
        assert!(
            shown.contains("cache.example:6380") && !shown.contains("s3cret"),
            "{shown}"
        );
        let apart = RedisConfig::new(
            &"redis://cache.example".into(),
            Some(&SecretString::from("other")),
        );
        assert_eq!(
            apart.unwrap().connection.redis_settings().password(),
            Some("other")
        );
    }

    #[test]
    fn authorities_must_be_some_and_of_use() {
        let folder = tempfile::tempdir().unwrap();
        let refuse = |address: &str, pem: &str| {
            let file = folder.path().join("ca.pem");
            std::fs::write(&file, pem).unwrap();
            let refused = parse(address).unwrap().with_authorities(&file);
            refused.unwrap_err().to_string()
        };
        let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        assert!(refuse("redis://cache.example", broken).contains("rediss://"));
        for pem in ["", "x", broken] {
            let refused = refuse("rediss://cache.example", pem);
            assert!(refused.contains("ca.pem"), "{refused}");
        }
        let config = parse("rediss://cache.example").unwrap();
        assert!(
            config
                .with_authorities(&folder.path().join("none"))
                .is_err()
        );
    }

    #[test]
    fn errors_do_not_repeat_the_address() {
        for bad in [
            "http://:s3cret@x",
            "redis://:s3cret@",
            "redis://:s3cret@x/none",
            "redis://:s3cret@x:99999",
            "rediss://:s3cret@x#insecure",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(matches!(error, LogError::Setting(_)), "{bad}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
