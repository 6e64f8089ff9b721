//! The pod proxy as a program.

use anyhow::Context as _;
use codex_pod_proxy::{Listeners, config::Args, run};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Fails only if a provider is there already, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let loaded = codex_settings::load::<Args>();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .init();
    let args = loaded.warn();
    let listeners = Listeners::bind(args.listen, args.admin_listen).await?;
    let config = args.config().context("there is no API key")?;

    let shutdown = CancellationToken::new();
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let ready =
        json!({"ready": true, "url": listeners.proxy_url()?, "admin_url": listeners.admin_url()?});
    let announce = || println!("{ready}");
    let serving = run(listeners, config, shutdown.clone(), announce);
    tokio::pin!(serving);
    tokio::select! {
        result = &mut serving => return Ok(result?),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    shutdown.cancel();
    Ok(serving.await?)
}
