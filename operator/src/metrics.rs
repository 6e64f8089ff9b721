//! What an operator counts, for Prometheus. Labels are words of the program.

use std::time::Duration;

use codex_crds::{Phase, reasons};
use codex_telemetry::{Tracer, encode, register, register_span_counts};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// What stands before every name.
const PREFIX: &str = "codex_operator";

/// Upper bounds of the buckets of durations, in seconds.
const SECONDS: [f64; 12] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 3600.0,
];

/// What is true at the moment of asking.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// How many tasks are in each state.
    pub tasks: Vec<(Phase, usize)>,
    /// How many tasks wait for their turn.
    pub waiting: usize,
    /// How many logs are being read.
    pub followers: usize,
    /// How many archives are being written.
    pub archivers: usize,
    /// What the spool has in files, in bytes.
    pub spool_bytes: u64,
    /// Whether this operator works.
    pub is_leader: bool,
    /// How much is not as it should be with the cluster, by severity.
    pub findings: Vec<(&'static str, usize)>,
}

/// Something that an operator writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// The live log: Redis, or the memory of the operator.
    Live,
    /// The archive.
    Archive,
    /// The spool.
    Spool,
    /// The Kubernetes API.
    Kubernetes,
}

impl Store {
    const ALL: [Self; 4] = [Self::Live, Self::Archive, Self::Spool, Self::Kubernetes];

