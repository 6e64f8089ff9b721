//! The model API as Codex sees it: an address in the Pod that needs no credential.
//!
//! Only `POST /v1/responses` goes on to the pod-proxy, with the token of the task added, streaming in both directions.
//! Every process of the Pod can use it, as every one of them may use the model; the token itself stays here.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use secrecy::SecretString;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::pod_proxy::{CONNECT_TIMEOUT, authorization, endpoint};

const PATH: &str = "/v1/responses";
/// How many connections are served at once; further ones wait.
const MAX_CONNECTIONS: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long nothing is accepted after the system refused a connection, for example because files ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Headers that belong to one connection.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    hyper::header::PROXY_AUTHENTICATE,
    hyper::header::PROXY_AUTHORIZATION,
    hyper::header::TE,
    hyper::header::TRAILER,
    hyper::header::TRANSFER_ENCODING,
    hyper::header::UPGRADE,
];

type Body = Either<Incoming, Full<Bytes>>;

/// A running forwarder. It stops, with all its connections, when this is dropped.
#[derive(Debug)]
pub struct Forwarder {
    address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

struct Upstream {
    client: Client<HttpConnector, Incoming>,
    uri: Uri,
    authorization: HeaderValue,
}

impl Forwarder {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    /// The error of the system when it cannot listen, or that the token cannot stand in a header.
    pub async fn start(pod_proxy: &Uri, token: &SecretString) -> std::io::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let upstream = Upstream {
            client: Client::builder(TokioExecutor::new()).build(connector),
            uri: endpoint(pod_proxy, PATH).map_err(std::io::Error::other)?,
            authorization: authorization(token)?,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(serve(listener, Arc::new(upstream)));
        Ok(Self {
            address,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Accepts until it is aborted; then the tracker goes, and the handles in it abort the connections.
async fn serve(listener: TcpListener, upstream: Arc<Upstream>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let tracker = TaskTracker::new();
    let stop = tokio_util::sync::CancellationToken::new();
    let _stop_when_dropped = stop.clone().drop_guard();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (upstream, stop) = (Arc::clone(&upstream), stop.clone());
        tracker.spawn(async move {
            stop.run_until_cancelled(serve_connection(stream, upstream))
                .await;
            drop(place);
        });
    }
}

async fn serve_connection(stream: TcpStream, upstream: Arc<Upstream>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let upstream = Arc::clone(&upstream);
        async move { Ok::<_, Infallible>(upstream.forward(request).await) }
    });
    // A connection that breaks is Codex's to notice: it tries again.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Upstream {
    async fn forward(&self, request: Request<Incoming>) -> Response<Body> {
        if request.uri().path() != PATH {
            return refusal(
                StatusCode::NOT_FOUND,
                "not_found",
                "only /v1/responses is served here",
            );
        }
        if request.method() != Method::POST {
            return refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "/v1/responses takes POST only",
            );
        }
        let (mut parts, body) = request.into_parts();
        remove_hop_by_hop(&mut parts.headers);
        parts.headers.remove(HOST);
        parts.headers.remove(EXPECT);
        parts
            .headers
            .insert(AUTHORIZATION, self.authorization.clone());
        parts.uri = self.uri.clone();
        parts.version = Version::HTTP_11;
        match self.client.request(Request::from_parts(parts, body)).await {
            Ok(response) => {
                let mut response = response.map(Either::Left);
                remove_hop_by_hop(response.headers_mut());
                response
            }
            Err(error) => {
                let message = if error.is_connect() {
                    format!(
                        "the pod-proxy at {} cannot be reached; is it running?",
                        self.uri
                    )
                } else {
                    "the pod-proxy broke the connection off".to_owned()
                };
                refusal(StatusCode::BAD_GATEWAY, "pod_proxy_unreachable", &message)
            }
        }
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let text = serde_json::json!({"error": {"code": code, "message": message}}).to_string();
    let mut response = Response::new(Either::Right(Full::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
