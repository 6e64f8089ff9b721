//! What a task may name.

use std::sync::Arc;

use anyhow::{Result, ensure};
use codex_e2e::Stack;
use codex_e2e::suite::Suite;
use reqwest::Method;
use serde_json::json;

pub(crate) fn add(suite: &mut Suite) {
    suite.add("allow_list::folders_outside_are_refused", outside);
    suite.add("allow_list::symbolic_links_do_not_lead_out", symlink);
    suite.add("allow_list::variables_that_steer_are_refused", env);
    suite.add("allow_list::variables_reach_codex", env_reaches_codex);
    suite.add("allow_list::kubectl_meets_the_same_rules", kubectl);
}

async fn outside(stack: Arc<Stack>) -> Result<()> {
    let api = stack.admin().await?;
    for cwd in [
        "/etc",
        "/srv/repos/demo/../../..",
        "/srv/repos/demo/../other",
        "/srv/repos",
        "demo",
        "",
        "/srv/repos/demo\0",
    ] {
        let body = json!({ "prompt": "[demo:say no]", "cwd": cwd });
        let (status, answer) = api.send(Method::POST, "/api/tasks", Some(&body)).await?;
        ensure!(status.is_client_error(), "{cwd:?}: {status} {answer}");
        ensure!(
            answer["error"]["message"]
                .as_str()
                .is_some_and(|text| text.contains("cwd")),
            "{answer}"
        );
    }
    Ok(())
}

async fn symlink(stack: Arc<Stack>) -> Result<()> {
    let task = stack
        .admin()
        .await?
        .prompt("/srv/repos/demo/outside", "[demo:shell ls]")
        .await?;
    let seen = task.follow().await?;
    ensure!(
        seen.items("thread.started").count() == 0,
        "Codex never started"
    );
    let record = task.get().await?;
    ensure!(
        record["status"] == "error" && record["reason"] == "InvalidCwd",
        "{record}"
    );
    Ok(())
}

async fn env(stack: Arc<Stack>) -> Result<()> {
    let api = stack.admin().await?;
    for name in [
        "LD_PRELOAD",
        "GIT_SSH_COMMAND",
        "PATH",
        "CODEX_HOME",
        "https_proxy",
        "A=B",
    ] {
        let body = json!({ "prompt": "[demo:say no]", "cwd": stack.cwd(), "env": { name: "x" } });
        let (status, answer) = api.send(Method::POST, "/api/tasks", Some(&body)).await?;
        ensure!(
            status.is_client_error()
                && answer["error"]["message"]
                    .as_str()
                    .is_some_and(|text| text.contains(name)),
            "{name}: {status} {answer}"
        );
    }
    Ok(())
}

async fn env_reaches_codex(stack: Arc<Stack>) -> Result<()> {
    let body = json!({ "prompt": "[demo:shell echo value=$BUILD_NUMBER]", "cwd": "/srv/repos/demo/src", "env": { "BUILD_NUMBER": "a b'c\"$d" } });
    let seen = stack.admin().await?.submit(body).await?.follow().await?;
    ensure!(
        seen.command_output()?.contains("value=a b'c\"$d"),
        "{}",
        seen.command_output()?
    );
    Ok(())
}

async fn kubectl(stack: Arc<Stack>) -> Result<()> {
    for (name, spec) in [
        (
            "bad-cwd",
            json!({ "prompt": "[demo:say no]", "cwd": "/etc" }),
        ),
        (
            "bad-env",
            json!({ "prompt": "[demo:say no]", "cwd": stack.cwd(), "env": { "LD_PRELOAD": "/x.so" } }),
        ),
    ] {
        let task = json!({ "apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexTask", "metadata": { "name": name }, "spec": spec });
        let file = stack.data().join(format!("{name}.json"));
        std::fs::write(&file, task.to_string())?;
        stack.kubectl(&["create", "-f", &file.display().to_string()])?;
        stack.kubectl(&[
            "wait",
            "--for=jsonpath={.status.phase}=error",
            "--timeout=60s",
            "codextask",
            name,
        ])?;
        let reason = stack.kubectl(&[
            "get",
            "ctask",
            name,
            "-o",
            "jsonpath={.status.reason} {.status.podName}",
        ])?;
        ensure!(
            reason.trim_end()
                == if name == "bad-cwd" {
                    "InvalidCwd"
                } else {
                    "InvalidEnv"
                },
            "{reason}"
        );
    }
    Ok(())
}
