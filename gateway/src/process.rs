//! What the program is to the system that runs it: its ready line and its signals.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Lets the process have as many files open as the system allows: each stream takes one, and the usual limit of 1,024 is meant for programs
/// that cannot count further.
pub fn allow_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
        } else {
            Ok(())
        }
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

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
