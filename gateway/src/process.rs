//! What the program is to the system that runs it: its ready line and its signals.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Says on standard output where the gateway listens.
///
/// # Errors
/// When standard output is closed.
pub fn announce(address: SocketAddr) -> std::io::Result<()> {
    let ready = serde_json::json!({ "ready": true, "url": format!("http://{address}") });
    writeln!(std::io::stdout(), "{ready}")
}

/// Passes SIGTERM and SIGINT on as a request to stop, and then leaves the end to the gateway.
///
/// # Errors
/// When the signals cannot be received.
pub async fn stop_on_signals(shutdown: &CancellationToken) -> std::io::Result<Infallible> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    shutdown.cancel();
    std::future::pending().await
}
