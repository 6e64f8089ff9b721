//! The command line as a program.

use std::process::ExitCode;

use clap::Parser as _;
use codex_remote::cli::Cli;
use tracing_subscriber::EnvFilter;

/// One thread, and on purpose: the kernel ends the children of `up` when the *thread* that started them ends
/// (`PR_SET_PDEATHSIG`), so they must all come from the main thread.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error")),
        )
        .init();
    // Fails only if a provider is there already, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match codex_remote::cli::run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
