//! What the programs tell about themselves: one trace a task, from the request through database, `CodexTask`, operator and Pod to the
//! archive, as a collector sees it; metrics, as a scraper sees them; and no secret in any of it.

mod metrics;
mod secrets;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use codex_e2e::collector::{Collector, Span};
use codex_e2e::suite::Suite;
use codex_e2e::{Stack, StackOptions, until};
use serde_json::json;

/// Every span of a task that the demo model answers, with what it is a part of.
const TREE: [(&str, &str, &str); 12] = [
    ("codex-gateway", "POST /api/tasks", ""),
    ("codex-gateway", "create CodexTask", "POST /api/tasks"),
    ("codex-operator", "task", "POST /api/tasks"),
    ("codex-operator", "wait for a turn", "task"),
    ("codex-operator", "start Pod", "task"),
    ("codex-operator", "run", "task"),
    ("codex-operator", "prepare", "run"),
    ("codex-operator", "codex", "run"),
    ("codex-operator", "patch", "run"),
    ("codex-operator", "upload", "run"),
    ("codex-pod-proxy", "call model", "run"),
    ("codex-operator", "archive", "task"),
];

fn main() -> Result<ExitCode> {
    let collector = Arc::new(Collector::start()?);
    let mut suite = Suite::start(StackOptions {
        arguments: vec!["--otlp".into(), collector.url().into()],
        environment: secrets::environment(),
        ..StackOptions::default()
    })?;
    let add = |suite: &mut Suite, name, scenario: fn(Arc<Stack>, Arc<Collector>) -> Scenario| {
        let collector = Arc::clone(&collector);
        suite.add(name, move |stack| scenario(stack, collector));
    };
    add(&mut suite, "traces::one_for_each_task", |stack, spans| {
        Box::pin(one_for_each_task(stack, spans))
    });
    add(&mut suite, "traces::of_kubectl", |stack, spans| {
        Box::pin(of_kubectl(stack, spans))
    });
    add(
        &mut suite,
        "traces::survive_the_operator",
        |stack, spans| Box::pin(survive_the_operator(stack, spans)),
    );
    add(&mut suite, "traces::name_no_path", |stack, spans| {
        Box::pin(name_no_path(stack, spans))
    });
    add(&mut suite, "secrets::are_told_to_nobody", |stack, spans| {
        Box::pin(secrets::hold_no_secret(stack, spans))
    });
    add(&mut suite, "traces::collector_away", |stack, spans| {
        Box::pin(collector_away(stack, spans))
    });
    suite.add("metrics::are_bounded", metrics::are_bounded);
    // One of them takes the collector away from the others.
    suite.one_by_one();
    Ok(suite.run())
}

type Scenario = std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// One request with a `traceparent`: everything that follows has its trace, and is a part of the right thing.
async fn one_for_each_task(stack: Arc<Stack>, collector: Arc<Collector>) -> Result<()> {
    let (trace, caller) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let api = stack.admin().await?;
    let body = json!({ "prompt": "[demo:shell echo traced > traced.txt]", "cwd": stack.cwd() });
    let parent = format!("00-{trace}-{caller}-01");
    let task = api.submit_with(&body, &[("traceparent", &parent)]).await?;
    let seen = task.follow().await?;
    ensure!(seen.done()?["exit_code"] == 0, "{seen:#?}");

    let spans = whole(&collector, trace).await?;
    let by_id: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    ensure!(by_id.len() == spans.len(), "ids are unique: {spans:#?}");
    for span in &spans {
        let parent = match by_id.get(span.parent.as_str()) {
            Some(parent) => parent.name.as_str(),
            None => {
                ensure!(span.parent == caller, "an orphan: {span:#?}");
                ""
            }
        };
        let known = TREE.contains(&(span.service.as_str(), span.name.as_str(), parent));
        ensure!(known, "under {parent:?}: {span:#?}");
        ensure!(span.time.0 <= span.time.1 && !span.is_error, "{span:#?}");
        if span.attributes.contains_key("codex.task.id") {
            ensure!(span.attributes["codex.task.id"] == task.id, "{span:#?}");
        }
    }
    for (_, name, _) in TREE.iter().filter(|(_, name, _)| *name != "call model") {
        let count = spans.iter().filter(|span| span.name == *name).count();
        ensure!(count == 1, "{count} times {name}: {spans:#?}");
    }
    let whole = named(&spans, "task")?;
    ensure!(
        whole.attributes["codex.task.state"] == "completed"
            && whole.attributes["process.exit.code"] == "0"
    );
    // The parts lie within the run, as the runner's own clock has it.
    let run = named(&spans, "run")?.time;
    for part in ["prepare", "codex", "patch", "upload"] {
        let time = named(&spans, part)?.time;
        ensure!(run.0 <= time.0 && time.1 <= run.1, "{part}: {spans:#?}");
    }
    Ok(())
}

