//! Follow-up tasks: the real Codex goes on with the session of an earlier task, in another Pod.

use std::sync::Arc;

use anyhow::{Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Stack, Task, Transcript};
use reqwest::{Method, StatusCode};
use serde_json::json;

pub(crate) fn add(suite: &mut Suite) {
    suite.add("resume::a_task_knows_what_was_said_before", knows);
    suite.add("resume::sessions_stay_with_their_owner", owner);
}

/// Waits for the end of a task, until it is on record.
async fn finish(task: &Task) -> Result<Transcript> {
    let seen = task.follow().await?;
    ensure!(seen.done()?["exit_code"] == 0, "{seen:#?}");
    task.wait_for("completed").await?;
    Ok(seen)
}

fn thread(seen: &Transcript) -> String {
    let started = seen.items("thread.started").next();
    started.map_or_else(String::new, |event| event["thread_id"].to_string())
}

fn said(seen: &Transcript) -> String {
    let items = seen.items("item.completed");
    items
        .map(|event| event["item"]["text"].to_string())
        .collect()
}

async fn knows(stack: Arc<Stack>) -> Result<()> {
    let api = stack.admin().await?;
    let first = api
        .prompt(stack.cwd(), "[demo:say The keeper is called Ida.]")
        .await?;
    let before = finish(&first).await?;

    // Without the session the model knows nothing.
    let alone = api.prompt(stack.cwd(), "[demo:recall]").await?;
    let alone = said(&finish(&alone).await?);
    ensure!(alone.contains("Earlier questions: 0."), "{alone}");

    let follow_up = json!({ "prompt": "[demo:recall]", "resume_from": first.id });
    let second = api.submit(follow_up).await?;
    let after = finish(&second).await?;
    ensure!(
        said(&after).contains("Earlier questions: 1. [demo:say The keeper is called Ida.]"),
        "{after:#?}"
    );
    ensure!(thread(&before) == thread(&after), "it is the same thread");
    let record = second.get().await?;
    ensure!(record["resume_from"] == first.id, "{record}");

    // And again, from the task that went on.
    let follow_up = json!({ "prompt": "[demo:recall]", "resume_from": second.id });
    let third = finish(&api.submit(follow_up).await?).await?;
    ensure!(said(&third).contains("Earlier questions: 2."), "{third:#?}");

    let path = format!("/api/tasks/{}/artifacts", second.id);
    let (status, list) = api.send(Method::GET, &path, None).await?;
    ensure!(status == StatusCode::OK, "{list}");
    ensure!(
        list["artifacts"][1]["name"] == "session.jsonl.zst"
            && list["artifacts"][1]["bytes"].as_u64() > Some(100),
        "{list}"
    );
    Ok(())
}

async fn owner(stack: Arc<Stack>) -> Result<()> {
    let admin = stack.admin().await?;
    let first = admin.prompt(stack.cwd(), "[demo:say secret]").await?;
    finish(&first).await?;
    let cleo = admin
        .create_user("cleo@example.com", "correct horse battery")
        .await?;
    let follow_up = json!({ "prompt": "[demo:recall]", "resume_from": first.id });
    let (status, answer) = cleo
        .send(Method::POST, "/api/tasks", Some(&follow_up))
        .await?;
    ensure!(status == StatusCode::NOT_FOUND, "{status} {answer}");
    Ok(())
}
