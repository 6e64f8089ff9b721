//! A Kubernetes API and node for one machine.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use codex_local_cluster::{join, node, serve, signals};
use serde_json::json;

#[derive(Parser)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API and run Pods.
    Serve {
        /// The settings, as JSON.
        #[arg(long)]
        config: PathBuf,
    },
    /// Run Pods for the API server of another cluster.
    Node {
        /// The settings, as JSON.
        #[arg(long)]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    // The shim forks and changes namespaces, which needs a process with one thread.
    if arguments.nth(1).as_deref() == Some("shim") {
        return node::shim::main(arguments);
    }
    let result = match Args::parse().command {
        Command::Serve { config } => serve_until_told(&config),
        Command::Node { config } => join_until_told(&config),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("codex-local-cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve_until_told(config: &std::path::Path) -> anyhow::Result<()> {
    signals::init_logging();
    let shutdown = signals::shutdown()?;
    serve::run(serve::ServeConfig::read(config)?, shutdown, |running| {
        announce(
            &json!({"ready": true, "server": running.url(), "kubeconfig": running.kubeconfig()}),
        );
    })
    .await
}

#[tokio::main]
async fn join_until_told(config: &std::path::Path) -> anyhow::Result<()> {
    signals::init_logging();
    let shutdown = signals::shutdown()?;
    join::run(join::JoinConfig::read(config)?, shutdown, |endpoint| {
        announce(&json!({"ready": true, "url": format!("https://{endpoint}")}));
    })
    .await
}

fn announce(ready: &serde_json::Value) {
    // Whoever started us may have closed the pipe; that is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{ready}");
}
