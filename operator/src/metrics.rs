//! Counters, in the text format of Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use codex_crds::Phase;

/// Upper bounds of the buckets of durations, in milliseconds.
const BUCKETS_MS: [u64; 12] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 60_000, 300_000, 3_600_000,
];

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations, in buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS_MS.len()],
    count: AtomicU64,
    sum_ms: AtomicU64,
}

impl Histogram {
    /// Takes a duration in.
    pub fn observe(&self, duration: Duration) {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        for (bound, bucket) in BUCKETS_MS.iter().zip(&self.buckets) {
            if ms <= *bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_ms.fetch_add(ms, Ordering::Relaxed);
    }

    fn write(&self, out: &mut String, name: &str, help: &str) {
        head(out, name, help, "histogram");
        for (bound, bucket) in BUCKETS_MS.iter().zip(&self.buckets) {
            let seconds = Duration::from_millis(*bound).as_secs_f64();
            let count = bucket.load(Ordering::Relaxed);
            line(
                out,
                format_args!("{name}_bucket{{le=\"{seconds}\"}} {count}"),
            );
        }
        let count = self.count.load(Ordering::Relaxed);
        let sum = Duration::from_millis(self.sum_ms.load(Ordering::Relaxed)).as_secs_f64();
        line(out, format_args!("{name}_bucket{{le=\"+Inf\"}} {count}"));
        line(out, format_args!("{name}_sum {sum}"));
        line(out, format_args!("{name}_count {count}"));
    }
}

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
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Metrics {
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
    /// Kubernetes events that were dropped because too many waited.
    pub dropped_events: Counter,
    /// From the making of a task until its turn.
    pub queue_wait: Histogram,
    /// From the turn until the runner's start was seen.
    pub start_latency: Histogram,
}

impl Metrics {
    /// The text that a scraper reads.
    #[must_use]
    pub fn render(&self, gauges: &Gauges) -> String {
        let mut out = String::with_capacity(8 * 1024);
        head(&mut out, "codex_operator_tasks", "Tasks by state.", "gauge");
        for (phase, count) in &gauges.tasks {
            line(
                &mut out,
                format_args!(
                    "codex_operator_tasks{{phase=\"{}\"}} {count}",
                    phase.as_str()
                ),
            );
        }
        for (name, help, value) in [
            (
                "codex_operator_waiting_tasks",
                "Tasks that wait for their turn.",
                gauges.waiting,
            ),
            (
                "codex_operator_followers",
                "Logs that are being read.",
                gauges.followers,
            ),
            (
                "codex_operator_archivers",
                "Archives that are being written.",
                gauges.archivers,
            ),
            (
                "codex_operator_spool_bytes",
                "Frames in the files of the spool.",
                usize::try_from(gauges.spool_bytes).unwrap_or(usize::MAX),
            ),
            (
                "codex_operator_leader",
                "1 where this operator works, 0 where it stands by.",
                usize::from(gauges.is_leader),
            ),
        ] {
            head(&mut out, name, help, "gauge");
            line(&mut out, format_args!("{name} {value}"));
        }
        for (name, help, counter) in [
            (
                "codex_operator_reconciles_total",
                "Passes over tasks.",
                &self.reconciles,
            ),
            (
                "codex_operator_reconcile_errors_total",
                "Passes that failed.",
                &self.reconcile_errors,
            ),
            (
                "codex_operator_dropped_lines_total",
                "Lines that the runner did not write.",
                &self.dropped_lines,
            ),
            (
                "codex_operator_frames_total",
                "Frames appended to the live log.",
                &self.frames,
            ),
            (
                "codex_operator_lost_frames_total",
                "Frames that are lost for good.",
                &self.lost_frames,
            ),
            (
                "codex_operator_log_reconnects_total",
                "Connections to logs that were made again.",
                &self.reconnects,
            ),
            (
                "codex_operator_append_errors_total",
                "Failed attempts to append to the live log.",
                &self.append_errors,
            ),
            (
                "codex_operator_spool_stalls_total",
                "How often a log was not read because the spool was full.",
                &self.spool_stalls,
            ),
            (
                "codex_operator_spool_errors_total",
                "Writes into the spool that failed.",
                &self.spool_errors,
            ),
            (
                "codex_operator_archive_errors_total",
                "Failed attempts to archive.",
                &self.archive_errors,
            ),
            (
                "codex_operator_repaired_frames_total",
                "Frames that archives have from the record of the runner.",
                &self.repaired_frames,
            ),
            (
                "codex_operator_dropped_events_total",
                "Kubernetes events that were dropped.",
                &self.dropped_events,
            ),
        ] {
            head(&mut out, name, help, "counter");
            line(&mut out, format_args!("{name} {}", counter.get()));
        }
        self.queue_wait.write(
            &mut out,
            "codex_operator_queue_wait_seconds",
            "From the making of a task until its turn.",
        );
        self.start_latency.write(
            &mut out,
            "codex_operator_start_latency_seconds",
            "From the turn until the runner's start was seen.",
        );
        out
    }
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    line(out, format_args!("# HELP {name} {help}"));
    line(out, format_args!("# TYPE {name} {kind}"));
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let metrics = Metrics::default();
        metrics.queue_wait.observe(Duration::from_millis(20));
        metrics.queue_wait.observe(Duration::from_millis(90));
        let text = metrics.render(&Gauges::default());
        assert!(text.contains("codex_operator_queue_wait_seconds_bucket{le=\"0.025\"} 1\n"));
        assert!(text.contains("codex_operator_queue_wait_seconds_bucket{le=\"0.1\"} 2\n"));
        assert!(text.contains("codex_operator_queue_wait_seconds_sum 0.11\n"));
    }
}
