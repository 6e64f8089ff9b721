//! What a scrape gets after real work: the form that the standard asks for, and labels of a few words, whatever clients made up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};
use codex_e2e::Stack;
use openmetrics_parser::openmetrics::parse_openmetrics;
use reqwest::Method;
use serde_json::Value;

/// A scrape: the labels of every sample, by family.
type Scrape = BTreeMap<String, Vec<BTreeMap<String, String>>>;

/// Families that there are after one task, besides what only failures bring.
const GATEWAY: [&str; 17] = [
    "codex_gateway_dispatch_retries",
    "codex_gateway_dispatched",
    "codex_gateway_http_request_duration_seconds",
    "codex_gateway_http_responses",
    "codex_gateway_logins_refused",
    "codex_gateway_outbox_pending",
    "codex_gateway_passwords_verified",
    "codex_gateway_rate_limit_store_errors",
    "codex_gateway_recorded",
    "codex_gateway_requests_limited",
    "codex_gateway_store_errors",
    "codex_gateway_stream_bytes",
    "codex_gateway_streams_open",
    "codex_gateway_streams_refused",
    "codex_gateway_tasks",
    "codex_gateway_tasks_accepted",
    "codex_gateway_trace_spans",
];
const OPERATOR: [&str; 10] = [
    "codex_operator_first_frame_seconds",
    "codex_operator_frames",
    "codex_operator_leader",
    "codex_operator_preflight_findings",
    "codex_operator_queue_wait_seconds",
    "codex_operator_reconciles",
    "codex_operator_start_latency_seconds",
    "codex_operator_store_errors",
    "codex_operator_tasks",
    "codex_operator_trace_spans",
];

pub(crate) async fn are_bounded(stack: Arc<Stack>) -> Result<()> {
    let api = stack.admin().await?;
    let task = api.prompt(stack.cwd(), "[demo:say hello]").await?;
    task.follow().await?;
    // A task that never starts.
    let refused = serde_json::json!({ "prompt": "x", "cwd": "/made-up" });
    api.send(Method::POST, "/api/tasks", Some(&refused)).await?;
    let before = scrape(&gateway(&stack)).await?;
    for number in 0..40 {
        let method = Method::from_bytes(format!("MADEUP{number}").as_bytes())?;
        for path in ["", "/api", "/api/tasks", "/auth"] {
            let path = format!("{path}/made-up-{number}");
            api.send(Method::GET, &path, None).await?;
            api.send(method.clone(), &path, None).await?;
        }
    }
    let after = scrape(&gateway(&stack)).await?;
    for family in GATEWAY {
        ensure!(after.contains_key(family), "no {family}: {after:#?}");
    }
    let operator = scrape(&operator(&stack)?).await?;
    for family in OPERATOR {
        ensure!(operator.contains_key(family), "no {family}: {operator:#?}");
    }
    let known = known_values()?;
    for (family, samples) in after.iter().chain(&operator) {
        for (label, value) in samples.iter().flatten() {
            let values = known.get(label.as_str());
            ensure!(
                values.is_some_and(|values| values.contains(value)),
                "{family}: {label}={value:?}"
            );
        }
    }
    let durations = "codex_gateway_http_request_duration_seconds";
    let news = after[durations].len() - before[durations].len();
    ensure!(news <= 12, "{news} more series: {after:#?}");
    Ok(())
}

/// All values that a label may have.
fn known_values() -> Result<BTreeMap<&'static str, BTreeSet<String>>> {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/openapi.json");
    let document: Value = serde_json::from_str(&std::fs::read_to_string(document)?)?;
    let paths = document["paths"].as_object().into_iter().flatten();
    let mut routes: BTreeSet<String> = paths.map(|(path, _)| path.clone()).collect();
    let others = ["none", "/", "/api/{*rest}", "/auth/{*rest}"];
    routes.extend(others.map(str::to_owned));
    let reasons: BTreeSet<String> = include_str!("../../../crds/src/reasons.rs")
        .split('"')
        .map(str::to_owned)
        .collect();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect();
    Ok(BTreeMap::from([
        ("route", routes),
        ("reason", reasons),
        (
            "method",
            words("GET HEAD POST PUT PATCH DELETE OPTIONS _OTHER"),
        ),
        ("class", words("1xx 2xx 3xx 4xx 5xx")),
        (
            "store",
            words("postgres redis log archive kubernetes live spool"),
        ),
        ("severity", words("error warning")),
        ("fate", words("sent failed dropped")),
        ("phase", words("queued running completed error canceled")),
    ]))
}

fn gateway(stack: &Stack) -> String {
    format!("{}/metrics", stack.url())
}

fn operator(stack: &Stack) -> Result<String> {
    let ports = std::fs::read_to_string(stack.data().join("ports.json"))?;
    let ports: Value = serde_json::from_str(&ports)?;
    Ok(format!(
        "http://127.0.0.1:{}/metrics",
        ports["operator.listen"]
    ))
}

async fn scrape(url: &str) -> Result<Scrape> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let response = client.get(url).send().await?.error_for_status()?;
    let kind = response.headers()["content-type"].to_str()?.to_owned();
    ensure!(
        kind.starts_with("application/openmetrics-text; version=1.0.0"),
        "{kind}"
    );
    let text = response.text().await?;
    let exposition = parse_openmetrics(&text).map_err(|error| anyhow!("{error:?}: {text}"))?;
    let mut families = Scrape::new();
    for (name, family) in exposition.families {
        let mut samples = Vec::new();
        for sample in family.iter_samples() {
            let labels = sample
                .get_labelset()
                .map_err(|error| anyhow!("{error:?}"))?;
            let labels = labels
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()));
            samples.push(labels.collect());
        }
        families.insert(name, samples);
    }
    Ok(families)
}
