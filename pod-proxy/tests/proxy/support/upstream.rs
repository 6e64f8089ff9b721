//! The upstream. The header `x-behaviour`, which the proxy passes on, says what it does with a request.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::any,
};
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use tokio::{net::TcpListener, sync::Notify};

/// What the upstream saw, and the levers to steer it.
#[derive(Default)]
pub struct Upstream {
    /// The requests, in order.
    pub requests: Mutex<Vec<Seen>>,
    /// Lets one `two-chunks` response send its second chunk.
    pub go_on: Notify,
    /// How many requests are being worked on.
    pub busy: AtomicUsize,
}

#[derive(Clone)]
pub struct Seen {
    pub headers: HeaderMap,
    pub body_length: usize,
}

impl Upstream {
    pub async fn start() -> (SocketAddr, Arc<Self>) {
        let upstream = Arc::new(Self::default());
        let router = Router::new()
            .fallback(any(answer))
            .with_state(Arc::clone(&upstream));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, router).await });
        (address, upstream)
    }

    pub fn last(&self) -> Seen {
        self.requests.lock().unwrap().last().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    pub fn busy(&self) -> usize {
        self.busy.load(Ordering::SeqCst)
    }
}

/// Counts a request as long as it lives, in the handler or in the response's body.
struct Busy(Arc<Upstream>);

impl Busy {
    fn new(upstream: &Arc<Upstream>) -> Self {
        upstream.busy.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(upstream))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(State(upstream): State<Arc<Upstream>>, request: Request) -> Response {
    let busy = Busy::new(&upstream);
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    assert_eq!(head.uri.path(), "/v1/responses");
    let behaviour = head.headers["x-behaviour"].to_str().unwrap().to_owned();
    let authorization = head.headers["authorization"].to_str().unwrap().to_owned();
    let body_length = body.to_bytes().len();
    upstream.requests.lock().unwrap().push(Seen {
        headers: head.headers,
        body_length,
    });
    match behaviour.split_once(' ').unwrap_or((&behaviour, "")) {
        ("ok", _) => {
            let headers = [
                ("x-request-id", "r-1"),
                ("set-cookie", "a=b"),
                ("content-type", "text/event-stream"),
            ];
            (headers, "data: fine\n\n").into_response()
        }
        ("status", status) => {
            let status = StatusCode::from_u16(status.parse().unwrap()).unwrap();
            (
                status,
                [("retry-after", "7")],
                format!("the body of {status}"),
            )
                .into_response()
        }
        // As some do: the answer to a refused key repeats it.
        ("refused", _) => (
            StatusCode::UNAUTHORIZED,
            format!("no such key: {authorization}"),
        )
            .into_response(),
        ("two-chunks", _) => {
            let second = async move {
                upstream.go_on.notified().await;
                drop(busy);
                Ok::<_, Infallible>(Bytes::from("second"))
            };
            Body::from_stream(
                stream::once(async { Ok(Bytes::from("first")) }).chain(stream::once(second)),
            )
            .into_response()
        }
        ("abort", _) => {
            let broken = async {
                tokio::task::yield_now().await;
                Err(io::Error::from(io::ErrorKind::ConnectionAborted))
            };
            Body::from_stream(
                stream::once(async { Ok(Bytes::from("first")) }).chain(stream::once(broken)),
            )
            .into_response()
        }
        ("silent", _) => {
            std::future::pending::<()>().await;
            drop(busy);
            unreachable!("pending never ends")
        }
        ("endless", _) => {
            let chunks = stream::unfold(busy, async |busy| {
                tokio::task::yield_now().await;
                Some((Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 1024])), busy))
            });
            Body::from_stream(chunks).into_response()
        }
        (other, _) => panic!("unknown behaviour {other}"),
    }
}
