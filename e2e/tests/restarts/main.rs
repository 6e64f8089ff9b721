//! Parts are killed with SIGKILL while tasks run: nothing is lost, nothing comes twice.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Stack, StackOptions, Task, Transcript, until};

fn main() -> Result<ExitCode> {
    let mut suite = Suite::start(StackOptions::default())?;
    suite.add("restarts::gateway", |stack| kill_one(stack, "gateway"));
    suite.add("restarts::operator", |stack| kill_one(stack, "operator"));
    suite.add("restarts::pod_proxy", pod_proxy);
    suite.add("restarts::node", |stack| {
        let node = stack.node();
        kill_one(stack, node)
    });
    suite.add(
        "restarts::operator_again_and_again_during_starts",
        operator_during_starts,
    );
    suite.add("restarts::everything", everything);
    suite.add(
        "restarts::nothing_is_left_of_an_installation_that_is_removed",
        removed,
    );
    // One after the other: each scenario pulls the floor from under the rest.
    suite.one_by_one();
    Ok(suite.run())
}

/// The stream of the model breaks with the proxy; Codex asks again, and the model says everything once more.
async fn pod_proxy(stack: Arc<Stack>) -> Result<()> {
    let (_, seen) = kill_twice(&stack, "pod-proxy").await?;
    ensure!(seen.done()?["exit_code"] == 0, "{seen:#?}");
    ensure!(seen.items("turn.completed").count() == 1, "{seen:#?}");
    Ok(())
}

/// Nothing that Codex says depends on this part, so every message comes once.
async fn kill_one(stack: Arc<Stack>, part: &'static str) -> Result<()> {
    let (task, seen) = kill_twice(&stack, part).await?;
    ensure!(seen.done()?["exit_code"] == 0, "{seen:#?}");
    ensure!(
        count(&seen) == 40 && seen.items("thread.started").count() == 1,
        "{seen:#?}"
    );
    let again = stack.admin().await?.task(&task.id).follow().await?;
    ensure!(
        again.last() == seen.last(),
        "the archive has the same numbers"
    );
    Ok(())
}

/// Kills a part while a task talks, and again a little later; then follows to the end.
async fn kill_twice(stack: &Stack, part: &str) -> Result<(Task, Transcript)> {
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:messages 40 100]")
        .await?;
    let mut seen = Transcript::default();
    for messages in [5, 15] {
        task.follow_on(&mut seen, |seen| count(seen) >= messages)
            .await?;
        let before = stack.pid(part)?;
        stack.kill_9(part)?;
        until("the part to be back", || async {
            Ok(stack.pid(part).ok().filter(|pid| *pid != before))
        })
        .await?;
    }
    task.follow_on(&mut seen, |_| false).await?;
    Ok((task, seen))
}

/// Tasks are submitted while the operator dies every time it has come back.
async fn operator_during_starts(stack: Arc<Stack>) -> Result<()> {
    let api = stack.admin().await?;
    let mut tasks = Vec::new();
    for _ in 0..6 {
        tasks.push(api.prompt(stack.cwd(), "[demo:messages 10 30]").await?);
        let before = stack.pid("operator")?;
        stack.kill_9("operator")?;
        until("the operator to be back", || async {
            Ok(stack.pid("operator").ok().filter(|pid| *pid != before))
        })
        .await?;
    }
    for task in tasks {
        let mut seen = Transcript::default();
        task.follow_on(&mut seen, |_| false).await?;
        ensure!(
            count(&seen) == 10 && seen.items("thread.started").count() == 1,
            "{seen:#?}"
        );
    }
    Ok(())
}

/// The supervisor itself dies, and all parts with it; the Pods go on.
async fn everything(stack: Arc<Stack>) -> Result<()> {
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:messages 60 100]")
        .await?;
    let mut seen = Transcript::default();
    task.follow_on(&mut seen, |seen| count(seen) >= 5).await?;
    let again = Arc::clone(&stack);
    tokio::task::spawn_blocking(move || again.kill_9_and_start_again()).await??;
    let task = stack.admin().await?.task(&task.id);
    task.follow_on(&mut seen, |_| false).await?;
    ensure!(
        seen.items("thread.started").count() == 1,
        "Codex ran once: {seen:#?}"
    );
    ensure!(seen.is_done(), "{seen:#?}");
    Ok(())
}

/// The supervisor dies while a Pod runs, nobody starts it again, and the data folder is deleted.
async fn removed(_: Arc<Stack>) -> Result<()> {
    let start = || Stack::start(StackOptions::default());
    let stack = tokio::task::spawn_blocking(start).await??;
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:messages 6000 100]")
        .await?;
    let mut seen = Transcript::default();
    task.follow_on(&mut seen, |seen| count(seen) >= 1).await?;
    ensure!(
        shims(&stack.data())? == 2,
        "one for the container, and one for its network"
    );
    stack.kill_9_for_good()?;
    until("the data folder to be gone", || async {
        // The container may still write into it.
        Ok(std::fs::remove_dir_all(stack.data()).ok())
    })
    .await?;
    until("the last process to end", || async {
        Ok((shims(&stack.data())? == 0).then_some(()))
    })
    .await
}

/// How many processes own Pods whose state is below a folder.
fn shims(folder: &Path) -> Result<usize> {
    let folder = folder.display().to_string();
    let is_shim = |entry: std::fs::DirEntry| {
        // It may end while it is looked at.
        let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        line.contains("\0shim\0") && line.contains(&folder)
    };
    let processes = std::fs::read_dir("/proc")?.flatten();
    Ok(processes.map(is_shim).filter(|found| *found).count())
}

fn count(seen: &Transcript) -> usize {
    seen.items("item.completed")
        .filter(|data| {
            data["item"]["text"]
                .as_str()
                .is_some_and(|text| text.starts_with("message "))
        })
        .count()
}
