//! The pod proxy as a program.

use anyhow::Context as _;
use codex_pod_proxy::{Config, Listeners, config::Args, run};
use codex_telemetry::Tracer;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Fails only if a provider is there already, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let loaded = codex_settings::load::<Args>();
    codex_telemetry::start_log();
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
    let tracer = Tracer::from_env("codex-pod-proxy")?;
    let config = Config {
        tracer: tracer.clone(),
        ..config
    };
    let serving = run(listeners, config, shutdown.clone(), announce);
    tokio::pin!(serving);
    let ended = tokio::select! {
        result = &mut serving => Some(result),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    let result = match ended {
        Some(result) => result,
        None => {
            shutdown.cancel();
            serving.await
        }
    };
    tracer.shut_down().await;
    Ok(result?)
}