/// A task made with kubectl has a trace of its own; an annotation that is no `traceparent` changes nothing.
async fn of_kubectl(stack: Arc<Stack>, collector: Arc<Collector>) -> Result<()> {
    let manifest = |annotation: &str| {
        json!({
            "apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexTask",
            "metadata": {"generateName": "traced-", "annotations": {"codexrunner.io/traceparent": annotation}},
            "spec": {"prompt": "[demo:shell echo traced > traced.txt]", "cwd": stack.cwd()},
        })
    };
    for (annotation, trace) in [
        (
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            Some("0af7651916cd43dd8448eb211c80319c"),
        ),
        ("00-0af7651916cd43dd8448eb211c80319c", None),
    ] {
        let file = stack.data().join("traced.json");
        std::fs::write(&file, manifest(annotation).to_string())?;
        let file = file.to_string_lossy();
        let uid = stack.kubectl(&["create", "-f", &file, "-o", "jsonpath={.metadata.uid}"])?;
        let spans = until("the whole trace of a task of kubectl", || async {
            let spans = collector.task(&uid);
            let is_whole = spans.iter().any(|span| span.name == "task");
            Ok(is_whole.then_some(spans))
        })
        .await?;
        let whole = named(&spans, "task")?;
        match trace {
            Some(trace) => ensure!(whole.trace == trace && whole.parent == "b7ad6b7169203331"),
            None => ensure!(
                whole.parent.is_empty() && !annotation.contains(&whole.trace),
                "{whole:#?}"
            ),
        }
        ensure!(
            spans.iter().all(|span| span.trace == whole.trace),
            "{spans:#?}"
        );
        ensure!(named(&spans, "run")?.parent == whole.id);
    }
    Ok(())
}

/// The operator that ends a task is not the one that began it, and their spans fit together.
async fn survive_the_operator(stack: Arc<Stack>, collector: Arc<Collector>) -> Result<()> {
    let api = stack.admin().await?;
    let task = api.prompt(stack.cwd(), "[demo:messages 20 100]").await?;
    until("the start to be traced", || async {
        let spans = collector.task(&task.id);
        Ok(spans
            .iter()
            .any(|span| span.name == "start Pod")
            .then_some(()))
    })
    .await?;
    stack.kill_9("operator")?;
    let seen = task.follow().await?;
    ensure!(seen.done()?["exit_code"] == 0, "{seen:#?}");
    let trace = collector.task(&task.id)[0].trace.clone();
    let spans = whole(&collector, &trace).await?;
    let (begun, ended) = (named(&spans, "start Pod")?, named(&spans, "task")?);
    ensure!(begun.parent == ended.id, "{spans:#?}");
    for name in ["wait for a turn", "start Pod", "run", "archive"] {
        let count = spans.iter().filter(|span| span.name == name).count();
        ensure!(count == 1, "{count} times {name}: {spans:#?}");
    }
    Ok(())
}

/// What clients make up does not reach the collector.
async fn name_no_path(stack: Arc<Stack>, collector: Arc<Collector>) -> Result<()> {
    let api = stack.admin().await?;
    let made_up = "/api/made-up-canary?token=made-up-canary";
    let brew = reqwest::Method::from_bytes(b"MADEUPCANARY")?;
    for method in [reqwest::Method::GET, brew] {
        api.send(method.clone(), made_up, None).await?;
        api.send(method, "/made-up-canary", None).await?;
    }
    until("the requests to be traced", || async {
        let all = collector.all();
        let found = |name: &str| all.iter().any(|span| span.name == name);
        Ok((found("GET /api/{*rest}") && found("_OTHER /api/{*rest}")).then_some(()))
    })
    .await?;
    let wire = String::from_utf8_lossy(&collector.wire()).to_lowercase();
    ensure!(!wire.contains("made-up") && !wire.contains("madeup"));
    Ok(())
}

/// A collector that is away is nobody's trouble but its own.
async fn collector_away(stack: Arc<Stack>, collector: Arc<Collector>) -> Result<()> {
    collector.be_away(true);
    let api = stack.admin().await?;
    let task = api
        .prompt(stack.cwd(), "[demo:shell echo traced > traced.txt]")
        .await?;
    let seen = task.follow().await?;
    ensure!(seen.done()?["exit_code"] == 0, "{seen:#?}");
    // It is told once, and spans flow again when it is back.
    until("the gateway to say that the collector is away", || async {
        let log = std::fs::read_to_string(stack.data().join("logs/gateway.log"))?;
        Ok((log.matches("spans cannot be sent to the collector").count() == 1).then_some(()))
    })
    .await?;
    collector.be_away(false);
    let again = api
        .prompt(stack.cwd(), "[demo:shell echo traced > traced.txt]")
        .await?;
    again.follow().await?;
    until("spans to come again", || async {
        let spans = collector.task(&again.id);
        Ok(spans.iter().any(|span| span.name == "task").then_some(()))
    })
    .await
}

/// The spans of a trace, once all parts have sent theirs.
async fn whole(collector: &Collector, trace: &str) -> Result<Vec<Span>> {
    until("all spans of a trace", || async {
        let spans = collector.trace(trace);
        let is_whole = TREE.iter().all(|(service, name, _)| {
            spans
                .iter()
                .any(|it| it.service == *service && it.name == *name)
        });
        Ok(is_whole.then_some(spans))
    })
    .await
}

fn named<'a>(spans: &'a [Span], name: &str) -> Result<&'a Span> {
    let found = spans.iter().find(|span| span.name == name);
    found.with_context(|| format!("no span {name}: {spans:#?}"))
}
