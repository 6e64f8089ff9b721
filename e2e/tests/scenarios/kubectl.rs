//! `kubectl` is a full citizen.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Stack, Transcript, until};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) fn add(suite: &mut Suite) {
    suite.add(
        "kubectl::a_created_task_runs_and_shows_up_for_administrators",
        create,
    );
    suite.add("kubectl::tasks_are_inspected", inspect);
    suite.add("kubectl::the_spec_cannot_change_but_for_cancel", immutable);
    suite.add("kubectl::a_deleted_task_ends_and_its_record_stays", delete);
}

fn manifest(stack: &Stack, name: &str, prompt: &str) -> Result<String> {
    let task = json!({
        "apiVersion": "codexrunner.io/v1alpha1",
        "kind": "CodexTask",
        "metadata": { "name": name },
        "spec": { "prompt": prompt, "cwd": stack.cwd() },
    });
    let file = stack.data().join(format!("{name}.json"));
    std::fs::write(&file, task.to_string())?;
    Ok(file.display().to_string())
}

async fn create(stack: Arc<Stack>) -> Result<()> {
    let file = manifest(&stack, "nightly", "[demo:say hello from kubectl]")?;
    stack.kubectl(&["create", "-f", &file])?;
    stack.kubectl(&[
        "wait",
        "--for=jsonpath={.status.phase}=completed",
        "--timeout=90s",
        "ctask/nightly",
    ])?;
    stack.kubectl(&[
        "wait",
        "--for=condition=Finished",
        "--timeout=10s",
        "ctask/nightly",
    ])?;
    let uid = stack.kubectl(&["get", "ctask", "nightly", "-o", "jsonpath={.metadata.uid}"])?;
    let task = stack.admin().await?.task(uid.trim());
    let record = task.wait_for("completed").await?;
    ensure!(record["exit_code"] == 0, "{record}");
    let seen = task.follow().await?;
    ensure!(
        seen.events
            .iter()
            .any(|event| event.data.to_string().contains("hello from kubectl")),
        "{seen:#?}"
    );
    Ok(())
}

async fn inspect(stack: Arc<Stack>) -> Result<()> {
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:say look at me]")
        .await?;
    task.follow().await?;
    let table = stack.kubectl(&["get", "codextasks", &task.id])?;
    for column in [
        "PHASE",
        "REPOSITORY",
        "USER",
        "EXIT",
        "DURATION",
        "AGE",
        "completed",
        "demo",
    ] {
        ensure!(table.contains(column), "{column} is missing in {table}");
    }
    let described = stack.kubectl(&["describe", "ctask", &task.id])?;
    ensure!(
        described.contains("Phase:") && described.contains("completed"),
        "{described}"
    );
    let explained = stack.kubectl(&["explain", "codextask.spec.prompt"])?;
    ensure!(explained.contains("standard input"), "{explained}");
    let by_field = stack.kubectl(&[
        "get",
        "ctask",
        "--field-selector",
        "status.phase=completed",
        "-o",
        "name",
    ])?;
    ensure!(by_field.contains(&task.id), "{by_field}");
    let yaml = stack.kubectl(&["get", "ctask", &task.id, "-o", "yaml"])?;
    ensure!(yaml.contains("kind: CodexTask"), "{yaml}");
    Ok(())
}

async fn immutable(stack: Arc<Stack>) -> Result<()> {
    let file = manifest(&stack, "fixed", "[demo:sleep 60]")?;
    stack.kubectl(&["create", "-f", &file])?;
    let patch =
        |change: &str| stack.kubectl(&["patch", "ctask", "fixed", "--type=merge", "-p", change]);
    let refused = patch(r#"{"spec":{"prompt":"another"}}"#);
    let text = refused
        .err()
        .context("the prompt must not change")?
        .to_string();
    ensure!(text.contains("cannot change"), "{text}");
    patch(r#"{"spec":{"cancel":true}}"#)?;
    let refused = patch(r#"{"spec":{"cancel":false}}"#);
    ensure!(refused.is_err(), "cancel cannot be taken back");
    stack.kubectl(&[
        "wait",
        "--for=jsonpath={.status.phase}=canceled",
        "--timeout=90s",
        "ctask/fixed",
    ])?;
    Ok(())
}

async fn delete(stack: Arc<Stack>) -> Result<()> {
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:sleep 600]")
        .await?;
    // The Pod runs before Codex says its first word.
    let mut begun = Transcript::default();
    task.follow_on(&mut begun, |seen| seen.items("thread.started").count() > 0)
        .await?;
    stack.kubectl(&["delete", "ctask", &task.id, "--timeout=90s"])?;
    let api = stack.admin().await?;
    let record = until("a final record", || async {
        let (_, record) = api
            .send(Method::GET, &format!("/api/tasks/{}", task.id), None)
            .await?;
        let state = record["status"].as_str().unwrap_or_default().to_owned();
        Ok::<Option<Value>, anyhow::Error>(
            (state == "canceled" || state == "error").then_some(record),
        )
    })
    .await?;
    ensure!(record["message"].is_string(), "{record}");
    let seen = task.follow().await?;
    ensure!(
        seen.items("thread.started").count() == 1,
        "its log stays readable"
    );
    let pods = stack.kubectl(&["get", "pods", "-o", "name"])?;
    ensure!(!pods.contains(&task.id), "{pods}");
    Ok(())
}
