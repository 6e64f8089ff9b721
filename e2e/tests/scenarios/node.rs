//! The node behind an API server that is another process. Only where stacks run on a real one.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Stack, Transcript, on_kubernetes, until};
use reqwest::StatusCode;
use serde_json::Value;

pub(crate) fn add(suite: &mut Suite) {
    if on_kubernetes() {
        suite.add("node::logs_are_for_whom_the_api_server_allows", logs);
    }
}

async fn logs(stack: Arc<Stack>) -> Result<()> {
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:sleep 600]")
        .await?;
    let mut begun = Transcript::default();
    task.follow_on(&mut begun, |seen| seen.items("thread.started").count() > 0)
        .await?;
    let pod = format!("codex-{}", task.id);
    let log = stack.kubectl(&["logs", &pod])?;
    ensure!(log.contains("\"seq\":1"), "through the API server: {log}");

    let node: Value = serde_json::from_str(&stack.kubectl(&["get", "nodes", "-o", "json"])?)?;
    let status = &node["items"][0]["status"];
    let address = status["addresses"][0]["address"]
        .as_str()
        .context("an address")?;
    let port = &status["daemonEndpoints"]["kubeletEndpoint"]["Port"];
    let url = format!("https://{address}:{port}/containerLogs/codex-tasks/{pod}/codex");
    let http = reqwest::Client::builder()
        .no_proxy()
        .danger_accept_invalid_certs(true)
        .build()?;
    let ask = async |token: Option<&str>| {
        let mut request = http.get(&url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?;
        anyhow::Ok((answer.status(), answer.text().await?))
    };
    let (status, text) = ask(None).await?;
    ensure!(status == StatusCode::UNAUTHORIZED, "{status} {text}");
    let (status, text) = ask(Some("made-up")).await?;
    ensure!(status == StatusCode::UNAUTHORIZED, "{status} {text}");
    let token = stack.kubectl(&["create", "token", "default"])?;
    let (status, text) = ask(Some(token.trim())).await?;
    ensure!(
        status == StatusCode::FORBIDDEN,
        "an account of the cluster is no reader of logs: {status} {text}"
    );
    stack.kubectl(&[
        "create",
        "clusterrolebinding",
        "reader-of-logs",
        "--clusterrole=system:kubelet-api-admin",
        "--serviceaccount=codex-tasks:default",
    ])?;
    until("the permission to count", || async {
        let (status, text) = ask(Some(token.trim())).await?;
        Ok((status == StatusCode::OK && text.contains("\"seq\":1")).then_some(()))
    })
    .await?;
    stack.kubectl(&["delete", "ctask", &task.id, "--timeout=90s"])?;
    Ok(())
}
