//! kill -9 of the API server while tasks run.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use codex_e2e::{Stack, Task, Transcript, until};
use futures::future::try_join_all;
use serde_json::json;

use crate::books;
use crate::clients::Books;

/// Tasks that run at the same time.
pub(crate) const TASKS: usize = 20;
const MARKER: &str = "killed";
/// Lines of each part of a task.
const LINES: usize = 50;
/// The files that tasks wait for: the second part begins without an API server, and the third one, and with it the task, ends without.
const GO_ON: [&str; 2] = ["killed-go-on", "killed-end"];

/// The states of a task that ends well, in their order.
const STATES: [&str; 3] = ["queued", "running", "completed"];

/// Twenty tasks have begun when the API server dies, and write more while it is dead. It comes back, dies again, and they end meanwhile.
/// Everybody who watches sees every line once, and each task had one Pod.
pub(crate) async fn while_tasks_run(stack: Arc<Stack>) -> Result<()> {
    let files = GO_ON.map(|name| stack.repository().join(name));
    let result = play(&stack, &files).await;
    for file in &files {
        // It may not have come to this one.
        let _ = std::fs::remove_file(file);
    }
    result
}

async fn play(stack: &Arc<Stack>, files: &[impl AsRef<Path>]) -> Result<()> {
    let api = stack.admin().await?;
    let mut books = Books::default();
    let mut watched = Vec::new();
    for number in 0..TASKS {
        let prompt = prompt(stack, number);
        let task = api
            .submit(json!({ "prompt": prompt, "cwd": stack.cwd() }))
            .await?;
        books.accepted.insert(prompt, task.id.clone());
        watched.push((task, Transcript::default()));
    }
    watch(&mut watched, LINES).await?;
    let ids: HashSet<String> = books.accepted.values().cloned().collect();
    let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
    // What nodes tell about Pods comes a little later than their logs, and is how they are counted in the end.
    until("each Pod to be known by its events", || async {
        Ok(books::pods(stack, &ids).ok())
    })
    .await?;
    for (part, file) in files.iter().enumerate() {
        stack.kill_9_api_server()?;
        std::fs::write(file, "")?;
        stack.bring_api_server_back().await?;
        watch(&mut watched, LINES * (part + 2)).await?;
    }
    // To their ends.
    watch(&mut watched, usize::MAX).await?;
    for (task, seen) in &watched {
        ensure!(seen.done()?["exit_code"] == 0, "{}: {seen:#?}", task.id);
        ensure!(lines(seen) == LINES * 3, "{}: {seen:#?}", task.id);
        ensure!(
            seen.items("thread.started").count() == 1,
            "codex ran once: {seen:#?}"
        );
        let states = seen.states();
        ensure!(
            states.is_sorted_by_key(|state| STATES.iter().position(|known| known == state)),
            "nothing goes back: {states:?}"
        );
    }
    books::compare(stack, MARKER, &books).await?;
    nothing_is_left(stack, &ids).await
}

fn prompt(stack: &Stack, number: usize) -> String {
    let [go_on, end] = GO_ON.map(|name| format!("[fake:until {}/{name}]", stack.cwd()));
    let lines = format!("[fake:lines {LINES}]");
    format!("{lines}{go_on}{lines}{end}{lines} {MARKER}-{number}")
}

/// Follows all of them at once, until each has so many lines, or to its end.
async fn watch(watched: &mut [(Task, Transcript)], wanted: usize) -> Result<()> {
    let all = watched.iter_mut().map(|(task, seen)| async move {
        if !seen.is_done() {
            task.follow_on(seen, |seen| lines(seen) >= wanted).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(all).await?;
    Ok(())
}

fn lines(seen: &Transcript) -> usize {
    seen.named("log")
        .filter(|event| {
            event.data["line"]
                .as_str()
                .is_some_and(|line| line.starts_with("line "))
        })
        .count()
}

/// What the operator deleted while the API server was unwell goes away.
async fn nothing_is_left(stack: &Stack, ids: &HashSet<&str>) -> Result<()> {
    until("the Pods and Secrets of the tasks to go", || async {
        let left = stack.kubectl(&["get", "pods,secrets", "-o", "name"])?;
        let is_left = left
            .lines()
            .any(|name| ids.iter().any(|id| name.contains(id)));
        Ok((!is_left).then_some(()))
    })
    .await
}
