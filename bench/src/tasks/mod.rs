//! Thousands of `CodexTask`s on a real API server, whose Pods are over at once: how fast they go through the operator, next to the bare
//! writes of as many Pods, what the operator needs for it, and what it asks of the API server, also when there is nothing to do.

mod calls;
mod kubelet;
mod limit;
mod report;
mod stage;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use codex_crds::CodexTask;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use serde_json::json;
use tokio::sync::oneshot;

use crate::system;
use calls::Calls;
use report::{Rest, Run};
use stage::Stage;
pub(crate) use stage::serve_operator;

const NAMESPACE: &str = "codex-tasks";
/// Requests that the client, and the fake kubelet, have under way at once.
const AT_ONCE: u16 = 16;
/// Tasks that may run at once. Pods are over at once, so this is not what bounds the rate.
const RUNNING: usize = 200;
/// Users that the tasks belong to.
const USERS: usize = 8;
/// How long the operator is watched at rest.
const REST: Duration = Duration::from_secs(120);
/// The same in a trial.
const SHORT_REST: Duration = Duration::from_secs(20);
/// What the last tasks leave behind is cleared away by then, and does not count as rest.
const SETTLE: Duration = Duration::from_secs(10);
/// How long the first tasks may take.
const WARM_UP: Duration = Duration::from_secs(300);
/// How long a run may take for each task, at worst.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(crate) struct Tasks {
    /// How many tasks, one run after the other.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,5000", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    tasks: Vec<u32>,
    /// After which run the operator is watched at rest: that with so many tasks, or else the last one.
    #[arg(long, default_value_t = 1000)]
    rest_after: u32,
    /// Where the table is written, besides standard output; by default only there for trials and debug builds, else bench/results/tasks.md.
    #[arg(long)]
    output: Option<PathBuf>,
}

impl Tasks {
    /// Measures, and writes the table.
    ///
    /// # Errors
    /// When a part does not start, or refuses something.
    pub(crate) async fn run(&self) -> Result<()> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let is_whole = self.tasks.iter().any(|count| *count >= 1000);
        let rest_after = match self.tasks.contains(&self.rest_after) {
            true => Some(self.rest_after),
            false => self.tasks.last().copied(),
        };
        let mut runs = Vec::new();
        for count in &self.tasks {
            let rest =
                (Some(*count) == rest_after).then_some(if is_whole { REST } else { SHORT_REST });
            let run = run(*count as usize, rest)
                .await
                .with_context(|| format!("with {count} tasks"))?;
            eprintln!("{count} tasks took {:.1} s", run.took.as_secs_f64());
            runs.push(run);
        }
        let out = report::markdown(&runs, is_whole);
        print!("{out}");
        let usual = || PathBuf::from("bench/results/tasks.md");
        let counts = is_whole && !cfg!(debug_assertions);
        let destination = self.output.clone().or_else(|| counts.then(usual));
        if let Some(path) = destination {
            std::fs::write(&path, out.trim_end().to_owned() + "\n")
                .with_context(|| format!("writing {}", path.display()))?;
            eprintln!("written to {}", path.display());
        }
        Ok(())
    }
}

/// One run, with an API server and an operator of its own, so that none has the tasks of another.
async fn run(count: usize, rest: Option<Duration>) -> Result<Run> {
    let stage = Stage::start().await?;
    warm_up(&stage).await?;
    let spec = one_pod(&stage).await?;
    // The limit comes before and after, because the server has more to do the more it has.
    let before = limit::measure(&stage.client, &spec, count).await?;

    let tasks: Api<CodexTask> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let (calls, cpu) = (stage.relay.calls(), system::cpu_time(stage.operator())?);
    let load = system::machine_time();
    let (ready, is_ready) = oneshot::channel();
    let ended = tokio::spawn(until_ended(tasks.clone(), count, ready));
    is_ready.await.context("the tasks are watched")?;
    let begin = Instant::now();
    submit(&tasks, count).await?;
    let submitted = begin.elapsed();
    let patience = PATIENCE * u32::try_from(count)? + Duration::from_secs(60);
    let end = tokio::select! {
        ended = tokio::time::timeout(patience, ended) => {
            ended.with_context(|| format!("not all ended within {patience:?}"))???
        }
        error = stage.operator_ended() => return Err(error),
    };
    let took = end.duration_since(begin);
    until_clean(&stage).await?;
    let machine = system::machine_time() - load;
    let cpu = system::cpu_time(stage.operator())?.saturating_sub(cpu);
    let asked = calls::since(&calls, &stage.relay.calls());
    let written = status_writes(&stage.relay.calls());
    let check = [written, counted_by_server(&stage).await?];
    let peak = system::peak_memory(stage.operator())?;
    let after = limit::measure(&stage.client, &spec, count).await?;
    let rest = match rest {
        Some(time) => Some(watch_rest(&stage, time).await?),
        None => None,
    };
    Ok(Run {
        count,
        submitted,
        took,
        limit: [before, after],
        cpu,
        machine,
        peak,
        asked,
        check,
        rest,
    })
}

