//! The loop that accepts connections.
//!
//! This is not `axum::serve`, because a connection that does not finish its request header must not stay for ever, and because a slow end
//! must not keep the process from stopping.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// How long a client may take for the header of a request, and how long a connection may wait for the next one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests may go on after the order to stop. Streams end at once.
const DRAIN: Duration = Duration::from_secs(10);
/// How many connections are open at most; more wait in the queue of the kernel.
const MAX_CONNECTIONS: usize = 20_000;

/// What a connection reads ahead of a request, and what waits to be written to a client that does not read, in bytes. It is the longest
/// header too.
const MAX_BUFFER: usize = 64 * 1024;

/// Serves until `shutdown`, and then lets requests finish for [`DRAIN`].
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let connections = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            break;
        };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, address)) => {
                let (router, shutdown) = (router.clone(), shutdown.clone());
                connections.spawn(async move {
                    let _slot = slot;
                    connection(socket, address, router, shutdown).await;
                });
            }
            Err(error) => {
                // Most often the process has no file descriptor left; giving some time to close a few is all that helps.
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!("some requests did not end in time and are cut off");
    }
}

async fn connection(
    socket: TcpStream,
    address: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
) {
    // Events are small and somebody waits for them.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays with Nagle's algorithm");
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(ConnectInfo(address));
            let Ok(response) = router.oneshot(request).await;
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, client.ip = %address.ip(), "a connection broke");
    }
}
