//! The table.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::calls::Calls;
use super::{AT_ONCE, RUNNING, USERS};
use crate::stats::number;
use crate::system;

/// One run.
pub(crate) struct Run {
    pub(crate) count: usize,
    /// Until the last task was created.
    pub(crate) submitted: Duration,
    /// From the first creation until the last task was seen to have ended.
    pub(crate) took: Duration,
    /// The bare writes of as many Pods, before and after.
    pub(crate) limit: [Duration; 2],
    /// Processor time of the operator, until the last Pod was gone.
    pub(crate) cpu: Duration,
    /// That of the whole machine.
    pub(crate) machine: Duration,
    /// The most memory that the operator held, in bytes.
    pub(crate) peak: u64,
    /// What the operator asked.
    pub(crate) asked: Calls,
    /// How many writes of statuses of tasks were counted by then: by the relay, and by the API server.
    pub(crate) check: [u64; 2],
    pub(crate) rest: Option<Rest>,
}

/// The operator with nothing to do.
pub(crate) struct Rest {
    /// Tasks that have ended and are there.
    pub(crate) tasks: usize,
    pub(crate) time: Duration,
    pub(crate) cpu: Duration,
    pub(crate) asked: Calls,
}

impl Run {
    fn rate(&self) -> f64 {
        self.count as f64 / self.took.as_secs_f64()
    }

    fn limit(&self) -> f64 {
        let [before, after] = self
            .limit
            .map(|time| self.count as f64 / time.as_secs_f64());
        f64::midpoint(before, after)
    }

    fn calls(&self) -> u64 {
        self.asked.values().sum()
    }
}

/// All runs.
pub(crate) fn markdown(runs: &[Run], is_whole: bool) -> String {
    let mut out = String::from("# Tasks on Kubernetes\n\n");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let _ = writeln!(
        out,
        "{}, {}. `cargo run --release -p codex-bench -- {}`\n",
        jiff::Zoned::now().date(),
        system::description(),
        arguments.join(" ")
    );
    if !is_whole {
        out.push_str("**A trial with few tasks: the numbers mean little.**\n\n");
    }
    if cfg!(debug_assertions) {
        out.push_str("**A debug build: times mean nothing, only what is counted does.**\n\n");
    }
    let _ = writeln!(
        out,
        "Upstream's kube-apiserver and etcd (without fsync), the operator as a process of its own (leader election on, spool and archive in a folder, live log in its memory), and a **fake kubelet**: it binds each Pod, writes that it \
         runs and that it is over, serves a log of one line and the runner's end frame over TLS, and confirms the deletion; nothing runs. {AT_ONCE} creations at once, {USERS} users, at most {RUNNING} tasks at once. Everything shares the \
         cores of one machine, the API server takes most of them. The limit is what the same client needs to create as many Pods with the spec of the operator's, write two statuses of each and delete them, {AT_ONCE} at once; it is measured before and after the tasks, and the \
         table has the mean of both rates. A task is more than that: beside the Pod it is a resource with a status, a Secret, a log and events.\n"
    );
    out.push_str("| tasks | creating them, s | until all have ended, s | tasks/s | limit, Pods/s | part of the limit | operator CPU, s | ms of it per task | peak memory, MiB | API calls | per task |\n");
    out.push_str("|---|---|---|---|---|---|---|---|---|---|---|\n");
    for run in runs {
        let cpu = run.cpu.as_secs_f64();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            run.count,
            number(run.submitted.as_secs_f64()),
            number(run.took.as_secs_f64()),
            number(run.rate()),
            number(run.limit()),
            number(run.rate() / run.limit()),
            number(cpu),
            number(cpu * 1000.0 / run.count as f64),
            number(run.peak as f64 / f64::from(1 << 20)),
            run.calls(),
            number(run.calls() as f64 / run.count as f64),
        );
    }
    out.push_str("\nCPU and calls are counted from the first creation until the last Pod is gone.\n\n## API calls of the operator per task\n\n| |");
    for run in runs {
        let _ = write!(out, " {} tasks |", run.count);
    }
    out.push_str("\n|---|");
    out.push_str(&"---|".repeat(runs.len()));
    out.push('\n');
    let kinds: BTreeSet<_> = runs.iter().flat_map(|run| run.asked.keys()).collect();
    for kind in kinds {
        let _ = write!(out, "| {} {} |", kind.0, kind.1);
        for run in runs {
            let count = run.asked.get(kind).copied().unwrap_or(0);
            let _ = write!(out, " {} |", number(count as f64 / run.count as f64));
        }
        out.push('\n');
    }
    out.push_str("\nCounted between the operator and the API server, whose own counters do not say who asks. ");
    for run in runs {
        let _ = write!(
            out,
            "With {} tasks, the warm-up included, it was {} writes of statuses of tasks, and `apiserver_request_total` had {}. ",
            run.count, run.check[0], run.check[1]
        );
    }
    out.push('\n');
    for run in runs {
        if let Some(rest) = &run.rest {
            out.push_str(&rest.markdown());
        }
        let others = run.machine.as_secs_f64() / run.took.as_secs_f64();
        let _ = writeln!(
            out,
            "\nDuring the run with {} tasks the machine as a whole used {} cores.",
            run.count,
            number(others)
        );
    }
    out
}

impl Rest {
    fn markdown(&self) -> String {
        let minutes = self.time.as_secs_f64() / 60.0;
        let all: u64 = self.asked.values().sum();
        let mut out = format!(
            "\n## At rest\n\n{} tasks that have ended are there, and nothing happens for {} s: {} calls a minute, {} ms of CPU a minute.\n\n| call | a minute |\n|---|---|\n",
            self.tasks,
            number(self.time.as_secs_f64()),
            number(all as f64 / minutes),
            number(self.cpu.as_secs_f64() * 1000.0 / minutes)
        );
        for ((verb, resource), count) in &self.asked {
            let _ = writeln!(
                out,
                "| {verb} {resource} | {} |",
                number(*count as f64 / minutes)
            );
        }
        out
    }
}
