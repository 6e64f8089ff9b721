//! The demo model as a program.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Parser;
use codex_demo_model::{ApiKey, Hold, Options, serve};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// Answers the Responses API with a script, so that Codex works without an account.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where to listen. Port 0 picks a free one; the ready line names it.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A file with the API key that requests must carry. Without it, none is asked for.
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// Milliseconds between two pieces of streamed text, so that a demonstration can be watched.
    #[arg(long, default_value_t = 0)]
    pace_ms: u64,
    /// While this file is there, with a number N in it, turns in which tools have returned N results or more wait for their answer, and no
    /// more than N messages of a series are said.
    #[arg(long)]
    hold_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let args = Args::parse();
    let key = args
        .key_file
        .as_deref()
        .map(ApiKey::from_file)
        .transpose()?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;

    let shutdown = CancellationToken::new();
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    println!(
        "{}",
        serde_json::json!({"ready": true, "url": format!("http://{address}")})
    );
    let serving = serve(
        listener,
        Options {
            key,
            pace: Duration::from_millis(args.pace_ms),
            hold: args.hold_file.map(Hold::new),
        },
        shutdown.clone(),
    );
    tokio::pin!(serving);
    tokio::select! {
        result = &mut serving => return result.context("the server ended by itself"),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    shutdown.cancel();
    serving.await.context("the server failed while stopping")
}
