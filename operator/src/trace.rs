//! The spans of a task: waiting, the start of its Pod, its run with what the runner did, the archive, and the task as a whole.
//!
//! They are made from what is recorded, when a step of the task is over, and their ids follow from the UID of the task. So they fit
//! together although several operators may have made them, and a pass that changes nothing makes none. What the runner did comes from
//! its end frame; the pod proxy learns its place in the trace from the token of the task. Nothing that the agent writes becomes a span.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use codex_crds::{CodexTask, Phase, meta, reasons};
use codex_tasklog::Phases;
use codex_telemetry::{KeyValue, Span, TraceContext, Tracer};
use jiff::Timestamp;

use crate::domain::outcome::Outcome;

/// The trace of one task.
#[derive(Clone, Debug)]
pub struct TaskTrace {
    tracer: Tracer,
    seed: String,
    id: String,
    parent: Option<TraceContext>,
    task: TraceContext,
}

/// When a task was where, as far as it got.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// It was submitted.
    pub submitted: Timestamp,
    /// The runner started.
    pub started: Option<Timestamp>,
    /// The runner ended, or that was given up.
    pub ended: Timestamp,
    /// The archive was complete and the end on record.
    pub recorded: Timestamp,
}

impl TaskTrace {
    /// The trace of a task: that of its annotation, or one of its own. An annotation that is no `traceparent` is none.
    #[must_use]
    pub fn of(task: &CodexTask, tracer: &Tracer) -> Self {
        let annotations = task.metadata.annotations.as_ref();
        let parent = annotations
            .and_then(|all| all.get(meta::TRACEPARENT_ANNOTATION))
            .and_then(|text| TraceContext::parse(text));
        let seed = task.metadata.uid.clone().unwrap_or_default();
        Self {
            tracer: tracer.clone(),
            task: tracer.derive(parent, &seed, "task"),
            id: task.task_id().unwrap_or_default(),
            parent,
            seed,
        }
    }

    /// The id of the trace, for the log.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.task.trace_id()
    }

    /// The span that everything inside the Pod is a part of.
    #[must_use]
    pub fn run(&self) -> TraceContext {
        self.part("run")
    }

    /// The task has its turn.
    pub fn admitted(&self, submitted: Timestamp, now: Timestamp) {
        self.record("queue", "wait for a turn", submitted, now);
    }

    /// The runner's start was seen.
    pub fn started(&self, admitted: Timestamp, now: Timestamp) {
        self.record("start", "start Pod", admitted, now);
    }

    /// The end of the task is on record.
    pub fn ended(&self, times: &Times, outcome: &Outcome, phases: &Phases) {
        if !self.task.is_sampled() {
            return;
        }
        let reason = reasons::label(&outcome.reason);
        let error = (outcome.phase == Phase::Error).then_some(reason);
        if let Some(started) = times.started {
            // Kubernetes counts in whole seconds, the runner does not.
            let own = phases
                .iter()
                .fold(None, |all: Option<(u64, u64)>, (_, it)| {
                    Some(all.map_or((it.0, it.1), |(start, end)| {
                        (start.min(it.0), end.max(it.1))
                    }))
                });
            let (start, end) = own.map_or_else(
                || (started.into(), times.ended.into()),
                |(start, end)| (moment(start), moment(end)),
            );
            let mut run = self.span("run", "run", start, end);
            run.error = error.map(Into::into);
            self.tracer.record(run);
            for (name, period) in phases.iter() {
                let context = self.part(name);
                self.tracer.record(Span {
                    end: moment(period.1),
                    ..Span::new(context, Some(self.run()), name, moment(period.0))
                });
            }
        }
        self.record("archive", "archive", times.ended, times.recorded);
        let mut whole = Span {
            end: times.recorded.into(),
            attributes: vec![
                self.task_id(),
                KeyValue::new("codex.task.state", outcome.phase.as_str()),
                KeyValue::new("codex.task.reason", reason),
            ],
            error: error.map(Into::into),
            ..Span::new(self.task, self.parent, "task", times.submitted.into())
        };
        if let Some(code) = outcome.exit_code {
            let code = KeyValue::new("process.exit.code", i64::from(code));
            whole.attributes.push(code);
        }
        self.tracer.record(whole);
    }

    fn record(&self, part: &str, name: &'static str, start: Timestamp, end: Timestamp) {
        self.tracer
            .record(self.span(part, name, start.into(), end.into()));
    }

    fn span(&self, part: &str, name: &'static str, start: SystemTime, end: SystemTime) -> Span {
        Span {
            end,
            attributes: vec![self.task_id()],
            ..Span::new(self.part(part), Some(self.task), name, start)
        }
    }

    fn part(&self, name: &str) -> TraceContext {
        self.task.within(&self.seed, name)
    }

    fn task_id(&self) -> KeyValue {
        KeyValue::new("codex.task.id", self.id.clone())
    }
}

fn moment(milliseconds: u64) -> SystemTime {
    // A runner with a clock that is far out must not make a time that there is not.
    UNIX_EPOCH
        .checked_add(Duration::from_millis(milliseconds))
        .unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn task(annotation: Option<&str>) -> CodexTask {
        let mut task = CodexTask::default();
        task.metadata.name = Some("nightly".into());
        task.metadata.uid = Some("11111111-2222-4333-8444-555555555555".into());
        task.metadata.annotations = annotation
            .map(|text| [(meta::TRACEPARENT_ANNOTATION.to_owned(), text.to_owned())].into());
        task
    }

    #[test]
    fn the_annotation_is_continued_and_nonsense_is_ignored() {
        let tracer = Tracer::off();
        let given = TaskTrace::of(&task(Some(PARENT)), &tracer);
        assert_eq!(given.trace_id(), &PARENT[3..35]);
        assert_eq!(given.parent, TraceContext::parse(PARENT));

        let own = TaskTrace::of(&task(None), &tracer);
        for nonsense in ["", "00-x", "{\"a\":1}"] {
            let trace = TaskTrace::of(&task(Some(nonsense)), &tracer);
            assert_eq!((trace.trace_id(), trace.parent), (own.trace_id(), None));
        }
        // What the gateway logs for the same task.
        let uid = task(None).metadata.uid.unwrap();
        assert_eq!(own.trace_id(), TraceContext::id_of_task(None, &uid));
    }

    #[test]
    fn another_operator_comes_to_the_same_ids() {
        let tracer = Tracer::off();
        let (first, second) = (
            TaskTrace::of(&task(Some(PARENT)), &tracer),
            TaskTrace::of(&task(Some(PARENT)), &tracer),
        );
        assert_eq!(first.task, second.task);
        assert_eq!(first.run(), second.run());
        assert_ne!(first.run(), first.task);
    }

    #[test]
    fn a_clock_that_is_out_makes_no_panic() {
        assert_eq!(moment(u64::MAX).max(UNIX_EPOCH), moment(u64::MAX));
    }
}
