//! Many tasks at once, with a tiny program in the place of codex: all end, every number arrives.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Stack, StackOptions};

const TASKS: usize = 50;

fn main() -> Result<ExitCode> {
    let mut suite = Suite::start(StackOptions {
        fake_codex: true,
        ..StackOptions::default()
    })?;
    suite.add("load::fifty_tasks_at_once", fifty);
    Ok(suite.run())
}

async fn fifty(stack: Arc<Stack>) -> Result<()> {
    let api = stack.admin().await?;
    let submitted = (0..TASKS).map(|_| {
        let (api, cwd) = (api.clone(), stack.cwd());
        tokio::spawn(async move {
            let task = api.prompt(cwd, "[fake:lines 200]").await?;
            task.follow().await
        })
    });
    for task in submitted.collect::<Vec<_>>() {
        let seen = task.await??;
        ensure!(seen.done()?["exit_code"] == 0, "{:?}", seen.done());
        ensure!(seen.last() >= 200, "only {} numbers", seen.last());
    }
    Ok(())
}
