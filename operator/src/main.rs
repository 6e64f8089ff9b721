//! Runs the operator until SIGTERM or SIGINT.

use std::io::Write as _;

use codex_operator::{Config, Options, Ready, run};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Only one provider is built in; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let loaded = codex_settings::load::<Config>();
    codex_telemetry::start_log();
    let config = loaded.warn();

    let tracer = codex_telemetry::Tracer::from_env("codex-operator")?;
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    let (sender, ready) = tokio::sync::oneshot::channel::<Ready>();
    tokio::spawn(async move {
        if let Ok(ready) = ready.await {
            let line =
                serde_json::json!({"ready": true, "listen": format!("http://{}", ready.listen)});
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    });
    let connection = kube::Config::infer().await?;
    let mut options = Options::new(config, connection);
    options.ready = Some(sender);
    options.tracer = tracer.clone();
    let result = run(options, shutdown).await;
    tracer.shut_down().await;
    Ok(result?)
}
