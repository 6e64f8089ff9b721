//! The configuration: environment variables, each with an option of the same meaning for tries by hand. `codex-settings` reads them, and
//! tells everything that is wrong at once.

mod check;
mod rates;
pub(crate) mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use codex_crds::env_policy::EnvPolicy;
use codex_settings::values::{dns_label, folder, variable_pattern};
use codex_tasklog::hub::HubClient;
use codex_tasklog::{
    ArchiveLocation, LiveLocation, LiveLog, LogError, RedisConfig, RedisStore, authorities_file,
};
use codex_telemetry::Tracer;
use http::HeaderValue;
use ipnet::IpNet;
use secrecy::SecretString;

pub use self::rates::RateConfig;
use self::values::{
    audit_days, database_url, email, key_file, key_folder, network, origin, password, signing_keys,
};
use crate::app::{Parts, Settings};
use crate::app_links::{AndroidApp, AppLinks, IosApp};
use crate::auth::keys::KeySource;
use crate::auth::token::TokenKeys;
use crate::database;
use crate::error::Error;
use crate::http::client_address::TrustedProxies;
use crate::limits::{RateLimiter, RedisLimiter};
use crate::oidc_config::OidcConfig;

/// The HTTP API of Codex Remote Runner.
#[derive(Debug, clap::Parser)]
#[command(name = "codex-gateway", version)]
pub struct Config {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, env = "CODEX_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where PostgreSQL is: `postgres://user:password@host:port/database`.
    #[arg(long, env = "CODEX_DATABASE_URL", hide_env_values = true, value_parser = database_url)]
    pub database_url: SecretString,
    /// The namespace of the tasks.
    #[arg(long, env = "CODEX_NAMESPACE", default_value = "codex-tasks", value_parser = dns_label)]
    pub namespace: String,
    /// The log of running tasks: `hub:/path/to.sock`, the socket of the operator on this machine, or the Redis of the operator at
    /// `redis://[user[:password]@]host[:port][/database]`, `rediss://` for TLS.
    #[arg(long, env = "CODEX_LIVE_STORE", hide_env_values = true)]
    pub live_store: LiveLocation,
    /// The password of Redis, instead of one in the address.
    #[arg(long, env = "CODEX_REDIS_PASSWORD", hide_env_values = true)]
    pub redis_password: Option<SecretString>,
    /// A file with the certificate authorities (PEM) that may vouch for Redis at `rediss://`, instead of those that the system trusts.
    #[arg(long, env = "CODEX_REDIS_CA_FILE", value_parser = authorities_file)]
    pub redis_ca_file: Option<PathBuf>,
    /// Where logs stay: `file:///folder` or `s3://bucket/prefix?endpoint=URL&region=NAME&path-style=BOOL`. Credentials for S3 come
    /// from where the AWS tools look for them.
    #[arg(long, env = "CODEX_ARCHIVE")]
    pub archive: ArchiveLocation,
    /// The Ed25519 key that signs access tokens: PKCS #8 in PEM. Further keys after it are former ones, whose tokens are still accepted.
    /// This or `CODEX_JWT_KEY_DIR` is required.
    #[arg(long, env = "CODEX_JWT_KEY", hide_env_values = true, value_parser = signing_keys)]
    pub jwt_key: Option<SecretString>,
    /// A folder of such keys, `*.pem`, that is read again when it changes. The last name signs, five minutes after its file was
    /// written; all of them are accepted.
    #[arg(long, env = "CODEX_JWT_KEY_DIR", value_parser = key_folder)]
    pub jwt_key_dir: Option<PathBuf>,
    /// Files of former keys, whose tokens are still accepted, separated by commas. They go with `CODEX_JWT_KEY`.
    #[arg(long, env = "CODEX_JWT_OLD_KEY_FILES", value_delimiter = ',', value_parser = key_file)]
    pub jwt_old_key_files: Vec<PathBuf>,
    /// How long an access token is good, in seconds.
    #[arg(long, env = "CODEX_ACCESS_TOKEN_SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(10..=2_592_000))]
    pub access_token_seconds: u64,
    /// The first administrator, made when there is no user at all.
    #[arg(long, env = "CODEX_ADMIN_EMAIL", value_parser = email)]
    pub admin_email: Option<String>,
    /// The password of the first administrator.
    #[arg(long, env = "CODEX_ADMIN_PASSWORD", hide_env_values = true, value_parser = password)]
    pub admin_password: Option<SecretString>,
    /// Environment variables that tasks may set: names, or beginnings with `*`, separated by commas. Names that steer the sandbox stay refused.
    #[arg(
        long,
        env = "CODEX_ENV_ALLOW",
        value_delimiter = ',',
        default_value = "*",
        value_parser = variable_pattern
    )]
    pub env_allow: Vec<String>,
    /// The longest request body, in bytes. A prompt of 256 KiB may take six times that in JSON.
    #[arg(long, env = "CODEX_MAX_BODY", default_value_t = 2 * 1024 * 1024)]
    pub max_body: usize,
    /// Origins of other web pages that may call the API, separated by commas, for example `https://app.example.com`.
    #[arg(long, env = "CODEX_CORS_ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub cors_origins: Vec<HeaderValue>,
    /// The networks of the proxies before the gateway that append to `X-Forwarded-For`, separated by commas, for example
    /// `10.0.0.0/8,2001:db8::/32`. The address of a client, for the throttle of logins and the audit log, is the last one that is in
    /// none of them; whoever comes from elsewhere is not believed.
    #[arg(long, env = "CODEX_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// How many such proxies there are, where their addresses are not known. Then nobody but them may reach the gateway. With 0, and
    /// no trusted networks, the header is not believed.
    #[arg(long, env = "CODEX_PROXY_HOPS", default_value_t = 0)]
    pub proxy_hops: usize,
    /// Whether a request may continue the trace that its `traceparent` names. Only where every request comes through something that is
    /// trusted: a client could otherwise have its requests recorded in full, or in the middle of somebody else's trace. Without it
    /// every request begins a trace of its own, which names the other one as a link.
    #[arg(long, env = "CODEX_TRUST_TRACEPARENT", default_value = "false", action = clap::ArgAction::Set,
        value_parser = clap::builder::BoolishValueParser::new())]
    pub trust_traceparent: bool,
    /// A folder with the web client; without it a built-in page is served.
    #[arg(long, env = "CODEX_WEB_DIR", value_parser = folder)]
    pub web_dir: Option<PathBuf>,
    /// The apps for iOS that links to this gateway open, separated by commas, as `TEAMID1234.com.example.app`: the id of the team and the
    /// bundle identifier. They are told at `/.well-known/apple-app-site-association`.
    #[arg(long, env = "CODEX_IOS_APPS", value_delimiter = ',')]
    pub ios_apps: Vec<IosApp>,
    /// The apps for Android that links to this gateway open, separated by commas, as `com.example.app=FINGERPRINT`: the package and the
    /// SHA-256 fingerprint of the certificate that signs it, `AB:CD:...`. One that several certificates sign stands there several times. They
    /// are told at `/.well-known/assetlinks.json`.
    #[arg(long, env = "CODEX_ANDROID_APPS", value_delimiter = ',')]
    pub android_apps: Vec<AndroidApp>,
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
    /// How long a client may take nothing at all of an answer or a stream, in seconds; then its connection is closed. However slowly
    /// it reads, it is served while it does.
    #[arg(long, env = "CODEX_WRITE_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub write_seconds: u64,
    /// How many connections one address may have open on this gateway, or one /64 network of IPv6; more are closed at once. Proxies that
    /// are trusted are not counted. 0 is without limit.
    #[arg(long, env = "CODEX_CONNECTIONS_PER_ADDRESS", default_value_t = 2_000)]
    pub connections_per_address: usize,
    /// How many days the audit log goes back, at least 30. 0 keeps it for ever.
    #[arg(long, env = "CODEX_AUDIT_DAYS", default_value_t = 0, value_parser = audit_days)]
    pub audit_days: u32,
    /// Sign-in with another provider.
    #[command(flatten)]
    pub oidc: OidcConfig,
}

