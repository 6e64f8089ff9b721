//! What a gateway counts, for Prometheus.
//!
//! Labels are templates of routes and words of the program: nothing that a client or a task can make up.

use std::time::Duration;

use codex_telemetry::{Tracer, encode, register, register_span_counts};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::database::outbox::OpenTasks;

/// What stands before every name.
const PREFIX: &str = "codex_gateway";

/// The label of requests to paths that there are not.
const NO_ROUTE: &str = "none";

/// Upper bounds of the buckets of durations, in seconds.
const SECONDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 20.0,
];

/// The counters of one gateway.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    responses: Family<Class, Counter>,
    durations: Family<Request, Histogram, fn() -> Histogram>,
    store_errors: Family<StoreLabel, Counter>,
    /// Streams that are open now.
    pub streams_open: Gauge,
    /// Bytes of events that went into streams.
    pub stream_bytes: Counter,
    /// Bytes of encoded events that are kept for those who come next.
    pub stream_cache_bytes: Gauge,
    /// Chunks that were read from the store, because streams began earlier than the ring of their task or did not keep up.
    pub stream_store_chunks: Counter,
    /// Streams that were refused because too many are open.
    pub streams_refused: Counter,
    /// Connections that were closed because the client took nothing of its answer.
    pub connections_stalled: Counter,
    /// Connections that were closed because their address had too many.
    pub connections_refused: Counter,
    /// Logins that were refused.
    pub logins_refused: Counter,
    /// Requests that were refused because there were too many.
    pub requests_limited: Counter,
    /// Requests that could not be counted in Redis.
    pub limiter_errors: Counter,
    /// Passwords that were verified, those of unknown users too.
    pub passwords_verified: Counter,
    /// Tasks that were accepted.
    pub tasks_accepted: Counter,
    /// Resources that the dispatcher created.
    pub dispatched: Counter,
    /// Attempts of the dispatcher that failed and are repeated.
    pub dispatch_retries: Counter,
    /// Changes of state that the recorder wrote.
    pub recorded: Counter,
}

/// A store that a gateway needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// PostgreSQL.
    Postgres,
    /// Redis, where requests are counted.
    Redis,
    /// The log of running tasks, or what the archive has of it.
    Log,
    /// What tasks left.
    Archive,
    /// The Kubernetes API.
    Kubernetes,
}

impl Store {
    const ALL: [Self; 5] = [
        Self::Postgres,
        Self::Redis,
        Self::Log,
        Self::Archive,
        Self::Kubernetes,
    ];

    /// The store that an error of the API names.
    #[must_use]
    pub fn named(store: &str) -> Self {
        match store {
            "database" => Self::Postgres,
            "redis" => Self::Redis,
            "archive" => Self::Archive,
            "kubernetes" => Self::Kubernetes,
            _ => Self::Log,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Log => "log",
            Self::Archive => "archive",
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// A request that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// The template of the route, where there is one.
    pub route: Option<&'a str>,
    /// The method, as one of few words.
    pub method: &'static str,
    /// The status of the answer.
    pub status: http::StatusCode,
    /// How long it took until the answer began.
    pub duration: Duration,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Class {
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    route: String,
    method: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PhaseLabel {
    phase: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StoreLabel {
    store: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let mut counter = |name, help| register(&mut registry, name, help, Counter::default());
        let stream_bytes = counter("stream_bytes", "Bytes of events that went into streams");
        let stream_store_chunks = counter(
            "stream_store_chunks",
            "Chunks that were read from the store for streams, because they were not in memory",
        );
        let streams_refused = counter(
            "streams_refused",
            "Streams that were refused because too many are open",
        );
        let connections_stalled = counter(
            "connections_stalled",
            "Connections that were closed because the client took nothing of its answer",
        );
        let connections_refused = counter(
            "connections_refused",
            "Connections that were closed because their address had too many",
        );
        let logins_refused = counter("logins_refused", "Logins that were refused");
        let requests_limited = counter(
            "requests_limited",
            "Requests that were refused because a user sent too many",
        );
        let limiter_errors = counter(
            "rate_limit_store_errors",
            "Requests that could not be counted in Redis",
        );
        let passwords_verified = counter("passwords_verified", "Passwords that were verified");
        let tasks_accepted = counter("tasks_accepted", "Tasks that were accepted");
        let dispatched = counter("dispatched", "CodexTasks that were created");
        let dispatch_retries = counter(
            "dispatch_retries",
            "Attempts to reach Kubernetes that are repeated",
        );
        let recorded = counter("recorded", "Changes of state that were recorded");
        let responses = register(
            &mut registry,
            "http_responses",
            "Responses by class of status",
            Family::default(),
        );
        let durations = register(
            &mut registry,
            "http_request_duration_seconds",
            "From a request until its answer begins, without probes and scrapes",
            Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram),
        );
        let store_errors = register(
            &mut registry,
            "store_errors",
            "Failures because a store was away",
            Family::<StoreLabel, Counter>::default(),
        );
        for store in Store::ALL {
            // A rate needs a first value.
            let store = store.label();
            drop(store_errors.get_or_create(&StoreLabel { store }));
        }
        Self {
            responses,
            durations,
            store_errors,
            streams_open: register(
                &mut registry,
                "streams_open",
                "Streams that are open",
                Gauge::default(),
            ),
            stream_cache_bytes: register(
                &mut registry,
                "stream_cache_bytes",
                "Bytes of events that are kept for those who come next",
                Gauge::default(),
            ),
            stream_bytes,
            stream_store_chunks,
            streams_refused,
            connections_stalled,
            connections_refused,
            logins_refused,
            requests_limited,
            limiter_errors,
            passwords_verified,
            tasks_accepted,
            dispatched,
            dispatch_retries,
            recorded,
            registry,
        }
    }
}

impl Metrics {
    /// Counts a response.
    pub fn response(&self, status: http::StatusCode) {
        let class = class(status);
        self.responses.get_or_create(&Class { class }).inc();
    }

    /// Takes in how long a request took.
    pub fn answered(&self, request: &Answered<'_>) {
        let labels = Request {
            route: request.route.unwrap_or(NO_ROUTE).to_owned(),
            method: request.method,
            class: class(request.status),
        };
        let seconds = request.duration.as_secs_f64();
        self.durations.get_or_create(&labels).observe(seconds);
    }

    /// Something failed because a store was away.
    pub fn store_error(&self, store: Store) {
        let store = store.label();
        self.store_errors.get_or_create(&StoreLabel { store }).inc();
    }

    /// The text that a scrape gets. How many tasks the outbox holds, and how many have not ended, comes from the database, which may be away.
    #[must_use]
    pub fn render(&self, counted: Option<(i64, OpenTasks)>, tracer: &Tracer) -> String {
        let mut now = Registry::with_prefix(PREFIX);
        if let Some((pending, open)) = counted {
            let tasks = register(
                &mut now,
                "tasks",
                "Tasks on record that have not ended, of all gateways",
                Family::<PhaseLabel, Gauge>::default(),
            );
            for (phase, count) in [("queued", open.queued), ("running", open.running)] {
                tasks.get_or_create(&PhaseLabel { phase }).set(count);
            }
            let gauge = register(
                &mut now,
                "outbox_pending",
                "Tasks of which Kubernetes has yet to hear something",
                Gauge::<i64>::default(),
            );
            gauge.set(pending);
        }
        register_span_counts(&mut now, tracer);
        encode(&[&self.registry, &now])
    }
}

fn class(status: http::StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
