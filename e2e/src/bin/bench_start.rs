//! Measures from the submission of a task to its first frame at the client, next to the bare start of codex.
//!
//! Both are taken in turns in the same run, so that what else the machine does hits both. The bare start is the time
//! from `spawn` of `codex exec --json` to its first line on standard output, which is the event `thread.started`; it
//! has a home folder of its own each time, as every task has.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use codex_e2e::{Api, Stack, StackOptions, Transcript, codex_binary};

/// Measures submit -> first frame against the bare start of codex.
#[derive(Debug, Parser)]
struct Arguments {
    /// Measured runs of each kind.
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// Runs before those, to warm up.
    #[arg(long, default_value_t = 3)]
    warm_up: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    // Whoever installed a provider before is fine: it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    let stack = Stack::start(StackOptions::default())?;
    let api = stack.admin().await?;
    let (mut bare, mut first_frame, mut first_event) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..arguments.warm_up + arguments.runs {
        let home = tempfile::tempdir()?;
        let bare_start = bare_start(home.path(), &stack.repository())?;
        let (frame, event) = submit_to_first(&api, stack.cwd()).await?;
        if run >= arguments.warm_up {
            bare.push(bare_start);
            first_frame.push(frame);
            first_event.push(event);
        }
    }
    println!("| milliseconds, {} runs | p50 | p95 |", arguments.runs);
    println!("|---|---|---|");
    row("bare `codex exec --json` -> thread.started", &mut bare);
    row("submit -> first frame of the runner", &mut first_frame);
    row("submit -> thread.started", &mut first_event);
    let added = percentile(&first_event, 50) - percentile(&bare, 50);
    println!(
        "\nadded to the bare start, p50: {added:.0} ms ({:.2}x)",
        percentile(&first_event, 50) / percentile(&bare, 50)
    );
    stack.stop()
}

fn bare_start(home: &Path, cwd: &Path) -> Result<f64> {
    std::fs::write(
        home.join("config.toml"),
        "model = \"gpt-5.5\"\nmodel_provider = \"proxy\"\ncheck_for_update_on_startup = false\nallow_login_shell = false\n\
         [analytics]\nenabled = false\n[feedback]\nenabled = false\n\
         [features]\nplugins = false\napps = false\nremote_plugin = false\nunbounded_connection_retries = false\n\
         [model_providers.proxy]\nname = \"proxy\"\nbase_url = \"http://127.0.0.1:9/v1\"\nwire_api = \"responses\"\n",
    )?;
    let started = Instant::now();
    let mut codex = Command::new(codex_binary()?)
        .args([
            "exec",
            "--json",
            "--skip-git-repo-check",
            "--dangerously-bypass-approvals-and-sandbox",
            "-C",
        ])
        .arg(cwd)
        .arg("-")
        .env_clear()
        .env("HOME", home)
        .env("CODEX_HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    codex
        .stdin
        .take()
        .context("standard input is piped")?
        .write_all(b"hello")?;
    let mut line = String::new();
    BufReader::new(codex.stdout.take().context("standard output is piped")?)
        .read_line(&mut line)?;
    let elapsed = milliseconds(started.elapsed());
    anyhow::ensure!(line.contains("thread.started"), "codex said {line:?}");
    codex.kill()?;
    codex.wait()?;
    Ok(elapsed)
}

async fn submit_to_first(api: &Api, cwd: &str) -> Result<(f64, f64)> {
    let started = Instant::now();
    let task = api.prompt(cwd, "[demo:say hello]").await?;
    let mut seen = Transcript::default();
    task.follow_on(&mut seen, |seen| seen.last() > 0).await?;
    let frame = milliseconds(started.elapsed());
    task.follow_on(&mut seen, |seen| {
        seen.items("thread.started").next().is_some()
    })
    .await?;
    let event = milliseconds(started.elapsed());
    task.follow_on(&mut seen, |_| false).await?;
    Ok((frame, event))
}

fn row(name: &str, values: &mut [f64]) {
    values.sort_by(f64::total_cmp);
    println!(
        "| {name} | {:.0} | {:.0} |",
        percentile(values, 50),
        percentile(values, 95)
    );
}

/// The nearest-rank percentile of sorted values.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values[rank - 1]
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