/// The first administrator.
pub struct Admin {
    /// The address.
    pub email: String,
    /// The password.
    pub password: SecretString,
}

impl Config {
    /// Connects to everything that the configuration names. Spans go to `tracer`.
    ///
    /// # Errors
    /// [`Error`] says what is away, or which file has changed since the configuration was read.
    pub async fn connect(&self, tracer: Tracer) -> Result<Parts, Error> {
        let settings = Settings {
            namespace: self.namespace.clone(),
            env_policy: EnvPolicy::new(&self.env_allow),
            max_body: self.max_body,
            cors_origins: self.cors_origins.clone(),
            trusted_proxies: self.trusted_proxies(),
            trust_traceparent: self.trust_traceparent,
            web_dir: self.web_dir.clone(),
            app_links: AppLinks {
                ios: self.ios_apps.clone(),
                android: self.android_apps.clone(),
            },
            streams_per_user: self.streams_per_user,
            streams_total: self.streams_total,
            stream_cache: self.stream_cache,
            drain: Duration::from_secs(self.drain_seconds),
            rates: self.rates.settings(),
            tasks_per_user: self.tasks_per_user,
            header_timeout: Settings::default().header_timeout,
            body_timeout: Duration::from_secs(self.body_seconds),
            write_timeout: Duration::from_secs(self.write_seconds),
            connections_per_address: self.connections_per_address,
            audit_days: self.audit_days,
            oidc: self.oidc.settings(),
        };
        let lifetime = Duration::from_secs(self.access_token_seconds);
        let live = self.live_log()?;
        let limiter = self.limiter()?;
        let archive = self.archive.open().await;
        let tokens = TokenKeys::read(self.key_source()?, lifetime)?;
        let kubernetes = kube::Config::infer()
            .await
            .map_err(|error| Error::KubernetesConfig(error.into()))?;
        let client = kube::Client::try_from(kubernetes)
            .map_err(|error| Error::KubernetesConfig(error.into()))?;
        let pool = database::connect(&self.database_url).await?;
        Ok(Parts {
            pool,
            client,
            live,
            archive,
            tokens,
            limiter,
            tracer,
            settings,
        })
    }

