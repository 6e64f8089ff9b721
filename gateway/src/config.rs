//! The configuration: environment variables, each with an option of the same meaning for tries by hand.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use codex_crds::env_policy::EnvPolicy;
use codex_tasklog::hub::HubClient;
use codex_tasklog::{ArchiveLocation, LiveLog, LogError, RedisConfig, RedisStore};
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use crate::app::{Parts, Settings};
use crate::auth::keys::KeySource;
use crate::auth::token::TokenKeys;
use crate::database;
use crate::error::Error;
use crate::limits::{Failing, Rate, RateLimiter, RateSettings, RedisLimiter};
use crate::oidc_config::OidcConfig;

/// The HTTP API of Codex Remote Runner.
#[derive(Debug, clap::Parser)]
#[command(name = "codex-gateway", version)]
pub struct Config {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, env = "CODEX_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where PostgreSQL is: `postgres://user:password@host:port/database`.
    #[arg(long, env = "CODEX_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,
    /// A file that holds the same, for secrets that are mounted.
    #[arg(long, env = "CODEX_DATABASE_URL_FILE", conflicts_with = "database_url")]
    pub database_url_file: Option<PathBuf>,
    /// The namespace of the tasks.
    #[arg(long, env = "CODEX_NAMESPACE", default_value = "codex-tasks")]
    pub namespace: String,
    /// The log of running tasks: `hub:/path/to.sock`, the socket of the operator on this machine, or the Redis of the operator at
    /// `redis://[user[:password]@]host[:port][/database]`, `rediss://` for TLS.
    #[arg(long, env = "CODEX_LIVE_STORE", hide_env_values = true)]
    pub live_store: SecretString,
    /// A file with the password of Redis, instead of one in the address.
    #[arg(long, env = "CODEX_REDIS_PASSWORD_FILE")]
    pub redis_password_file: Option<PathBuf>,
    /// A file with the certificate authorities (PEM) that may vouch for Redis at `rediss://`, instead of those that the system trusts.
    #[arg(long, env = "CODEX_REDIS_CA_FILE")]
    pub redis_ca_file: Option<PathBuf>,
    /// Where logs stay: `file:///folder` or `s3://bucket/prefix?endpoint=URL&region=NAME&path-style=BOOL`. Credentials for S3 come
    /// from where the AWS tools look for them.
    #[arg(long, env = "CODEX_ARCHIVE")]
    pub archive: String,
    /// The Ed25519 key that signs access tokens: PKCS #8 in PEM. This or `CODEX_JWT_KEY_DIR` is required.
    #[arg(long, env = "CODEX_JWT_KEY_FILE")]
    pub jwt_key_file: Option<PathBuf>,
    /// A folder of such keys, `*.pem`, that is read again when it changes. The last name signs, five minutes after its file was
    /// written; all of them are accepted.
    #[arg(
        long,
        env = "CODEX_JWT_KEY_DIR",
        conflicts_with_all = ["jwt_key_file", "jwt_old_key_files"]
    )]
    pub jwt_key_dir: Option<PathBuf>,
    /// Former keys, whose tokens are still accepted.
    #[arg(long, env = "CODEX_JWT_OLD_KEY_FILES", value_delimiter = ',')]
    pub jwt_old_key_files: Vec<PathBuf>,
    /// How long an access token is good, in seconds.
    #[arg(long, env = "CODEX_ACCESS_TOKEN_SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(10..=2_592_000))]
    pub access_token_seconds: u64,
    /// The first administrator, made when there is no user at all.
    #[arg(long, env = "CODEX_ADMIN_EMAIL", requires = "admin_password_file")]
    pub admin_email: Option<String>,
    /// A file that holds the password of the first administrator.
    #[arg(long, env = "CODEX_ADMIN_PASSWORD_FILE")]
    pub admin_password_file: Option<PathBuf>,
    /// Environment variables that tasks may set: names, or beginnings with `*`. Names that steer the sandbox stay refused.
    #[arg(
        long,
        env = "CODEX_ENV_ALLOW",
        value_delimiter = ',',
        default_value = "*"
    )]
    pub env_allow: Vec<String>,
    /// The longest request body, in bytes. A prompt of 256 KiB may take six times that in JSON.
    #[arg(long, env = "CODEX_MAX_BODY", default_value_t = 2 * 1024 * 1024)]
    pub max_body: usize,
    /// Origins of other web pages that may call the API, for example `https://app.example.com`.
    #[arg(long, env = "CODEX_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<String>,
    /// How many proxies stand before the gateway that append to `X-Forwarded-For`, for the throttle of logins and the audit log. With
    /// 0 the header is not believed.
    #[arg(long, env = "CODEX_PROXY_HOPS", default_value_t = 0)]
    pub proxy_hops: usize,
    /// A folder with the web client; without it a built-in page is served.
    #[arg(long, env = "CODEX_WEB_DIR")]
    pub web_dir: Option<PathBuf>,
    /// How many streams one user may have open on this gateway; more are refused with 429.
    #[arg(long, env = "CODEX_STREAMS_PER_USER", default_value_t = 50)]
    pub streams_per_user: usize,
    /// How many streams may be open on this gateway in all; more are refused with 429.
    #[arg(long, env = "CODEX_STREAMS_TOTAL", default_value_t = 10_000)]
    pub streams_total: usize,
    /// How much memory may hold what streams have read of older or finished logs, for others who want the same, in bytes.
    #[arg(long, env = "CODEX_STREAM_CACHE", default_value_t = 64 * 1024 * 1024)]
    pub stream_cache: usize,
    /// How long the gateway goes on after SIGTERM before it ends its streams, in seconds. Meanwhile `/readyz` fails and new streams are
    /// refused, so that a load balancer sends nothing here any more when clients connect again.
    #[arg(long, env = "CODEX_DRAIN_SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub drain_seconds: u64,
    /// What the limits of requests are.
    #[command(flatten)]
    pub rates: RateConfig,
    /// How many tasks one user may have queued or running; more are refused with 429. 0 is without limit.
    #[arg(long, env = "CODEX_TASKS_PER_USER", default_value_t = 200, value_parser = clap::value_parser!(i64).range(0..))]
    pub tasks_per_user: i64,
    /// How long the body of a request may take to arrive, in seconds; then it is refused with 408.
    #[arg(long, env = "CODEX_BODY_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=19))]
    pub body_seconds: u64,
    /// How many days the audit log goes back, at least 30. 0 keeps it for ever.
    #[arg(long, env = "CODEX_AUDIT_DAYS", default_value_t = 0, value_parser = audit_days)]
    pub audit_days: u32,
    /// Sign-in with another provider.
    #[command(flatten)]
    pub oidc: OidcConfig,
}

