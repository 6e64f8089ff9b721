//! The span of a request to the model API: when, the status and how it ended, and nothing of what was said.
//!
//! The place in the trace comes from the token of the task, which the operator signed. What a request says about traces is ignored, and
//! none of it reaches the model API: the agent can choose neither.

use std::time::SystemTime;

use codex_telemetry::{KeyValue, Span, SpanKind, TraceContext, Tracer};
use http::StatusCode;

use crate::token::TaskClaims;

/// A request under way. Its span ends when this is dropped.
#[derive(Debug)]
pub(crate) struct ModelCall {
    tracer: Tracer,
    /// None where the trace of the task is not recorded.
    place: Option<(TraceContext, TraceContext)>,
    task: String,
    start: SystemTime,
    status: Option<StatusCode>,
    error: Option<&'static str>,
}

impl ModelCall {
    pub(crate) fn begin(tracer: &Tracer, claims: &TaskClaims) -> Self {
        let run = claims.traceparent.as_deref().and_then(TraceContext::parse);
        let place = run
            .map(|run| (tracer.begin(Some(run)), run))
            .filter(|(context, _)| context.is_sampled());
        Self {
            tracer: tracer.clone(),
            task: place.map_or_else(String::new, |_| claims.sub.clone()),
            place,
            start: SystemTime::now(),
            status: None,
            error: None,
        }
    }

    /// The model API has answered.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// It went wrong, in one of few words.
    pub(crate) fn fail(&mut self, error: &'static str) {
        self.error = Some(error);
    }
}

impl Drop for ModelCall {
    fn drop(&mut self) {
        let Some((context, run)) = self.place else {
            return;
        };
        let mut span = Span {
            kind: SpanKind::Client,
            attributes: vec![
                KeyValue::new("codex.task.id", std::mem::take(&mut self.task)),
                KeyValue::new("http.request.method", "POST"),
            ],
            ..Span::new(context, Some(run), "call model", self.start)
        };
        let mut error = self.error;
        if let Some(status) = self.status {
            let code = i64::from(status.as_u16());
            let code = KeyValue::new("http.response.status_code", code);
            span.attributes.push(code);
            if status.is_client_error() || status.is_server_error() {
                error = error.or(Some("status"));
            }
        }
        if let Some(error) = error {
            span.attributes.push(KeyValue::new("error.type", error));
            span.error = Some(error.into());
        }
        self.tracer.record(span);
    }
}
