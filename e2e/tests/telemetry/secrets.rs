//! What is secret is in no log, no span and no metric.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use codex_e2e::collector::Collector;
use codex_e2e::{Api, Stack, until};
use reqwest::Method;
use serde_json::{Value, json};

/// Goes to the collector with every request.
const COLLECTOR_SECRET: &str = "collector-secret-canary";

/// What the stack is told besides the address of the collector.
pub(crate) fn environment() -> Vec<(String, String)> {
    let headers = format!("authorization=Bearer {COLLECTOR_SECRET}");
    vec![
        ("OTEL_EXPORTER_OTLP_HEADERS".into(), headers),
        // Everything that the programs have to say.
        (
            "RUST_LOG".into(),
            "info,codex_gateway=debug,codex_operator=debug,codex_pod_proxy=debug,codex_telemetry=debug,codex_tasklog=debug".into(),
        ),
    ]
}

/// Signs in in every way there is here, submits a task that carries secrets, and looks for each of them in everything that is told.
pub(crate) async fn hold_no_secret(stack: Arc<Stack>, collector: Arc<Collector>) -> Result<()> {
    let password = std::fs::read_to_string(stack.password_file())?;
    let api = stack.admin().await?;
    let mut secrets = vec![
        ("the administrator's password", password.trim().to_owned()),
        ("an access token", api.token().to_owned()),
        ("the collector's credential", COLLECTOR_SECRET.to_owned()),
    ];
    secrets.extend(wrong_sign_ins(&stack).await?);
    secrets.extend(exchanged_tokens(&stack, password.trim()).await?);
    secrets.extend(own_tokens(&api).await?);
    let (task, of_task) = run_task(&stack, &api).await?;
    secrets.extend(of_task);

    // All parts have told everything about the task.
    let spans = until("the trace of the task", || async {
        let spans = collector.task(&task);
        Ok(spans
            .iter()
            .any(|span| span.name == "task")
            .then_some(spans))
    })
    .await?;
    let trace = &spans[0].trace;
    let told = told(&stack, &collector).await?;
    for part in ["logs/gateway.log", "logs/operator.log"] {
        let log = &told[part];
        ensure!(
            log.contains(trace) && log.contains(&task),
            "{part} has neither the trace {trace} nor the task {task}:\n{log}"
        );
    }
    for (what, secret) in &secrets {
        ensure!(secret.len() >= 8, "{what} is too short to look for");
        for (place, text) in &told {
            ensure!(!text.contains(secret), "{what} is in {place}");
        }
    }
    Ok(())
}

async fn wrong_sign_ins(stack: &Stack) -> Result<Vec<(&'static str, String)>> {
    let wrong = "wrong-password-canary";
    let refused = Api::login(&stack.url(), &stack.email(), wrong).await;
    ensure!(refused.is_err());
    Ok(vec![("a wrong password", wrong.to_owned())])
}

/// A session that is begun, gone on with, and ended.
async fn exchanged_tokens(stack: &Stack, password: &str) -> Result<Vec<(&'static str, String)>> {
    let api = Api::login(&stack.url(), &stack.email(), password).await?;
    let login = json!({ "email": stack.email(), "password": password });
    let (_, session) = api.send(Method::POST, "/auth/login", Some(&login)).await?;
    let first = session["refresh_token"].as_str().context("a session")?;
    let body = json!({ "refresh_token": first });
    let (_, session) = api.send(Method::POST, "/auth/refresh", Some(&body)).await?;
    let next = session["refresh_token"].as_str().context("another token")?;
    let body = json!({ "refresh_token": next });
    api.send(Method::POST, "/auth/logout", Some(&body)).await?;
    Ok(vec![
        ("a refresh token", first.to_owned()),
        ("the one that followed it", next.to_owned()),
    ])
}

