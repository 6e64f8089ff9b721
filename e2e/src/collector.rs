//! A collector of traces: speaks OTLP over HTTP, keeps what comes, and can be made to refuse everything.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A running collector. It ends when this is dropped.
#[derive(Debug)]
pub struct Collector {
    url: String,
    seen: Arc<Seen>,
    /// Its own, so that it lives before and after the runtime of the scenarios.
    _runtime: Runtime,
}

/// A span that came.
#[derive(Clone, Debug)]
pub struct Span {
    /// What sent it.
    pub service: String,
    /// What happened.
    pub name: String,
    /// The trace, in hexadecimal digits.
    pub trace: String,
    /// Itself.
    pub id: String,
    /// What it is a part of; empty for the first of a trace.
    pub parent: String,
    /// The traces that it names without being a part of them.
    pub links: Vec<String>,
    /// More about it, as text.
    pub attributes: BTreeMap<String, String>,
    /// When it began and ended, in nanoseconds since 1970.
    pub time: (u64, u64),
    /// Whether it says that it failed.
    pub is_error: bool,
}

#[derive(Debug, Default)]
struct Seen {
    is_away: AtomicBool,
    spans: Mutex<Vec<Span>>,
    /// Everything, as it came.
    bytes: Mutex<Vec<u8>>,
}

impl Collector {
    /// Starts on a free port of this machine.
    ///
    /// # Errors
    /// When there is none.
    pub fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let seen = Arc::new(Seen::default());
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&seen));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            url,
            seen,
            _runtime: runtime,
        })
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on everything is refused, or nothing any more.
    pub fn be_away(&self, is_away: bool) {
        self.seen.is_away.store(is_away, Ordering::SeqCst);
    }

    /// The spans of a trace, so far.
    #[must_use]
    pub fn trace(&self, id: &str) -> Vec<Span> {
        self.select(|span| span.trace == id)
    }

    /// The spans of a task, so far, whatever their trace.
    #[must_use]
    pub fn task(&self, id: &str) -> Vec<Span> {
        self.select(|span| {
            span.attributes
                .get("codex.task.id")
                .is_some_and(|it| it == id)
        })
    }

    /// All spans, so far.
    #[must_use]
    pub fn all(&self) -> Vec<Span> {
        self.select(|_| true)
    }

    /// Everything that came, as it was on the wire.
    #[must_use]
    pub fn wire(&self) -> Vec<u8> {
        lock(&self.seen.bytes).clone()
    }

    fn select(&self, wanted: impl Fn(&Span) -> bool) -> Vec<Span> {
        let spans = lock(&self.seen.spans);
        spans.iter().filter(|span| wanted(span)).cloned().collect()
    }
}

async fn take(State(seen): State<Arc<Seen>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if seen.is_away.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let kind = headers.get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != "application/x-protobuf") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE;
    }
    let Ok(request) = ExportTraceServiceRequest::decode(body.clone()) else {
        return StatusCode::BAD_REQUEST;
    };
    lock(&seen.bytes).extend_from_slice(&body);
    let mut spans = lock(&seen.spans);
    for batch in request.resource_spans {
        let resource = batch.resource.unwrap_or_default();
        let service = attributes(&resource.attributes).remove("service.name");
        let service = service.unwrap_or_default();
        for span in batch.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Span {
                service: service.clone(),
                name: span.name,
                trace: hex::encode(span.trace_id),
                id: hex::encode(span.span_id),
                parent: hex::encode(span.parent_span_id),
                links: span
                    .links
                    .into_iter()
                    .map(|link| hex::encode(link.trace_id))
                    .collect(),
                attributes: attributes(&span.attributes),
                time: (span.start_time_unix_nano, span.end_time_unix_nano),
                is_error: span.status.is_some_and(|status| status.code == 2),
            });
        }
    }
    StatusCode::OK
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .filter_map(|pair| {
            let value = match pair.value.as_ref()?.value.as_ref()? {
                Value::StringValue(text) => text.clone(),
                Value::IntValue(number) => number.to_string(),
                other => format!("{other:?}"),
            };
            Some((pair.key.clone(), value))
        })
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
