//! The gateway of Codex Remote Runner.

use anyhow::Context as _;
use codex_gateway::process::{allow_files, announce, stop_on_signals};
use codex_gateway::{Config, Error, bootstrap, run};
use codex_telemetry::Tracer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // An error says that somebody else has installed one, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let loaded = codex_settings::load::<Config>();
    codex_telemetry::start_log();
    allow_files();
    let config = loaded.warn();

    let tracer = Tracer::from_env("codex-gateway")?;
    let parts = config.connect(tracer.clone()).await?;
    if let Some(admin) = config.admin() {
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

    announce(address).context("standard output is closed")?;
    let shutdown = CancellationToken::new();
    let result = tokio::select! {
        result = run(listener, parts, shutdown.clone()) => result,
        result = stop_on_signals(&shutdown) => match result? {},
    };
    tracer.shut_down().await;
    Ok(result?)
}