/// How often users may ask. A rate is the number of requests a minute, or with a colon how many of them may come at once: `60:10`. 0 is
/// without limit.
#[derive(Debug, clap::Args)]
pub struct RateConfig {
    /// Requests a minute of one user that change something, such as submitting a task: `60`, or `60:10` for at most ten at once; 0 is
    /// without limit.
    #[arg(long, env = "CODEX_RATE_WRITES", default_value = "60")]
    pub rate_writes: Rate,
    /// The same for an administrator.
    #[arg(long, env = "CODEX_RATE_WRITES_ADMIN", default_value = "600")]
    pub rate_writes_admin: Rate,
    /// Requests a minute of one user that only look.
    #[arg(long, env = "CODEX_RATE_READS", default_value = "3000")]
    pub rate_reads: Rate,
    /// The same for an administrator.
    #[arg(long, env = "CODEX_RATE_READS_ADMIN", default_value = "6000")]
    pub rate_reads_admin: Rate,
    /// The Redis in which all gateways count requests; without it that of `CODEX_LIVE_STORE`, and if that is none, each gateway counts for
    /// itself.
    #[arg(long, env = "CODEX_REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<SecretString>,
    /// What happens while that Redis is away: `open` lets requests pass, and each gateway counts for itself; `closed` refuses them with 503.
    #[arg(long, env = "CODEX_RATE_FAILING", default_value = "open")]
    pub rate_failing: Failing,
}

