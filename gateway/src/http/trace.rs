//! The span of a request.
//!
//! Its name and attributes are the method, the template of the route and the status: whatever a client can make up, such as the path,
//! the query or a header, is not in it.

use std::borrow::Cow;
use std::time::SystemTime;

use codex_telemetry::{KeyValue, Span, SpanKind, TraceContext, Tracer};
use http::{HeaderMap, HeaderName, Method, StatusCode};

/// The header of the W3C that names the span before this one.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request under way, as the trace knows it. Handlers find its [`TraceContext`] in the extensions of the request.
#[derive(Debug)]
pub struct RequestTrace {
    /// Its place in the trace.
    pub context: TraceContext,
    parent: Option<TraceContext>,
    link: Option<TraceContext>,
    start: SystemTime,
}

impl RequestTrace {
    /// Begins a span: in the trace that the request names if that `is_trusted`, and in a new one otherwise. Something that is not
    /// trusted could join the trace of somebody else, or have everything recorded that it does; that it named a trace is kept as a link.
    #[must_use]
    pub fn begin(tracer: &Tracer, headers: &HeaderMap, is_trusted: bool) -> Self {
        let mut given = headers.get_all(TRACEPARENT).iter();
        let named = match (given.next(), given.next()) {
            // The standard: more than one is none.
            (Some(value), None) => value.to_str().ok().and_then(TraceContext::parse),
            _ => None,
        };
        let parent = named.filter(|_| is_trusted);
        Self {
            context: tracer.begin(parent),
            parent,
            link: named.filter(|_| !is_trusted),
            start: SystemTime::now(),
        }
    }

    /// The answer is about to leave.
    pub fn end(self, tracer: &Tracer, method: &Method, route: Option<&str>, status: StatusCode) {
        if !self.context.is_sampled() {
            return;
        }
        let method = method_name(method);
        let name = match route {
            Some(route) => Cow::Owned(format!("{method} {route}")),
            None => Cow::Borrowed(method),
        };
        let mut span = Span {
            kind: SpanKind::Server,
            link: self.link,
            ..Span::new(self.context, self.parent, name, self.start)
        };
        span.attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
        ];
        if let Some(route) = route {
            let route = route.to_owned();
            span.attributes.push(KeyValue::new("http.route", route));
        }
        if status.is_server_error() {
            let status = status.as_str().to_owned();
            span.attributes
                .push(KeyValue::new("error.type", status.clone()));
            span.error = Some(status.into());
        }
        tracer.record(span);
    }
}

/// The method, as one of few words: a client may send any.
#[must_use]
pub fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn begin(values: &[&'static str], is_trusted: bool) -> RequestTrace {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, HeaderValue::from_static(value));
        }
        RequestTrace::begin(&Tracer::off(), &headers, is_trusted)
    }

    #[test]
    fn only_what_is_trusted_is_continued() {
        let trusted = begin(&[PARENT], true);
        assert_eq!(trusted.context.trace_id(), &PARENT[3..35]);
        assert!(trusted.parent.is_some() && trusted.link.is_none());

        let foreign = begin(&[PARENT], false);
        assert_ne!(foreign.context.trace_id(), &PARENT[3..35]);
        assert_eq!(foreign.link, TraceContext::parse(PARENT));
        assert!(foreign.parent.is_none());
    }

    #[test]
    fn nonsense_begins_a_new_trace() {
        for values in [&[][..], &["x"], &[PARENT, PARENT]] {
            let trace = begin(values, true);
            assert!(trace.parent.is_none() && trace.link.is_none(), "{values:?}");
        }
    }

    #[test]
    fn methods_are_few() {
        let made_up = Method::from_bytes(b"BREW").unwrap();
        assert_eq!(method_name(&made_up), "_OTHER");
        assert_eq!(method_name(&Method::PATCH), "PATCH");
    }
}
