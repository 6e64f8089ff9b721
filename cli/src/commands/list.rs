//! `codex-remote list`: the latest tasks.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use jiff::{Timestamp, Unit};
use serde_json::Value;

use crate::client::{api::rows, connect, text::headline};

/// The options of `list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only tasks in this state.
    #[arg(long, value_enum)]
    pub status: Option<Status>,
    /// How many.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub limit: u32,
    /// Print what the gateway answers.
    #[arg(long)]
    pub json: bool,
}

/// The states of a task.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[expect(
    missing_docs,
    reason = "the names are the contract's, and would be shown as help"
)]
pub enum Status {
    Queued,
    Running,
    Completed,
    Error,
    Canceled,
}

/// Lists tasks, the latest first.
///
/// # Errors
/// When the gateway cannot be reached or refuses.
pub async fn run(args: ListArgs) -> anyhow::Result<ExitCode> {
    let status = args.status.map(|status| match status {
        Status::Queued => "queued",
        Status::Running => "running",
        Status::Completed => "completed",
        Status::Error => "error",
        Status::Canceled => "canceled",
    });
    let answer = connect()?.tasks(status, args.limit).await?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{answer}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = Timestamp::now();
    writeln!(out, "{:36}  {:9}  {:>4}  PROMPT", "TASK", "STATUS", "AGE")?;
    for task in rows(&answer) {
        let field = |name: &str| task[name].as_str().unwrap_or_default();
        let id = task["task_id"].as_str().unwrap_or(field("id"));
        let state = task["status"].as_str().unwrap_or(field("state"));
        let age = age(&task["created_at"], now);
        writeln!(
            out,
            "{:36}  {:9}  {age:>4}  {}",
            headline(id, 36),
            headline(state, 9),
            headline(field("prompt"), 60)
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The age in its largest unit, as kubectl shows it.
fn age(created: &Value, now: Timestamp) -> String {
    let Some(created) = created
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok())
    else {
        return String::new();
    };
    let Ok(seconds) = now.since(created).and_then(|span| span.total(Unit::Second)) else {
        return String::new();
    };
    // Clocks differ a little; nothing is younger than now.
    let seconds = seconds.max(0.0).floor();
    for (unit, length) in [("d", 86_400.0), ("h", 3_600.0), ("m", 60.0)] {
        if seconds >= length {
            return format!("{}{unit}", (seconds / length).floor());
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ages_are_short() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        for (created, shown) in [
            ("2026-01-01T23:59:59.5Z", "0s"),
            ("2026-01-01T23:59:00Z", "1m"),
            ("2026-01-01T20:30:00Z", "3h"),
            ("2025-12-01T00:00:00Z", "32d"),
            ("2026-01-02T00:00:09Z", "0s"),
            ("soon", ""),
        ] {
            assert_eq!(age(&json!(created), now), shown, "{created}");
        }
    }
}
