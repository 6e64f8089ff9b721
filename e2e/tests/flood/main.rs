//! Ten tasks at once that write as fast as they can, bursts of standard error among their lines: everybody who watches ends with
//! what the runners wrote, and operator and gateway stay small.
//!
//! `CODEX_FLOOD_LINES` is how many lines each task writes: 200,000 is the full size, and the default a tenth of it.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Manner, Record, Stack, StackOptions, Stores, watch};

const TASKS: usize = 10;
const LINES: u64 = 20_000;
/// Lines of standard output between two bursts of standard error, and lines of a burst.
const CALM: u64 = 900;
const BURST: u64 = 100;
/// What an operator or a gateway may take at most, whatever passes through them, in KiB.
const PEAK_KIB: u64 = 512 * 1024;

fn main() -> Result<ExitCode> {
    let stores = Arc::new(Stores::start()?);
    let mut options = stores.options();
    options
        .arguments
        .extend(["--max-running-per-user".into(), TASKS.to_string()]);
    let mut suite = Suite::start(StackOptions {
        fake_codex: true,
        ..options
    })?;
    let these = Arc::clone(&stores);
    suite.add("flood::ten_tasks_at_once", |stack| async move {
        ten(stack, these).await
    });
    Ok(suite.run())
}

async fn ten(stack: Arc<Stack>, stores: Arc<Stores>) -> Result<()> {
    let lines = match std::env::var("CODEX_FLOOD_LINES") {
        Ok(text) => text.parse().context("CODEX_FLOOD_LINES is a number")?,
        Err(_) => LINES,
    };
    let prompt = format!("[fake:lines {CALM}] [fake:stderr {BURST}]")
        .repeat(usize::try_from(lines / (CALM + BURST))?);
    let api = stack.admin().await?;
    let begin = std::time::Instant::now();
    let tasks = (0..TASKS).map(|_| {
        let (api, cwd, prompt) = (api.clone(), stack.cwd(), prompt.clone());
        tokio::spawn(async move {
            let task = api.prompt(cwd, &prompt).await?;
            let seen = watch(&task, Manner::Steady).await?;
            anyhow::Ok((task, seen))
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        let (task, seen) = task.await??;
        ensure!(seen.exit_code == Some(0), "{seen:?}");
        task.wait_for("completed").await?;
        let record = Record::read(&stores.s3.objects(), &task.id).await?;
        ensure!(
            record.digest.last() >= lines && seen.digest.hex() == record.digest.hex(),
            "the runner wrote {} frames, the client saw {}",
            record.digest.last(),
            seen.digest.last()
        );
    }
    println!(
        "{TASKS} tasks of {lines} lines in {:.1} s",
        begin.elapsed().as_secs_f64()
    );
    for part in ["operator", "gateway"] {
        let peak = stack.peak_kib(part)?;
        println!("peak of the {part}: {} MiB", peak / 1024);
        ensure!(peak < PEAK_KIB, "the {part} took {peak} KiB");
    }
    Ok(())
}
