//! Tasks that somebody or something else ends.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Stack, Transcript, until};
use serde_json::json;

pub(crate) fn add(suite: &mut Suite) {
    suite.add("ending::cancel_in_the_middle_of_a_command", cancel);
    suite.add("ending::cancel_leaves_no_process", cancel_leaves_no_process);
    suite.add("ending::the_time_limit_ends_a_task", timeout);
    suite.add("ending::a_final_task_cannot_be_canceled", cancel_final);
}

async fn cancel(stack: Arc<Stack>) -> Result<()> {
    // The command tells its progress through a file that the log shows at the end as part of the patch, so that the
    // patch proves that what was written before the end has been kept.
    let command =
        "[demo:shell for i in $(seq 600); do echo line $i >> progress.txt; sleep 0.1; done]";
    let task = stack.admin().await?.prompt(stack.cwd(), command).await?;
    let mut seen = Transcript::default();
    task.follow_on(&mut seen, |seen| {
        seen.items("item.started").next().is_some()
    })
    .await?;
    task.cancel().await?;
    task.follow_on(&mut seen, |_| false).await?;
    ensure!(
        seen.states().last() == Some(&"canceled"),
        "{:?}",
        seen.states()
    );
    ensure!(seen.patch()?.contains("+line 1\n"), "{}", seen.patch()?);
    let record = task.get().await?;
    ensure!(
        record["status"] == "canceled" && record["reason"] == "Canceled",
        "{record}"
    );
    let again = task.follow().await?;
    ensure!(
        again.last() == seen.last(),
        "the archive ends where the live stream ended"
    );
    Ok(())
}

async fn cancel_leaves_no_process(stack: Arc<Stack>) -> Result<()> {
    let marker = format!("86{}", std::process::id());
    let prompt = format!(
        "[demo:shell setsid sleep {marker} & (trap '' TERM INT; sleep {marker}) & sleep {marker}]"
    );
    let task = stack.admin().await?.prompt(stack.cwd(), &prompt).await?;
    until("the command to run", || async {
        Ok((processes(&marker)? >= 3).then_some(()))
    })
    .await?;
    task.cancel().await?;
    let seen = task.follow().await?;
    ensure!(
        seen.states().last() == Some(&"canceled"),
        "{:?}",
        seen.states()
    );
    until("every process to be gone", || async {
        Ok((processes(&marker)? == 0).then_some(()))
    })
    .await
}

async fn timeout(stack: Arc<Stack>) -> Result<()> {
    let body = json!({ "prompt": "[demo:sleep 600]", "cwd": stack.cwd(), "timeout_seconds": 3 });
    let task = stack.admin().await?.submit(body).await?;
    let seen = task.follow().await?;
    ensure!(seen.items("thread.started").count() == 1, "it had started");
    let record = task.get().await?;
    ensure!(
        record["status"] == "error" && record["reason"] == "Timeout",
        "{record}"
    );
    ensure!(
        record["message"]
            .as_str()
            .is_some_and(|text| text.contains("time limit")),
        "{record}"
    );
    Ok(())
}

async fn cancel_final(stack: Arc<Stack>) -> Result<()> {
    let api = stack.admin().await?;
    let task = api.prompt(stack.cwd(), "[demo:say done]").await?;
    task.follow().await?;
    let (status, answer) = api
        .send(
            reqwest::Method::DELETE,
            &format!("/api/tasks/{}", task.id),
            None,
        )
        .await?;
    ensure!(status == 409, "{status} {answer}");
    ensure!(
        answer["error"]["code"].is_string() && answer["error"]["request_id"].is_string(),
        "{answer}"
    );
    Ok(())
}

/// How many processes of this machine have the marker in their arguments; sandboxed ones are seen from the host.
fn processes(marker: &str) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir("/proc")
        .context("the host has /proc")?
        .flatten()
    {
        let Ok(arguments) = std::fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let arguments = arguments.split(|byte| *byte == 0);
        if arguments
            .clone()
            .next()
            .is_some_and(|program| program.ends_with(b"sleep"))
            && arguments
                .clone()
                .any(|argument| argument == marker.as_bytes())
        {
            count += 1;
        }
    }
    Ok(count)
}
