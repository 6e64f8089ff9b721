//! An attempt of the dispatcher, as the trace of the task has it.

use std::time::SystemTime;

use codex_telemetry::{KeyValue, Span, SpanKind, TraceContext};

use super::CallError;
use crate::app::App;
use crate::database::outbox::Entry;

/// Every attempt is a part of the request that made the task, and so is the task itself: it does not matter which of them told Kubernetes,
/// and an attempt whose answer was lost is no worse than others.
pub(super) struct Attempt<'a> {
    app: &'a App,
    entry: &'a Entry,
    trace: Option<TraceContext>,
    start: SystemTime,
}

impl<'a> Attempt<'a> {
    pub(super) fn begin(app: &'a App, entry: &'a Entry) -> Self {
        Self {
            app,
            entry,
            trace: trace(entry),
            start: SystemTime::now(),
        }
    }

    /// It is over. `outcome` is nothing when Kubernetes did as it was told, and else why not in one word.
    pub(super) fn end(self, outcome: Option<&'static str>) {
        let Some(parent) = self.trace else { return };
        let name = if self.entry.cancel_requested_at.is_some() {
            "cancel CodexTask"
        } else {
            "create CodexTask"
        };
        let context = self.app.tracer.begin(Some(parent));
        self.app.tracer.record(Span {
            kind: SpanKind::Client,
            attributes: vec![
                KeyValue::new("codex.task.id", self.entry.id.to_string()),
                KeyValue::new("codex.attempt", i64::from(self.entry.outbox_attempts)),
            ],
            error: outcome.map(Into::into),
            ..Span::new(context, Some(parent), name, self.start)
        });
    }
}

/// The ids of everything that is logged about an attempt.
pub(super) fn log_span(entry: &Entry) -> tracing::Span {
    tracing::info_span!(
        "delivery",
        task.id = %entry.id,
        trace_id = trace(entry).map(|trace| trace.trace_id()),
    )
}

fn trace(entry: &Entry) -> Option<TraceContext> {
    entry.traceparent.as_deref().and_then(TraceContext::parse)
}

impl CallError {
    /// Why a call failed, in one of few words.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Kube(kube::Error::Api(_)) => "refused",
            Self::Kube(_) => "unreachable",
        }
    }
}
