//! The gateway of Codex Remote Runner.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Parser as _;
use codex_gateway::{Config, Error, bootstrap, run};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .with_writer(std::io::stderr)
        .init();
    // An error says that somebody else has installed one, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let shutdown = CancellationToken::new();
    let parts = config.connect().await?;
    if let Some(admin) = config.admin()? {
        bootstrap(&parts.pool, admin).await?;
    }
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| Error::Listen {
            address: config.listen.to_string(),
            source,
        })?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let stop = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
        stop.cancel();
    });
    let ready = serde_json::json!({ "ready": true, "url": format!("http://{address}") });
    writeln!(std::io::stdout(), "{ready}").context("standard output is closed")?;
    Ok(run(listener, parts, shutdown).await?)
}