    const fn label(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Archive => "archive",
            Self::Spool => "spool",
            Self::Kubernetes => "kubernetes",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StoreLabel {
    store: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PhaseLabel {
    phase: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SeverityLabel {
    severity: &'static str,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    spawn_failures: Family<Reason, Counter>,
    store_errors: Family<StoreLabel, Counter>,
    queue_wait: Histogram,
    start_latency: Histogram,
    first_frame: Histogram,
    /// Passes over tasks.
    pub reconciles: Counter,
    /// Passes that failed.
    pub reconcile_errors: Counter,
    /// Lines in container logs that the runner did not write.
    pub dropped_lines: Counter,
    /// Frames that were appended to the live log.
    pub frames: Counter,
    /// Frames that are lost for good.
    pub lost_frames: Counter,
    /// Connections to container logs that were made again.
    pub reconnects: Counter,
    /// Attempts to append to the live log that failed.
    pub append_errors: Counter,
    /// How often the reading of a log stopped because the spool was full.
    pub spool_stalls: Counter,
    /// Writes into the spool's files that failed.
    pub spool_errors: Counter,
    /// Attempts to write an archive that failed.
    pub archive_errors: Counter,
    /// Frames that archives have from the record of the runner, because the container's log did not have them any more.
    pub repaired_frames: Counter,
    /// Logs whose repair waits for its turn.
    pub waiting_repairs: Gauge,
    /// Kubernetes events that were dropped because too many waited.
    pub dropped_events: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let mut counter = |name, help| register(&mut registry, name, help, Counter::default());
        let reconciles = counter("reconciles", "Passes over tasks");
        let reconcile_errors = counter("reconcile_errors", "Passes that failed");
        let dropped_lines = counter("dropped_lines", "Lines that the runner did not write");
        let frames = counter("frames", "Frames appended to the live log");
        let lost_frames = counter("lost_frames", "Frames that are lost for good");
        let reconnects = counter("log_reconnects", "Connections to logs that were made again");
        let append_errors = counter("append_errors", "Failed attempts to append to the live log");
        let spool_stalls = counter(
            "spool_stalls",
            "How often a log was not read because the spool was full",
        );
        let spool_errors = counter("spool_errors", "Writes into the spool that failed");
        let archive_errors = counter("archive_errors", "Failed attempts to archive");
        let repaired_frames = counter(
            "repaired_frames",
            "Frames that archives have from the record of the runner",
        );
        let dropped_events = counter("dropped_events", "Kubernetes events that were dropped");
        let waiting_repairs = register(
            &mut registry,
            "waiting_repairs",
            "Logs whose repair waits for its turn",
            Gauge::default(),
        );
        let mut histogram =
            |name, help| register(&mut registry, name, help, Histogram::new(SECONDS));
        let queue_wait = histogram(
            "queue_wait_seconds",
            "From the submission of a task until its turn",
        );
        let start_latency = histogram(
            "start_latency_seconds",
            "From the turn until the runner's start was seen",
        );
        let first_frame = histogram(
            "first_frame_seconds",
            "From the submission of a task until the first frame of its log was read",
        );
        let store_errors = register(
            &mut registry,
            "store_errors",
            "Failures because a store was away or refused",
            Family::<StoreLabel, Counter>::default(),
        );
        for store in Store::ALL {
            // A rate needs a first value.
            let store = store.label();
            drop(store_errors.get_or_create(&StoreLabel { store }));
        }
        let spawn_failures = register(
            &mut registry,
            "spawn_failures",
            "Tasks that ended in an error before they started, by reason",
            Family::default(),
        );
        Self {
            registry,
            spawn_failures,
            store_errors,
            queue_wait,
            start_latency,
            first_frame,
            reconciles,
            reconcile_errors,
            dropped_lines,
            frames,
            lost_frames,
            reconnects,
            append_errors,
            spool_stalls,
            spool_errors,
            archive_errors,
            repaired_frames,
            waiting_repairs,
            dropped_events,
        }
    }
}

impl Metrics {
    /// A task had its turn, this long after it was submitted.
    pub fn waited(&self, duration: Duration) {
        self.queue_wait.observe(duration.as_secs_f64());
    }

    /// The start of a runner was seen, this long after the turn of its task.
    pub fn started(&self, duration: Duration) {
        self.start_latency.observe(duration.as_secs_f64());
    }

    /// The first frame of a log was read, this long after its task was submitted.
    pub fn first_frame(&self, duration: Duration) {
        self.first_frame.observe(duration.as_secs_f64());
    }

    /// A task ended in an error before it started.
    pub fn spawn_failed(&self, reason: &str) {
        let reason = reasons::label(reason);
        self.spawn_failures.get_or_create(&Reason { reason }).inc();
    }

    /// Something failed because a store was away, or refused.
    pub fn store_error(&self, store: Store) {
        let store = store.label();
        self.store_errors.get_or_create(&StoreLabel { store }).inc();
    }

    /// The text that a scraper reads.
    #[must_use]
    pub fn render(&self, gauges: &Gauges, tracer: &Tracer) -> String {
        let mut now = Registry::with_prefix(PREFIX);
        let tasks = register(
            &mut now,
            "tasks",
            "Tasks by state",
            Family::<PhaseLabel, Gauge>::default(),
        );
        for (phase, count) in &gauges.tasks {
            let phase = phase.as_str();
            let gauge = tasks.get_or_create(&PhaseLabel { phase });
            gauge.set(signed(*count));
        }
        let findings = register(
            &mut now,
            "preflight_findings",
            "What is not as it should be with the cluster; /readyz lists it",
            Family::<SeverityLabel, Gauge>::default(),
        );
        for (severity, count) in &gauges.findings {
            let gauge = findings.get_or_create(&SeverityLabel { severity });
            gauge.set(signed(*count));
        }
        for (name, help, value) in [
            (
                "waiting_tasks",
                "Tasks that wait for their turn",
                signed(gauges.waiting),
            ),
            (
                "followers",
                "Logs that are being read",
                signed(gauges.followers),
            ),
            (
                "archivers",
                "Archives that are being written",
                signed(gauges.archivers),
            ),
            (
                "spool_bytes",
                "Frames in the files of the spool",
                i64::try_from(gauges.spool_bytes).unwrap_or(i64::MAX),
            ),
            (
                "leader",
                "1 where this operator works, 0 where it stands by",
                i64::from(gauges.is_leader),
            ),
        ] {
            register(&mut now, name, help, Gauge::<i64>::default()).set(value);
        }
        register_span_counts(&mut now, tracer);
        encode(&[&self.registry, &now])
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_failures_are_few() {
        let metrics = Metrics::default();
        metrics.spawn_failed(reasons::IMAGE_PULL);
        metrics.spawn_failed("made up by an image");
        metrics.waited(Duration::from_millis(20));
        let text = metrics.render(&Gauges::default(), &Tracer::off());
        assert!(text.contains("codex_operator_spawn_failures_total{reason=\"ImagePull\"} 1\n"));
        assert!(text.contains("codex_operator_spawn_failures_total{reason=\"Other\"} 1\n"));
        assert!(text.contains("codex_operator_queue_wait_seconds_bucket{le=\"0.025\"} 1\n"));
        assert!(text.ends_with("# EOF\n"));
    }
}
