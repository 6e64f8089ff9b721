//! `codex-remote logs`: what a task said.

use std::process::ExitCode;

use clap::Args;

use crate::client::{
    connect,
    watch::{Form, OnInterrupt, Until, Watch},
};

/// The options of `logs`.
#[derive(Args, Debug)]
pub struct LogsArgs {
    /// The task.
    pub id: String,
    /// Stay until the task is done. Without it, a running task is shown as far as it is.
    #[arg(long, short)]
    pub follow: bool,
    /// Print the lines as they were written; what was standard error goes to standard error.
    #[arg(long)]
    pub raw: bool,
    /// Print each event as a line of JSON: {"event","id","data"}.
    #[arg(long, conflicts_with = "raw")]
    pub json: bool,
    /// Begin after this number.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub after: u64,
}

/// Shows the log of a task. With `-f` the exit code is the task's.
///
/// # Errors
/// When the gateway cannot be reached or does not know the task.
pub async fn run(args: LogsArgs) -> anyhow::Result<ExitCode> {
    let form = match (args.raw, args.json) {
        (true, _) => Form::Raw,
        (_, true) => Form::Json,
        _ => Form::Pretty,
    };
    let until = if args.follow {
        Until::Done
    } else {
        Until::Quiet
    };
    let watch = Watch {
        client: connect()?,
        task: args.id,
        after: args.after,
        form,
        on_interrupt: OnInterrupt::Leave,
        until,
    };
    let code = watch.run().await?;
    Ok(if args.follow { code } else { ExitCode::SUCCESS })
}
