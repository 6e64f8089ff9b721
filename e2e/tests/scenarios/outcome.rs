//! How tasks end by themselves.

use std::sync::Arc;

use anyhow::{Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Stack, git};

pub(crate) fn add(suite: &mut Suite) {
    suite.add(
        "outcome::codex_edits_its_own_copy_of_the_repository",
        edits_its_copy,
    );
    suite.add(
        "outcome::a_failing_command_does_not_fail_the_task",
        failing_command,
    );
    suite.add("outcome::a_model_that_answers_500_ends_in_error", model_500);
    suite.add(
        "outcome::a_broken_model_stream_is_taken_up_again",
        broken_model_stream,
    );
}

async fn edits_its_copy(stack: Arc<Stack>) -> Result<()> {
    let api = stack.admin().await?;
    let before = git(&stack.repository(), &["status", "--porcelain"])?;
    let task = api.prompt(stack.cwd(), "Document this repository").await?;
    let seen = task.follow().await?;

    ensure!(seen.done()?["exit_code"] == 0, "{:?}", seen.done());
    ensure!(
        seen.states().last() == Some(&"completed"),
        "{:?}",
        seen.states()
    );
    ensure!(
        seen.items("thread.started").count() == 1,
        "Codex starts one thread"
    );
    ensure!(
        seen.commands().count() >= 2,
        "the demo reads before it writes"
    );
    let patch = seen.patch()?;
    ensure!(
        patch.contains("+++ b/codex-demo.md") && patch.contains("README.md"),
        "{patch}"
    );
    ensure!(
        git(&stack.repository(), &["status", "--porcelain"])? == before,
        "the repository itself is untouched"
    );

    let record = task.get().await?;
    ensure!(
        record["status"] == "completed" && record["exit_code"] == 0,
        "{record}"
    );
    ensure!(
        record["usage"]["input_tokens"].as_i64() > Some(0)
            || record["usage"]["inputTokens"].as_i64() > Some(0),
        "{record}"
    );
    Ok(())
}

async fn failing_command(stack: Arc<Stack>) -> Result<()> {
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:fail]")
        .await?;
    let seen = task.follow().await?;
    let codes: Vec<_> = seen
        .commands()
        .map(|item| item["exit_code"].clone())
        .collect();
    ensure!(codes == [3], "{codes:?}");
    ensure!(seen.done()?["exit_code"] == 0, "{:?}", seen.done());
    Ok(())
}

async fn model_500(stack: Arc<Stack>) -> Result<()> {
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:error 500]")
        .await?;
    let seen = task.follow().await?;
    ensure!(seen.done()?["exit_code"] == 1, "{:?}", seen.done());
    let record = task.get().await?;
    ensure!(
        record["status"] == "error" && record["reason"] == "ExitCode",
        "{record}"
    );
    ensure!(
        record["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{record}"
    );
    Ok(())
}

async fn broken_model_stream(stack: Arc<Stack>) -> Result<()> {
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:drop]")
        .await?;
    let seen = task.follow().await?;
    ensure!(seen.done()?["exit_code"] == 0, "{:?}", seen.done());
    Ok(())
}