    /// The first administrator, where one is configured.
    #[must_use]
    pub fn admin(&self) -> Option<Admin> {
        Some(Admin {
            email: self.admin_email.clone()?,
            password: self.admin_password.clone()?,
        })
    }

    fn live_log(&self) -> Result<Arc<dyn LiveLog>, Error> {
        match &self.live_store {
            LiveLocation::Hub(path) => Ok(Arc::new(HubClient::new(path))),
            LiveLocation::Redis(address) => {
                let redis = self.redis("CODEX_LIVE_STORE", address)?;
                let store = RedisStore::new(redis).map_err(Error::LiveStore)?;
                Ok(Arc::new(store))
            }
        }
    }

    fn redis(&self, name: &'static str, address: &SecretString) -> Result<RedisConfig, Error> {
        let refused = |source| Error::Redis { name, source };
        let password = self.redis_password.as_ref();
        let config = RedisConfig::new(address, password).map_err(refused)?;
        match &self.redis_ca_file {
            Some(file) => config.with_authorities(file).map_err(refused),
            None => Ok(config),
        }
    }

    /// Where requests are counted: the Redis that is named for it, or that of the live log, or nowhere but here.
    fn limiter(&self) -> Result<Option<Arc<dyn RateLimiter>>, Error> {
        let own = self.rates.redis_url.as_ref();
        let named = own.map(|address| ("CODEX_REDIS_URL", address)).or_else(|| {
            let address = self.live_store.redis()?;
            Some(("CODEX_LIVE_STORE", address))
        });
        let Some((name, address)) = named else {
            return Ok(None);
        };
        let limiter = RedisLimiter::new(&self.redis(name, address)?).map_err(|error| {
            let source = LogError::Setting(error.to_string());
            Error::Redis { name, source }
        })?;
        Ok(Some(Arc::new(limiter)))
    }

    fn trusted_proxies(&self) -> TrustedProxies {
        match (self.trusted_proxies.as_slice(), self.proxy_hops) {
            ([], 0) => TrustedProxies::None,
            ([], hops) => TrustedProxies::Hops(hops),
            (networks, _) => TrustedProxies::Networks(networks.to_vec()),
        }
    }

    fn key_source(&self) -> Result<KeySource, Error> {
        match (&self.jwt_key_dir, &self.jwt_key) {
            (Some(dir), _) => Ok(KeySource::Folder(dir.clone())),
            (None, Some(signing)) => Ok(KeySource::Fixed {
                signing: signing.clone(),
                verifying: self.jwt_old_key_files.clone(),
            }),
            (None, None) => Err(Error::NoSigningKeys),
        }
    }
}
