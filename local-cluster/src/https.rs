//! Serving over TLS until told to stop.

use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls_pki_types::CertificateDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Layer as _;

/// A client that does not finish its handshake by then is cut off.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The certificate that the client of a connection showed, as an extension of its requests. The acceptor has verified it.
#[derive(Clone, Debug)]
pub struct ClientCertificate(pub Option<CertificateDer<'static>>);

/// Accepts connections until `stop`, then lets those that are open finish for the time of `drain`. True when all did.
pub async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
    stop: CancellationToken,
    drain: Duration,
) -> bool {
    let graceful = GracefulShutdown::new();
    let connections = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, mostly: others must close before we can go on.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let acceptor = acceptor.clone();
        let router = router.clone();
        let watcher = graceful.watcher();
        connections.spawn(async move {
            let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream));
            let Ok(Ok(tls)) = handshake.await else {
                return;
            };
            let shown = tls.get_ref().1.peer_certificates();
            let certificate = shown.and_then(|chain| chain.first().cloned());
            let service = Extension(ClientCertificate(
                certificate.map(CertificateDer::into_owned),
            ))
            .layer(router);
            let builder = auto::Builder::new(TokioExecutor::new());
            let connection = builder
                .serve_connection_with_upgrades(
                    TokioIo::new(tls),
                    TowerToHyperService::new(service),
                )
                .into_owned();
            // A client that goes away is no error of ours.
            let _ = watcher.watch(connection).await;
        });
    }
    connections.close();
    tokio::time::timeout(drain, graceful.shutdown())
        .await
        .is_ok()
}
