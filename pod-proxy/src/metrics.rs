//! What a pod proxy counts, for Prometheus. Labels are words of the program.

use std::time::Duration;

use codex_telemetry::{Tracer, encode, register, register_span_counts};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// What stands before every name.
const PREFIX: &str = "codex_pod_proxy";

/// Upper bounds of the buckets of the time until an answer begins, in seconds. Models think for minutes.
const SECONDS: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// How a request was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Passed,
    UpstreamClientError,
    UpstreamServerError,
    UpstreamKeyRefused,
    UpstreamUnavailable,
    UpstreamTimeout,
    UpstreamFailed,
    Unauthorized,
    TooManyRequests,
    Refused,
    ArtifactKept,
    ArtifactServed,
    ArchiveUnavailable,
    Busy,
}

/// How the body of a passed response ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Complete,
    UpstreamBroke,
    ClientLeft,
}

impl Outcome {
    const ALL: [Self; 14] = [
        Self::Passed,
        Self::UpstreamClientError,
        Self::UpstreamServerError,
        Self::UpstreamKeyRefused,
        Self::UpstreamUnavailable,
        Self::UpstreamTimeout,
        Self::UpstreamFailed,
        Self::Unauthorized,
        Self::TooManyRequests,
        Self::Refused,
        Self::ArtifactKept,
        Self::ArtifactServed,
        Self::ArchiveUnavailable,
        Self::Busy,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::UpstreamClientError => "upstream_4xx",
            Self::UpstreamServerError => "upstream_5xx",
            Self::UpstreamKeyRefused => "upstream_key_refused",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::UpstreamFailed => "upstream_failed",
            Self::Unauthorized => "unauthorized",
            Self::TooManyRequests => "too_many_requests",
            Self::Refused => "refused",
            Self::ArtifactKept => "artifact_kept",
            Self::ArtifactServed => "artifact_served",
            Self::ArchiveUnavailable => "archive_unavailable",
            Self::Busy => "busy",
        }
    }
}

impl End {
    const ALL: [Self; 3] = [Self::Complete, Self::UpstreamBroke, Self::ClientLeft];

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::UpstreamBroke => "upstream_broke",
            Self::ClientLeft => "client_left",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndLabel {
    end: &'static str,
}

#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<OutcomeLabel, Counter>,
    ended: Family<EndLabel, Counter>,
    active: Gauge,
    response_bytes: Counter,
    artifact_bytes: Counter,
    answer: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let requests = register(
            &mut registry,
            "requests",
            "Requests, by how they were answered",
            Family::<OutcomeLabel, Counter>::default(),
        );
        let ended = register(
            &mut registry,
            "responses_ended",
            "Passed responses, by how their body ended",
            Family::<EndLabel, Counter>::default(),
        );
        // A rate needs a first value.
        for outcome in Outcome::ALL {
            let outcome = outcome.label();
            drop(requests.get_or_create(&OutcomeLabel { outcome }));
        }
        for end in End::ALL {
            let end = end.label();
            drop(ended.get_or_create(&EndLabel { end }));
        }
        let active = register(
            &mut registry,
            "responses_active",
            "Responses that are streaming now",
            Gauge::default(),
        );
        let response_bytes = register(
            &mut registry,
            "response_bytes",
            "Bytes of response bodies, counted when a response ends",
            Counter::default(),
        );
        let artifact_bytes = register(
            &mut registry,
            "artifact_bytes",
            "Bytes of artifacts that tasks left or took",
            Counter::default(),
        );
        let answer = register(
            &mut registry,
            "upstream_answer_seconds",
            "Time until the model API sent the head of a response",
            Histogram::new(SECONDS),
        );
        Self {
            registry,
            requests,
            ended,
            active,
            response_bytes,
            artifact_bytes,
            answer,
        }
    }
}

impl Metrics {
    pub(crate) fn count(&self, outcome: Outcome) {
        let outcome = outcome.label();
        self.requests.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// The model API sent the head of a response, this long after it was asked.
    pub(crate) fn answered(&self, after: Duration) {
        self.answer.observe(after.as_secs_f64());
    }

    /// An artifact was taken or handed out whole.
    pub(crate) fn artifact_moved(&self, bytes: u64) {
        self.artifact_bytes.inc_by(bytes);
    }

    pub(crate) fn response_began(&self) {
        self.active.inc();
    }

    pub(crate) fn response_ended(&self, end: End, bytes: u64) {
        self.active.dec();
        let end = end.label();
        self.ended.get_or_create(&EndLabel { end }).inc();
        self.response_bytes.inc_by(bytes);
    }

    /// The text that a scrape gets.
    pub(crate) fn render(&self, tracer: &Tracer) -> String {
        let mut spans = Registry::with_prefix(PREFIX);
        register_span_counts(&mut spans, tracer);
        encode(&[&self.registry, &spans])
    }
}
