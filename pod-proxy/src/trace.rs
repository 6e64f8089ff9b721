//! The span of a request to the model API: when, the status and how it ended, and nothing of what was said.
//!
//! The place in the trace comes from the token of the task, which the operator signed. What a request says about traces is ignored, and
//! none of it reaches the model API: the agent can choose neither.

use std::time::SystemTime;

use codex_telemetry::{KeyValue, Span, SpanKind, TraceContext, Tracer};
use http::StatusCode;

use crate::{metrics::End, token::TaskClaims};

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
    has_client_left: bool,
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
            has_client_left: false,
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

    /// Whoever asked did not wait for the end. That is no error of the model API: Codex goes when it has read that the answer is complete,
    /// which is before the connection ends.
    pub(crate) fn client_left(&mut self) {
        self.has_client_left = true;
    }

    fn span(&mut self, context: TraceContext, run: TraceContext) -> Span {
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
        if self.has_client_left {
            let end = KeyValue::new("codex.response.end", End::ClientLeft.label());
            span.attributes.push(end);
        }
        span
    }
}

impl Drop for ModelCall {
    fn drop(&mut self) {
        let Some((context, run)) = self.place else {
            return;
        };
        let span = self.span(context, run);
        self.tracer.record(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(how: impl FnOnce(&mut ModelCall)) -> Span {
        let run = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let run = run.expect("a traceparent of the standard's own examples");
        let mut call = ModelCall {
            tracer: Tracer::off(),
            place: None,
            task: "task".to_owned(),
            start: SystemTime::now(),
            status: None,
            error: None,
            has_client_left: false,
        };
        call.answered(StatusCode::OK);
        how(&mut call);
        call.span(run, run)
    }

    #[test]
    fn who_leaves_an_answer_makes_no_error_of_it() {
        let left = ended(ModelCall::client_left);
        assert!(left.error.is_none(), "{left:?}");
        let end = KeyValue::new("codex.response.end", "client_left");
        assert!(left.attributes.contains(&end), "{left:?}");

        let broke = ended(|call| call.fail(End::UpstreamBroke.label()));
        assert!(broke.error.is_some(), "{broke:?}");
    }
}
