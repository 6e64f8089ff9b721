//! What goes around every request: its id, its line in the log, the envelope of its error, and the headers of its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};
use tracing::Instrument as _;
use tracing::field::Empty;
use uuid::Uuid;

use super::client_address::ClientAddress;
use super::envelope::{self, StoreAway};
use super::limit::Slip;
use super::page_policy::PAGE_POLICY;
use super::trace::{self, RequestTrace};
use crate::app::App;
use crate::metrics::{Answered, Store};

/// The header that carries the id of a request, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken over from a client or a proxy.
const MAX_ID: usize = 128;

/// The id of a request.
#[derive(Clone, Debug)]
pub struct RequestId(pub Arc<str>);

/// The outermost layer.
pub async fn around(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let id = RequestId(request_id(request.headers().get(&REQUEST_ID)));
    let started = Instant::now();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let proxies = &app.settings.trusted_proxies;
    let client = peer.map(|peer| proxies.client_address(peer.0, request.headers()));
    let trust = app.settings.trust_traceparent;
    let request_trace = RequestTrace::begin(&app.tracer, request.headers(), trust);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    // The query is left out: it may hold what somebody is looking for.
    let span = tracing::info_span!(
        "request",
        request.id = %id.0,
        trace_id = request_trace.context.trace_id(),
        // Who asks and for what is known further in.
        user.id = Empty,
        task.id = Empty,
        http.method = %request.method(),
        http.path = request.uri().path(),
        client.ip = client.map(tracing::field::display),
    );
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(request_trace.context);
    let slip = Slip::default();
    request.extensions_mut().insert(slip.clone());
    if let Some(address) = client {
        request.extensions_mut().insert(ClientAddress(address));
    }
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = envelope::render(response, &id.0);
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    slip.write(response.headers_mut());
    app.metrics.response(response.status());
    if let Some(StoreAway(store)) = response.extensions().get() {
        app.metrics.store_error(Store::named(store));
    }
    let is_quiet = response.extensions().get::<Quiet>().is_some();
    if !is_quiet {
        let route = route.as_ref().map(MatchedPath::as_str);
        app.metrics.answered(&Answered {
            route,
            method: trace::method_name(&method),
            status: response.status(),
            duration: started.elapsed(),
        });
        request_trace.end(&app.tracer, &method, route, response.status());
    }
    let status = response.status().as_u16();
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| {
        if is_quiet {
            tracing::debug!(http.status = status, duration.ms = milliseconds, "answered");
        } else {
            tracing::info!(http.status = status, duration.ms = milliseconds, "answered");
        }
    });
    response
}

/// Marks answers to probes and scrapes, which would fill the log and the traces.
#[derive(Clone, Copy, Debug)]
pub struct Quiet;

/// Headers that make browsers careful. Answers of the API are never stored.
pub async fn secure(request: Request, next: Next) -> Response {
    let is_page = request
        .extensions()
        .get::<MatchedPath>()
        .is_none_or(|path| super::router::is_page(path.as_str()));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            if is_page { PAGE_POLICY } else { API_POLICY },
        ),
    ];
    for (name, value) in fixed {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if !is_page {
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

/// An answer of the API is no page, whatever a browser takes it for.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Takes over an id that is harmless in headers and logs, and makes one otherwise.
fn request_id(given: Option<&HeaderValue>) -> Arc<str> {
    given
        .and_then(|value| value.to_str().ok())
        .filter(|id| {
            (1..=MAX_ID).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        })
        .map_or_else(|| Uuid::now_v7().to_string().into(), Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_ids_are_taken_over() {
        let id = |text: &str| request_id(Some(&HeaderValue::from_str(text).unwrap()));
        assert_eq!(&*id("trace-1.2:3_4"), "trace-1.2:3_4");
        for bad in ["a b", "{\"x\":1}", "", &"x".repeat(129)] {
            assert_ne!(&*id(bad), bad);
        }
        assert_eq!(request_id(None).len(), 36);
    }
}
