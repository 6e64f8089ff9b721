//! What there is afterwards, next to what the clients know.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result, ensure};
use codex_e2e::{Api, Stack};
use reqwest::Method;
use serde_json::Value;

use crate::clients::Books;

/// Waits until every task has ended, and makes sure that each that was accepted ran once, and nothing else is there.
pub(crate) async fn compare(stack: &Stack, marker: &str, books: &Books) -> Result<()> {
    let api = stack.admin().await?;
    let recorded = recorded(&api, marker).await?;
    for (prompt, id) in &books.accepted {
        ensure!(
            recorded.get(prompt) == Some(id),
            "{prompt} was accepted as {id}, and is on record as {:?}",
            recorded.get(prompt)
        );
    }
    for prompt in recorded.keys() {
        ensure!(
            books.accepted.contains_key(prompt) || books.unknown.contains(prompt),
            "{prompt} is on record, and nobody was told so"
        );
    }
    for id in recorded.values() {
        let task = api.task(id);
        task.wait_for("completed").await?;
        let seen = task.follow().await?;
        ensure!(seen.done()?["exit_code"] == 0, "{seen:#?}");
        ensure!(
            seen.items("thread.started").count() == 1,
            "codex ran once: {seen:#?}"
        );
    }
    let ids: HashSet<&str> = recorded.values().map(String::as_str).collect();
    resources(stack, marker, &ids)?;
    pods(stack, &ids)?;
    audit(&api, &ids).await
}

/// The records, from prompt to id.
async fn recorded(api: &Api, marker: &str) -> Result<HashMap<String, String>> {
    let path = format!("/api/tasks?limit=200&q={marker}");
    let (_, page) = api.send(Method::GET, &path, None).await?;
    let tasks = page["tasks"].as_array().context("a page of tasks")?;
    ensure!(
        page["total"].as_u64() == Some(tasks.len() as u64),
        "one page has all: {}",
        page["total"]
    );
    let mut recorded = HashMap::new();
    for task in tasks {
        let prompt = task["prompt"].as_str().context("a prompt")?.to_owned();
        let id = task["task_id"].as_str().context("an id")?.to_owned();
        let before = recorded.insert(prompt, id);
        ensure!(before.is_none(), "{task} is on record twice");
    }
    Ok(recorded)
}

/// One `CodexTask` each, and no other.
fn resources(stack: &Stack, marker: &str, ids: &HashSet<&str>) -> Result<()> {
    let list = list(stack, "codextasks")?;
    let names: Vec<&str> = list
        .iter()
        .filter(|task| {
            let prompt = task["spec"]["prompt"].as_str();
            prompt.is_some_and(|prompt| prompt.contains(marker))
        })
        .filter_map(|task| task["metadata"]["name"].as_str())
        .collect();
    ensure!(
        names.len() == ids.len() && names.iter().all(|name| ids.contains(name)),
        "there are the tasks {ids:?} and the resources {names:?}"
    );
    Ok(())
}

/// One Pod each, ever: the events know those that are gone.
pub(crate) fn pods(stack: &Stack, ids: &HashSet<&str>) -> Result<()> {
    let mut pods: HashMap<&str, HashSet<String>> = HashMap::new();
    for event in list(stack, "events")? {
        let about = &event["involvedObject"];
        let (Some("Pod"), Some(name), Some(uid)) = (
            about["kind"].as_str(),
            about["name"].as_str(),
            about["uid"].as_str(),
        ) else {
            continue;
        };
        if let Some(id) = ids.iter().find(|id| name.contains(**id)) {
            pods.entry(id).or_default().insert(uid.to_owned());
        }
    }
    for id in ids {
        let seen = pods.get(id).map_or(0, HashSet::len);
        ensure!(seen == 1, "task {id} had {seen} Pods");
    }
    Ok(())
}

/// One acceptance each in the audit log.
async fn audit(api: &Api, ids: &HashSet<&str>) -> Result<()> {
    let path = "/api/audit?action=task.create&limit=1000";
    let (_, page) = api.send(Method::GET, path, None).await?;
    let entries = page["entries"].as_array().context("a page of entries")?;
    for id in ids {
        let target = format!("task:{id}");
        let acts = entries
            .iter()
            .filter(|entry| entry["target"] == target)
            .count();
        ensure!(acts == 1, "task {id} was accepted {acts} times: {page}");
    }
    Ok(())
}

/// How many `CodexTask`s there are.
pub(crate) fn count_resources(stack: &Stack) -> Result<usize> {
    Ok(list(stack, "codextasks")?.len())
}

fn list(stack: &Stack, kind: &str) -> Result<Vec<Value>> {
    let text = stack.kubectl(&["get", kind, "-o", "json"])?;
    let mut list: Value = serde_json::from_str(&text)?;
    match list["items"].take() {
        Value::Array(items) => Ok(items),
        other => anyhow::bail!("{kind}: {other}"),
    }
}