/// Tokens that people get: for a program, and to stay signed in.
async fn own_tokens(api: &Api) -> Result<Vec<(&'static str, String)>> {
    let body = json!({ "name": "canary", "scopes": ["tasks:read"] });
    let (_, answer) = api.send(Method::POST, "/api/tokens", Some(&body)).await?;
    let token = answer["secret"].as_str().context("a token is made")?;
    // It is used, and so is one that is nearly the same.
    let program = api.with_token(token);
    program.send(Method::GET, "/api/tasks", None).await?;
    let mistyped = format!("{}x", &token[..token.len() - 1]);
    api.with_token(&mistyped)
        .send(Method::GET, "/api/tasks", None)
        .await?;
    let refresh = json!({ "refresh_token": "refresh-token-canary" });
    api.send(Method::POST, "/auth/refresh", Some(&refresh))
        .await?;
    // As a browser comes back from an identity provider. Here is none, which is no reason to write down what it brings.
    api.send(
        Method::GET,
        "/auth/oidc/callback?code=oidc-code-canary&state=oidc-state-canary",
        None,
    )
    .await?;
    let exchange = json!({ "code": "login-code-canary", "verifier": "verifier-canary" });
    api.send(Method::POST, "/auth/oidc/exchange", Some(&exchange))
        .await?;
    Ok(vec![
        ("an API token", token.to_owned()),
        ("a mistyped API token", mistyped),
        (
            "an unknown refresh token",
            "refresh-token-canary".to_owned(),
        ),
        (
            "the code of an identity provider",
            "oidc-code-canary".to_owned(),
        ),
        ("the state of a sign-in", "oidc-state-canary".to_owned()),
        (
            "the code of a sign-in elsewhere",
            "login-code-canary".to_owned(),
        ),
        ("the secret of a sign-in", "verifier-canary".to_owned()),
    ])
}

/// A task whose prompt and variables are nobody's business, and the credentials of its Pod.
async fn run_task(stack: &Stack, api: &Api) -> Result<(String, Vec<(&'static str, String)>)> {
    let task = api
        .submit(json!({
            "prompt": "[demo:messages 10 100] prompt-canary",
            "cwd": stack.cwd(),
            "env": { "CANARY": "variable-canary" },
        }))
        .await?;
    task.wait_for("running").await?;
    let name = format!("secret/codex-{}", task.id);
    let text = stack.kubectl(&[
        "get",
        &name,
        "-o",
        "go-template={{.data.token | base64decode}} {{.data.nonce | base64decode}}",
    ])?;
    let (token, nonce) = text.split_once(' ').context("a token and a nonce")?;
    let seen = task.follow().await?;
    ensure!(seen.done()?["exit_code"] == 0, "{seen:#?}");
    let secrets = vec![
        ("the prompt", "prompt-canary".to_owned()),
        ("a variable of the task", "variable-canary".to_owned()),
        ("the token of the task", token.to_owned()),
        ("the nonce of the log", nonce.to_owned()),
    ];
    Ok((task.id, secrets))
}

/// Everything that logs, spans and metrics say.
async fn told(stack: &Stack, collector: &Collector) -> Result<BTreeMap<String, String>> {
    let mut told = BTreeMap::new();
    for entry in std::fs::read_dir(stack.data().join("logs"))? {
        let path = entry?.path();
        let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        told.insert(format!("logs/{name}"), text);
    }
    let wire = String::from_utf8_lossy(&collector.wire()).into_owned();
    told.insert("the spans".into(), wire);
    let ports: Value =
        serde_json::from_str(&std::fs::read_to_string(stack.data().join("ports.json"))?)?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let near = |port: &Value| format!("http://127.0.0.1:{port}");
    for (part, url) in [
        ("gateway", stack.url()),
        ("operator", near(&ports["operator.listen"])),
        ("pod-proxy", near(&ports["pod-proxy.admin_url"])),
    ] {
        let metrics = client.get(format!("{url}/metrics")).send().await?;
        let text = metrics.error_for_status()?.text().await?;
        ensure!(text.contains("codex_"), "{part}: {text}");
        told.insert(format!("the metrics of {part}"), text);
    }
    Ok(told)
}