impl RateConfig {
    const fn settings(&self) -> RateSettings {
        RateSettings {
            writes: self.rate_writes,
            reads: self.rate_reads,
            admin_writes: self.rate_writes_admin,
            admin_reads: self.rate_reads_admin,
            failing: self.rate_failing,
        }
    }
}

/// The first administrator.
pub struct Admin {
    /// The address.
    pub email: String,
    /// The password.
    pub password: SecretString,
}

impl Config {
    /// Connects to everything that the configuration names.
    ///
    /// # Errors
    /// [`Error`] says which setting is wrong, or what is away.
    pub async fn connect(&self) -> Result<Parts, Error> {
        let settings = Settings {
            namespace: self.namespace.clone(),
            env_policy: EnvPolicy::new(self.env_allow.iter().map(|pattern| pattern.trim())),
            max_body: self.max_body,
            cors_origins: self.origins()?,
            proxy_hops: self.proxy_hops,
            web_dir: self.web_dir.clone(),
            streams_per_user: self.streams_per_user,
            streams_total: self.streams_total,
            stream_cache: self.stream_cache,
            drain: Duration::from_secs(self.drain_seconds),
            rates: self.rates.settings(),
            tasks_per_user: self.tasks_per_user,
            header_timeout: Settings::default().header_timeout,
            body_timeout: Duration::from_secs(self.body_seconds),
            audit_days: self.audit_days,
            oidc: self.oidc.settings()?,
        };
        let lifetime = Duration::from_secs(self.access_token_seconds);
        let live = self.live_store()?;
        let limiter = self.limiter()?;
        let archive = self.archive()?.open().await;
        let tokens = TokenKeys::read(self.key_source()?, lifetime)?;
        let kubernetes = kube::Config::infer()
            .await
            .map_err(|error| Error::KubernetesConfig(error.into()))?;
        let client = kube::Client::try_from(kubernetes)
            .map_err(|error| Error::KubernetesConfig(error.into()))?;
        let pool = database::connect(&self.database_url()?).await?;
        Ok(Parts {
            pool,
            client,
            live,
            archive,
            tokens,
            limiter,
            settings,
        })
    }

    /// The first administrator, where one is configured.
    ///
    /// # Errors
    /// [`Error::File`] when the password cannot be read.
    pub fn admin(&self) -> Result<Option<Admin>, Error> {
        let (Some(email), Some(path)) = (&self.admin_email, &self.admin_password_file) else {
            return Ok(None);
        };
        Ok(Some(Admin {
            email: email.clone(),
            password: read_secret("the administrator's password", path)?,
        }))
    }

