//! The loop that accepts connections.
//!
//! This is not `axum::serve`, because a connection that does not finish its request header must not stay for ever, and because a slow end
//! must not keep the process from stopping.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::connections::Connections;
use super::endless::Endless;
use super::patience::Patient;
use crate::app::Settings;
use crate::metrics::Metrics;

/// How long requests may go on after the order to stop. Streams end at once, after the event that is being written.
const DRAIN: Duration = Duration::from_secs(10);
/// How many connections are open at most; more wait in the queue of the kernel.
const MAX_CONNECTIONS: usize = 20_000;

/// What a connection reads ahead of a request, and what waits to be written to a client that does not read, in bytes. A header that is not
/// complete by then is refused; the last read may bring as much again.
const MAX_BUFFER: usize = 64 * 1024;

/// What is expected of clients before anybody knows who they are.
#[derive(Clone)]
pub struct Manners {
    header_timeout: Duration,
    write_timeout: Duration,
    connections: Connections,
    metrics: Arc<Metrics>,
}

impl Manners {
    /// As the settings have it.
    #[must_use]
    pub fn new(settings: &Settings, metrics: Arc<Metrics>) -> Self {
        let proxies = settings.trusted_proxies.clone();
        Self {
            header_timeout: settings.header_timeout,
            write_timeout: settings.write_timeout,
            connections: Connections::new(settings.connections_per_address, proxies),
            metrics,
        }
    }
}

/// Serves until `shutdown`, then lets requests finish for [`DRAIN`], and cuts off what is left. A client has a time for the header of a
/// request, and a connection the same to wait for the next one.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    manners: Manners,
    shutdown: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => accepted,
        };
        match accepted {
            Ok((socket, address)) => {
                let Ok(seat) = manners.connections.enter(address.ip()) else {
                    manners.metrics.connections_refused.inc();
                    tracing::debug!(client.ip = %address.ip(), "an address has too many connections");
                    continue;
                };
                let (router, shutdown) = (router.clone(), shutdown.clone());
                let requests = Requests {
                    router,
                    address,
                    header_timeout: manners.header_timeout,
                };
                // Events are small and somebody waits for them.
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%error, "a connection stays with Nagle's algorithm");
                }
                let stalled = manners.metrics.connections_stalled.clone();
                let socket = Patient::new(socket, manners.write_timeout, stalled, seat);
                connections.spawn(connection(socket, requests, shutdown));
            }
            Err(error) => {
                // Most often the process has no file descriptor left; giving some time to close a few is all that helps.
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        let count = connections.len();
        tracing::warn!(count, "some requests did not end in time and are cut off");
        connections.shutdown().await;
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended by a mistake of the gateway");
    }
}

type Socket = Patient<TcpStream>;

/// How the requests of a connection are answered.
struct Requests {
    router: Router,
    address: SocketAddr,
    header_timeout: Duration,
}

async fn connection(socket: Socket, requests: Requests, shutdown: CancellationToken) {
    let address = requests.address;
    // What answers requests is large. In a box of its own it is gone when a stream begins, which may then stay for hours.
    let requests = Box::pin(answer_requests(socket, requests, shutdown));
    let result = match requests.await {
        Ok(None) => Ok(()),
        Ok(Some((endless, socket))) => endless.deliver(socket).await,
        Err(error) => Err(error.into()),
    };
    if let Err(error) = result {
        tracing::debug!(%error, client.ip = %address.ip(), "a connection broke");
    }
}

/// Answers the requests of a connection, until it ends or a stream takes it over.
async fn answer_requests(
    socket: Socket,
    requests: Requests,
    shutdown: CancellationToken,
) -> hyper::Result<Option<(Endless, Socket)>> {
    let Requests {
        router,
        address,
        header_timeout,
    } = requests;
    let (sender, mut taken) = oneshot::channel();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, sender) = (router.clone(), Arc::clone(&sender));
        async move {
            let (method, version) = (request.method().clone(), request.version());
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(ConnectInfo(address));
            let Ok(response) = router.oneshot(request).await;
            let endless = match Endless::take(&method, version, response) {
                Ok(endless) => endless,
                Err(response) => return Ok::<_, Infallible>(*response),
            };
            let sender = sender.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(sender) = sender {
                // When nobody takes it, the connection has broken.
                let _ = sender.send(endless);
            }
            // Hyper never hears of the answer, and is dropped with this future.
            std::future::pending().await
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut is_stopping = false;
    loop {
        tokio::select! {
            biased;
            Ok(endless) = &mut taken => {
                let parts = connection.into_parts();
                return Ok(parts.map(|parts| (endless, parts.io.into_inner())));
            }
            result = &mut connection => return result.map(|()| None),
            () = shutdown.cancelled(), if !is_stopping => {
                is_stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
}