/// The first tasks pay for connections and caches of everybody.
async fn warm_up(stage: &Stage) -> Result<()> {
    let tasks: Api<CodexTask> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let (ready, is_ready) = oneshot::channel();
    let ended = tokio::spawn(until_ended(tasks.clone(), 20, ready));
    is_ready.await.context("the tasks are watched")?;
    submit(&tasks, 20).await?;
    tokio::select! {
        ended = tokio::time::timeout(WARM_UP, ended) => {
            ended.context("the first tasks did not end")???;
        }
        error = stage.operator_ended() => return Err(error),
    }
    until_clean(stage).await?;
    for task in tasks.list_metadata(&ListParams::default()).await? {
        tasks
            .delete(&task.name_any(), &DeleteParams::default())
            .await?;
    }
    while !tasks
        .list_metadata(&ListParams::default())
        .await?
        .items
        .is_empty()
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The spec of a Pod as the operator makes it.
async fn one_pod(stage: &Stage) -> Result<PodSpec> {
    let tasks: Api<CodexTask> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let mut seen = watcher(pods, watcher::Config::default())
        .applied_objects()
        .boxed();
    submit(&tasks, 1).await?;
    let pod = seen.try_next().await?.context("a Pod")?;
    let mut spec = pod.spec.context("a Pod has a spec")?;
    spec.node_name = None;
    until_clean(stage).await?;
    for task in tasks.list_metadata(&ListParams::default()).await? {
        tasks
            .delete(&task.name_any(), &DeleteParams::default())
            .await?;
    }
    Ok(spec)
}

async fn submit(tasks: &Api<CodexTask>, count: usize) -> Result<()> {
    futures::stream::iter((0..count).map(|number| async move {
        let task: CodexTask = serde_json::from_value(json!({
            "apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexTask",
            "metadata": {"generateName": "bench-"},
            "spec": {"prompt": "Nothing runs.", "cwd": stage::CWD, "user": format!("user-{}", number % USERS)},
        }))?;
        tasks.create(&PostParams::default(), &task).await?;
        anyhow::Ok(())
    }))
    .buffer_unordered(AT_ONCE.into())
    .try_collect()
    .await
}

/// Waits until so many tasks have ended; answers when the last one was seen.
async fn until_ended(
    tasks: Api<CodexTask>,
    count: usize,
    ready: oneshot::Sender<()>,
) -> Result<Instant> {
    let mut events = watcher(tasks, watcher::Config::default()).boxed();
    let mut ready = Some(ready);
    let mut ended = HashSet::new();
    while let Some(event) = events.try_next().await? {
        match event {
            watcher::Event::InitDone => {
                if let Some(ready) = ready.take() {
                    // Whoever asked waits for it.
                    let _ = ready.send(());
                }
            }
            watcher::Event::Apply(task) | watcher::Event::InitApply(task)
                if task.phase().is_final() && task.metadata.deletion_timestamp.is_none() =>
            {
                let status = task.status.as_ref();
                ensure!(
                    status.and_then(|status| status.exit_code) == Some(0),
                    "a task ended otherwise than its fake Pod: {status:?}"
                );
                ended.insert(task.name_any());
                if ended.len() == count {
                    return Ok(Instant::now());
                }
            }
            _ => {}
        }
    }
    anyhow::bail!("the watch of tasks ended")
}

/// Waits until the operator has cleared the Pods away: that is work for the tasks, too.
async fn until_clean(stage: &Stage) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let begin = Instant::now();
    while !pods
        .list_metadata(&ListParams::default().limit(1))
        .await?
        .items
        .is_empty()
    {
        ensure!(begin.elapsed() < Duration::from_secs(300), "Pods are left");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn watch_rest(stage: &Stage, time: Duration) -> Result<Rest> {
    tokio::time::sleep(SETTLE).await;
    let tasks: Api<CodexTask> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let kept = tasks
        .list_metadata(&ListParams::default())
        .await?
        .items
        .len();
    let (calls, cpu) = (stage.relay.calls(), system::cpu_time(stage.operator())?);
    tokio::time::sleep(time).await;
    Ok(Rest {
        tasks: kept,
        time,
        cpu: system::cpu_time(stage.operator())?.saturating_sub(cpu),
        asked: calls::since(&calls, &stage.relay.calls()),
    })
}

/// How often the status of tasks was written, as the API server counts it: only the operator does that.
async fn counted_by_server(stage: &Stage) -> Result<u64> {
    let request = http::Request::get("/metrics").body(Vec::new())?;
    let text = stage.client.request_text(request).await?;
    let is_ours = |line: &&str| {
        line.starts_with("apiserver_request_total{")
            && line.contains("resource=\"codextasks\"")
            && line.contains("subresource=\"status\"")
    };
    let count = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
    let sum: f64 = text.lines().filter(is_ours).filter_map(count).sum();
    Ok(sum as u64)
}

/// How often the status of tasks was written according to the relay.
fn status_writes(calls: &Calls) -> u64 {
    calls
        .iter()
        .filter(|((_, resource), _)| resource == "codextasks/status")
        .map(|(_, count)| count)
        .sum()
}
