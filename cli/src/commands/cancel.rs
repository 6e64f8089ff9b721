//! `codex-remote cancel`: asks for the end of a task.

use std::process::ExitCode;

use clap::Args;

use crate::client::connect;

/// The options of `cancel`.
#[derive(Args, Debug)]
pub struct CancelArgs {
    /// The task.
    pub id: String,
}

/// Cancels a task. What it has done so far, its log and its patch, stays.
///
/// # Errors
/// When the gateway cannot be reached, or does not know the task.
pub async fn run(args: CancelArgs) -> anyhow::Result<ExitCode> {
    connect()?.cancel_task(&args.id).await?;
    println!(
        "The task is being canceled; `codex-remote logs -f {}` shows its end.",
        args.id
    );
    Ok(ExitCode::SUCCESS)
}
