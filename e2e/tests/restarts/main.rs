//! Parts are killed with SIGKILL while tasks run: nothing is lost, nothing comes twice.

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

fn count(seen: &Transcript) -> usize {
    seen.items("item.completed")
        .filter(|data| {
            data["item"]["text"]
                .as_str()
                .is_some_and(|text| text.starts_with("message "))
        })
        .count()
}
