//! The commands, and which function runs each.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{apply, cancel, list, login, logs, repositories, run as run_task, up};

/// Runs Codex tasks in locked-down Pods and shows them live.
#[derive(Debug, Parser)]
#[command(name = "codex-remote", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything on this machine: database, cluster, operator, gateway.
    Up(Box<up::UpArgs>),
    /// Sign in to a gateway; the other commands use it from then on.
    Login(login::LoginArgs),
    /// Give Codex a task and watch it live.
    Run(run_task::RunArgs),
    /// List tasks.
    List(list::ListArgs),
    /// Print the log of a task.
    Logs(logs::LogsArgs),
    /// Cancel a task.
    Cancel(cancel::CancelArgs),
    /// List what tasks may work on.
    Repositories(repositories::RepositoriesArgs),
    /// Create or change objects from YAML, such as a CodexTask or a CodexRepository.
    Apply(apply::ApplyArgs),
}

/// Runs one command to its end.
///
/// # Errors
/// The text says what to do about it; the caller prints it.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Up(args) => up::run(*args).await,
        Command::Login(args) => login::run(args).await,
        Command::Run(args) => run_task::run(args).await,
        Command::List(args) => list::run(args).await,
        Command::Logs(args) => logs::run(args).await,
        Command::Cancel(args) => cancel::run(args).await,
        Command::Repositories(args) => repositories::run(args).await,
        Command::Apply(args) => apply::run(args).await,
    }
}
