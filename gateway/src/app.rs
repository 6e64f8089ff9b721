//! What every part of a gateway shares.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use codex_crds::env_policy::EnvPolicy;
use codex_tasklog::{Archive, LiveLog, Reader};
use codex_telemetry::Tracer;
use http::HeaderValue;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::app_links::AppLinks;
use crate::auth::crowd::Crowd;
use crate::auth::oidc::{OidcSettings, Provider};
use crate::auth::password::Passwords;
use crate::auth::revocation::Openings;
use crate::auth::token::TokenKeys;
use crate::cluster::desk::Desk;
use crate::cluster::repositories::Repositories;
use crate::http::client_address::TrustedProxies;
use crate::limits::{Limits, RateLimiter, RateSettings};
use crate::metrics::Metrics;
use crate::streams::fanout::TaskStreams;
use crate::streams::slots::Slots;
use crate::tasks::states::TaskStates;

/// What a gateway is made of; `main` makes it from the configuration, tests make it by hand.
pub struct Parts {
    /// The database, with its schema up to date.
    pub pool: PgPool,
    /// The Kubernetes API.
    pub client: kube::Client,
    /// The log of running tasks.
    pub live: Arc<dyn LiveLog>,
    /// The log of finished tasks.
    pub archive: Arc<dyn Archive>,
    /// The keys of access tokens.
    pub tokens: TokenKeys,
    /// Counts requests for all gateways; without it each counts for itself.
    pub limiter: Option<Arc<dyn RateLimiter>>,
    /// Where spans go.
    pub tracer: Tracer,
    /// The rest.
    pub settings: Settings,
}

/// Settings that have no state.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of the tasks.
    pub namespace: String,
    /// Which environment variables a task may set.
    pub env_policy: EnvPolicy,
    /// The longest request body, in bytes.
    pub max_body: usize,
    /// Origins of web pages that may call the API from a browser; the gateway's own pages need no entry.
    pub cors_origins: Vec<HeaderValue>,
    /// Which entries of `X-Forwarded-For` are believed.
    pub trusted_proxies: TrustedProxies,
    /// Whether requests may continue traces that others have begun.
    pub trust_traceparent: bool,
    /// A folder with the web client; without it the built-in page is served.
    pub web_dir: Option<PathBuf>,
    /// The apps that open links to this gateway.
    pub app_links: AppLinks,
    /// How many streams one user may have open.
    pub streams_per_user: usize,
    /// How many streams may be open in all.
    pub streams_total: usize,
    /// How often users may ask.
    pub rates: RateSettings,
    /// How many tasks one user may have queued or running; 0 is without limit.
    pub tasks_per_user: i64,
    /// How long the header of a request may take to arrive, and how long a connection may wait for the next one.
    pub header_timeout: Duration,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// How long a client may take nothing of its answer.
    pub write_timeout: Duration,
    /// How many connections one address may have open; 0 is without limit.
    pub connections_per_address: usize,
    /// How many days audit rows are kept; 0 keeps them for ever.
    pub audit_days: u32,
    /// Another provider of sign-ins.
    pub oidc: Option<OidcSettings>,
    /// How much is kept of the logs that streams read from the store, for others who want the same, in bytes.
    pub stream_cache: usize,
    /// How long the gateway goes on after the order to stop, so that whoever spreads the requests notices.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            namespace: "codex-tasks".to_owned(),
            env_policy: EnvPolicy::default(),
            max_body: 2 * 1024 * 1024,
            cors_origins: Vec::new(),
            trusted_proxies: TrustedProxies::None,
            trust_traceparent: false,
            web_dir: None,
            app_links: AppLinks::default(),
            streams_per_user: 50,
            streams_total: 10_000,
            rates: RateSettings::default(),
            tasks_per_user: 200,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(15),
            write_timeout: Duration::from_secs(60),
            connections_per_address: 2_000,
            audit_days: 0,
            oidc: None,
            stream_cache: 64 * 1024 * 1024,
            drain: Duration::ZERO,
        }
    }
}

/// What every part of a gateway shares.
pub struct App {
    /// The database.
    pub pool: PgPool,
    /// The Kubernetes API.
    pub client: kube::Client,
    /// The log of running tasks.
    pub live: Arc<dyn LiveLog>,
    /// The log of finished tasks.
    pub archive: Arc<dyn Archive>,
    /// Joins the two.
    pub reader: Reader,
    /// The streams of the tasks that somebody watches.
    pub streams: TaskStreams,
    /// How many streams may be open.
    pub slots: Slots,
    /// How often users may ask.
    pub limits: Limits,
    /// The keys of access tokens.
    pub tokens: TokenKeys,
    /// Hashes and verifies passwords.
    pub passwords: Passwords,
    /// How many logins are under way.
    pub logins: Crowd,
    /// Another provider of sign-ins.
    pub oidc: Option<Provider>,
    /// What stays open after its request was answered.
    pub openings: Openings,
    /// The allow-list, as Kubernetes last told it.
    pub repositories: Repositories,
    /// The states of the tasks that somebody watches.
    pub states: TaskStates,
    /// Hands tasks to the dispatcher.
    pub outbox: Desk,
    /// Where spans go.
    pub tracer: Tracer,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Settings.
    pub settings: Settings,
    /// The order to stop: no new streams from now on.
    pub stopping: CancellationToken,
    /// Ends everything, streams included.
    pub shutdown: CancellationToken,
}
