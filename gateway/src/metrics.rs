//! Counters in the text format of Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// The counters of one gateway.
#[derive(Debug, Default)]
pub struct Metrics {
    responses: [AtomicU64; 5],
    /// Streams that are open now.
    pub streams_open: AtomicI64,
    /// Bytes of events that went into streams.
    pub stream_bytes: Counter,
    /// Bytes of encoded events that are kept for those who come next.
    pub stream_cache_bytes: AtomicU64,
    /// Chunks that were read from the store, because streams began earlier than the ring of their task or did not keep up.
    pub stream_store_chunks: Counter,
    /// Streams that were refused because too many are open.
    pub streams_refused: Counter,
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

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// How much it is now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl Metrics {
    /// Counts a response by the class of its status.
    pub fn response(&self, status: http::StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.responses.get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The text that a scrape gets. `outbox_pending` comes from the database, which may be away.
    #[must_use]
    pub fn render(&self, outbox_pending: Option<i64>) -> String {
        let mut text = String::with_capacity(2048);
        header(
            &mut text,
            "codex_gateway_http_responses_total",
            "counter",
            "Responses by class of status.",
        );
        for (class, counter) in CLASSES.iter().zip(&self.responses) {
            let value = counter.load(Ordering::Relaxed);
            let _ = writeln!(
                text,
                "codex_gateway_http_responses_total{{class=\"{class}\"}} {value}"
            );
        }
        let counters: [(&str, &str, &Counter); 11] = [
            (
                "codex_gateway_stream_bytes_total",
                "Bytes of events that went into streams.",
                &self.stream_bytes,
            ),
            (
                "codex_gateway_stream_store_chunks_total",
                "Chunks that were read from the store for streams, because they were not in memory.",
                &self.stream_store_chunks,
            ),
            (
                "codex_gateway_streams_refused_total",
                "Streams that were refused because too many are open.",
                &self.streams_refused,
            ),
            (
                "codex_gateway_logins_refused_total",
                "Logins that were refused.",
                &self.logins_refused,
            ),
            (
                "codex_gateway_requests_limited_total",
                "Requests that were refused because a user sent too many.",
                &self.requests_limited,
            ),
            (
                "codex_gateway_rate_limit_store_errors_total",
                "Requests that could not be counted in Redis.",
                &self.limiter_errors,
            ),
            (
                "codex_gateway_passwords_verified_total",
                "Passwords that were verified.",
                &self.passwords_verified,
            ),
            (
                "codex_gateway_tasks_accepted_total",
                "Tasks that were accepted.",
                &self.tasks_accepted,
            ),
            (
                "codex_gateway_dispatched_total",
                "CodexTasks that were created.",
                &self.dispatched,
            ),
            (
                "codex_gateway_dispatch_retries_total",
                "Attempts to reach Kubernetes that are repeated.",
                &self.dispatch_retries,
            ),
            (
                "codex_gateway_recorded_total",
                "Changes of state that were recorded.",
                &self.recorded,
            ),
        ];
        for (name, help, counter) in counters {
            header(&mut text, name, "counter", help);
            let _ = writeln!(text, "{name} {}", counter.get());
        }
        header(
            &mut text,
            "codex_gateway_streams_open",
            "gauge",
            "Streams that are open.",
        );
        let _ = writeln!(
            text,
            "codex_gateway_streams_open {}",
            self.streams_open.load(Ordering::Relaxed)
        );
        header(
            &mut text,
            "codex_gateway_stream_cache_bytes",
            "gauge",
            "Bytes of events that are kept for those who come next.",
        );
        let _ = writeln!(
            text,
            "codex_gateway_stream_cache_bytes {}",
            self.stream_cache_bytes.load(Ordering::Relaxed)
        );
        if let Some(pending) = outbox_pending {
            header(
                &mut text,
                "codex_gateway_outbox_pending",
                "gauge",
                "Tasks of which Kubernetes has yet to hear something.",
            );
            let _ = writeln!(text, "codex_gateway_outbox_pending {pending}");
        }
        text
    }
}

fn header(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}