    fn database_url(&self) -> Result<SecretString, Error> {
        match (&self.database_url, &self.database_url_file) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(path)) => read_secret("the database URL", path),
            (None, None) => Err(Error::NoDatabase),
        }
    }

    fn live_store(&self) -> Result<Arc<dyn LiveLog>, Error> {
        let address = self.live_store.expose_secret();
        match address.strip_prefix("hub:") {
            Some(path) if path.starts_with('/') => Ok(Arc::new(HubClient::new(path))),
            _ if RedisConfig::is_address(address) => {
                let redis = self.redis("CODEX_LIVE_STORE", &self.live_store)?;
                let store = RedisStore::new(redis).map_err(Error::LiveStore)?;
                Ok(Arc::new(store))
            }
            // The value may hold a password, so it is not repeated.
            _ => Err(Error::LiveStore(LogError::Setting(
                "write hub:/path/to.sock, the socket of the operator, or redis://host:port".into(),
            ))),
        }
    }

    fn redis(&self, name: &'static str, address: &SecretString) -> Result<RedisConfig, Error> {
        let password = self
            .redis_password_file
            .as_deref()
            .map(|path| read_secret("the password of Redis", path))
            .transpose()?;
        let refused = |source| Error::Redis { name, source };
        let config = RedisConfig::new(address, password.as_ref()).map_err(refused)?;
        match &self.redis_ca_file {
            Some(file) => config.with_authorities(file).map_err(refused),
            None => Ok(config),
        }
    }

    /// Where requests are counted: the Redis that is named for it, or that of the live log, or nowhere but here.
    fn limiter(&self) -> Result<Option<Arc<dyn RateLimiter>>, Error> {
        let (name, address) = match &self.rates.redis_url {
            Some(address) => ("CODEX_REDIS_URL", address),
            None if RedisConfig::is_address(self.live_store.expose_secret()) => {
                ("CODEX_LIVE_STORE", &self.live_store)
            }
            None => return Ok(None),
        };
        let limiter = RedisLimiter::new(&self.redis(name, address)?).map_err(|error| {
            let source = LogError::Setting(error.to_string());
            Error::Redis { name, source }
        })?;
        Ok(Some(Arc::new(limiter)))
    }

    fn key_source(&self) -> Result<KeySource, Error> {
        match (&self.jwt_key_dir, &self.jwt_key_file) {
            (Some(dir), _) => Ok(KeySource::Folder(dir.clone())),
            (None, Some(file)) => Ok(KeySource::Files {
                signing: file.clone(),
                verifying: self.jwt_old_key_files.clone(),
            }),
            (None, None) => Err(Error::NoSigningKeys),
        }
    }

    fn archive(&self) -> Result<ArchiveLocation, Error> {
        self.archive.parse().map_err(|_| Error::Setting {
            name: "CODEX_ARCHIVE",
            value: self.archive.clone(),
            expected: "write file:///folder or s3://bucket/prefix?endpoint=URL&region=NAME",
        })
    }

    fn origins(&self) -> Result<Vec<HeaderValue>, Error> {
        let mut origins = Vec::new();
        for origin in self.cors_origins.iter().map(|origin| origin.trim()) {
            let is_origin = (origin.starts_with("https://") || origin.starts_with("http://"))
                && origin.matches('/').count() == 2;
            let value = HeaderValue::from_str(origin).ok().filter(|_| is_origin);
            origins.push(value.ok_or_else(|| Error::Setting {
                name: "CODEX_CORS_ORIGINS",
                value: origin.to_owned(),
                expected: "write origins without a path, for example https://app.example.com",
            })?);
        }
        Ok(origins)
    }
}

/// The database itself keeps the last 30 days.
fn audit_days(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(days) if days == 0 || (30..=36_500).contains(&days) => Ok(days),
        _ => Err(
            "write a number of days from 30 to 36500, or 0 to keep the audit log for ever"
                .to_owned(),
        ),
    }
}

/// The content of a file without the line end that editors add.
pub(crate) fn read_secret(
    what: &'static str,
    path: &std::path::Path,
) -> Result<SecretString, Error> {
    let text: SecretString = std::fs::read_to_string(path)
        .map_err(|source| Error::File {
            what,
            path: path.to_owned(),
            source,
        })?
        .into();
    Ok(text.expose_secret().trim_end_matches(['\r', '\n']).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn config(arguments: &[&str]) -> Config {
        let required = [
            "codex-gateway",
            "--live-store",
            "hub:/run/hub.sock",
            "--archive",
            "file:///srv/archive",
            "--jwt-key-file",
            "/k",
        ];
        Config::try_parse_from(required.iter().chain(arguments)).unwrap()
    }

    #[test]
    fn origins_are_checked() {
        let good = config(&["--cors-origins", "https://a.example, http://localhost:3000"]);
        assert_eq!(good.origins().unwrap().len(), 2);
        for bad in ["*", "https://a.example/", "a.example", "null"] {
            assert!(config(&["--cors-origins", bad]).origins().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn stores_are_checked() {
        let mut config = config(&[]);
        assert!(config.live_store().is_ok() && config.archive().is_ok());
        config.live_store = "redis://:s3cret@x".into();
        assert!(config.live_store().is_ok());
        assert!(!format!("{config:?}").contains("s3cret"));
        config.redis_ca_file = Some("/nowhere/ca.pem".into());
        assert!(matches!(config.live_store(), Err(Error::Redis { .. })));
        config.redis_password_file = Some("/nowhere/password".into());
        assert!(matches!(config.live_store(), Err(Error::File { .. })));
        config.live_store = "http://:s3cret@x".into();
        config.archive = "/x".into();
        assert!(config.live_store().is_err() && config.archive().is_err());
        assert!(matches!(config.database_url(), Err(Error::NoDatabase)));
    }
}
