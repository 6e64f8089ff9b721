//! `codex-remote repositories`: where tasks may work.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Args;
use serde_json::Value;

use crate::client::{api::rows, connect, text::headline};

/// The options of `repositories`.
#[derive(Args, Debug)]
pub struct RepositoriesArgs {
    /// Print what the gateway answers.
    #[arg(long)]
    pub json: bool,
}

/// Lists what `--cwd` may be.
///
/// # Errors
/// When the gateway cannot be reached or refuses.
pub async fn run(args: RepositoriesArgs) -> anyhow::Result<ExitCode> {
    let answer = connect()?.repositories().await?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{answer}")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{:24}  {:40}  DESCRIPTION", "NAME", "PATH")?;
    for repository in rows(&answer) {
        let field = |name: &str| headline(repository[name].as_str().unwrap_or_default(), 500);
        let default = if repository["default"] == Value::Bool(true) {
            " (default)"
        } else {
            ""
        };
        let path = format!("{}{default}", field("path"));
        let row = format!("{:24}  {path:40}  {}", field("name"), field("description"));
        writeln!(out, "{}", row.trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}
