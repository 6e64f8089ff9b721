//! Counters in the text format of Prometheus.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

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

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    ends: [AtomicU64; End::ALL.len()],
    active: AtomicU64,
    response_bytes: AtomicU64,
    answers: AtomicU64,
    answer_micros: AtomicU64,
    artifact_bytes: AtomicU64,
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

    fn label(self) -> &'static str {
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

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::UpstreamBroke => "upstream_broke",
            Self::ClientLeft => "client_left",
        }
    }
}

impl Metrics {
    pub(crate) fn count(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Relaxed);
    }

    /// The model API sent the head of a response, this long after it was asked.
    pub(crate) fn answered(&self, after: Duration) {
        self.answers.fetch_add(1, Relaxed);
        self.answer_micros.fetch_add(
            u64::try_from(after.as_micros()).unwrap_or(u64::MAX),
            Relaxed,
        );
    }

    /// An artifact was taken or handed out whole.
    pub(crate) fn artifact_moved(&self, bytes: u64) {
        self.artifact_bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn response_began(&self) {
        self.active.fetch_add(1, Relaxed);
    }

    pub(crate) fn response_ended(&self, end: End, bytes: u64) {
        self.active.fetch_sub(1, Relaxed);
        self.ends[end as usize].fetch_add(1, Relaxed);
        self.response_bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn render(&self) -> String {
        let mut text = Text(String::new());
        text.family(
            "requests_total",
            "counter",
            "Requests, by how they were answered.",
        );
        for outcome in Outcome::ALL {
            let value = self.outcomes[outcome as usize].load(Relaxed);
            text.sample(
                "requests_total",
                &format!("{{outcome=\"{}\"}}", outcome.label()),
                value,
            );
        }
        text.family(
            "responses_ended_total",
            "counter",
            "Passed responses, by how their body ended.",
        );
        for end in End::ALL {
            let value = self.ends[end as usize].load(Relaxed);
            text.sample(
                "responses_ended_total",
                &format!("{{end=\"{}\"}}", end.label()),
                value,
            );
        }
        text.family(
            "responses_active",
            "gauge",
            "Responses that are streaming now.",
        );
        text.sample("responses_active", "", self.active.load(Relaxed));
        text.family(
            "response_bytes_total",
            "counter",
            "Bytes of response bodies, counted when a response ends.",
        );
        text.sample(
            "response_bytes_total",
            "",
            self.response_bytes.load(Relaxed),
        );
        text.family(
            "artifact_bytes_total",
            "counter",
            "Bytes of artifacts that tasks left or took.",
        );
        text.sample(
            "artifact_bytes_total",
            "",
            self.artifact_bytes.load(Relaxed),
        );
        text.family(
            "upstream_answer_seconds",
            "summary",
            "Time until the model API sent the head of a response.",
        );
        let micros = Duration::from_micros(self.answer_micros.load(Relaxed));
        text.sample("upstream_answer_seconds_sum", "", micros.as_secs_f64());
        text.sample(
            "upstream_answer_seconds_count",
            "",
            self.answers.load(Relaxed),
        );
        text.0
    }
}

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = write!(
            self.0,
            "# HELP codex_pod_proxy_{name} {help}\n# TYPE codex_pod_proxy_{name} {kind}\n"
        );
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "codex_pod_proxy_{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_has_its_own_counter() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
        for (index, end) in End::ALL.into_iter().enumerate() {
            assert_eq!(end as usize, index);
        }
    }
}
