//! The live stream.

use std::sync::Arc;

use anyhow::{Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Stack, Transcript};

pub(crate) fn add(suite: &mut Suite) {
    suite.add("streams::lines_come_while_the_task_runs", live);
    suite.add(
        "streams::a_dropped_connection_resumes_without_gap_or_repeat",
        resume,
    );
    suite.add("streams::everyone_sees_the_same", many_readers);
    suite.add("streams::the_raw_view_has_plain_lines", raw);
    suite.add("streams::a_large_output_arrives_whole", large);
}

async fn live(stack: Arc<Stack>) -> Result<()> {
    // Else a busy machine may hand on the first message when the last one has been said.
    let held = stack.hold_model(2)?;
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:messages 8 50]")
        .await?;
    let mut seen = Transcript::default();
    task.follow_on(&mut seen, |seen| messages(seen) >= 2)
        .await?;
    let record = task.get().await?;
    ensure!(
        record["status"] == "running",
        "two messages arrived while the task runs: {record}"
    );
    drop(held);
    task.follow_on(&mut seen, |_| false).await?;
    ensure!(messages(&seen) == 8, "{seen:#?}");
    ensure!(
        seen.states().ends_with(&["running", "completed"]),
        "{:?}",
        seen.states()
    );
    Ok(())
}

async fn resume(stack: Arc<Stack>) -> Result<()> {
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:messages 40 50]")
        .await?;
    let mut seen = Transcript::default();
    while !seen.is_done() {
        // Each connection is dropped after five more events; the transcript refuses gaps and repetitions.
        let wanted = seen.events.len() + 5;
        task.follow_on(&mut seen, |seen| seen.events.len() >= wanted)
            .await?;
    }
    ensure!(messages(&seen) == 40, "{seen:#?}");
    for after in [1, seen.last() / 2, seen.last()] {
        let mut rest = Transcript::after(after);
        task.follow_on(&mut rest, |_| false).await?;
        ensure!(rest.last() == seen.last(), "resumed after {after}");
    }
    Ok(())
}

async fn many_readers(stack: Arc<Stack>) -> Result<()> {
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:messages 30 20]")
        .await?;
    let readers = (0..12).map(|_| {
        let task = task.clone();
        tokio::spawn(async move { task.follow().await })
    });
    for reader in readers.collect::<Vec<_>>() {
        let seen = reader.await??;
        ensure!(messages(&seen) == 30, "{seen:#?}");
    }
    Ok(())
}

async fn raw(stack: Arc<Stack>) -> Result<()> {
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:say plain words]")
        .await?;
    task.follow().await?;
    let mut stream = task.stream(0, "?view=raw").await?;
    let mut lines = Vec::new();
    while let Some(event) = stream.next().await? {
        ensure!(event.name != "item", "{event:?}");
        if event.name == "log" {
            lines.push(event.data["line"].as_str().unwrap_or_default().to_owned());
        }
    }
    ensure!(
        lines.iter().any(|line| line.contains("plain words")),
        "{lines:?}"
    );
    Ok(())
}

async fn large(stack: Arc<Stack>) -> Result<()> {
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:lines 5000]")
        .await?;
    let seen = task.follow().await?;
    let output = seen.command_output()?;
    ensure!(
        output.contains("line 1\n") && output.contains("line 5000"),
        "{} bytes",
        output.len()
    );
    Ok(())
}

fn messages(seen: &Transcript) -> usize {
    seen.items("item.completed")
        .filter(|data| data["item"]["type"] == "agent_message")
        .filter(|data| {
            data["item"]["text"]
                .as_str()
                .is_some_and(|text| text.starts_with("message "))
        })
        .count()
}
