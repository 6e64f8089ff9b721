//! Many tasks at once, with a tiny program in the place of codex: all end, every number arrives.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Api, Stack, StackOptions, Task, until};
use codex_tasklog::{Archive as _, Body, DirArchive, Folder, FrameHasher, read_spool};
use futures::TryStreamExt as _;
use reqwest::StatusCode;
use serde_json::json;

const TASKS: usize = 50;

fn main() -> Result<ExitCode> {
    let mut suite = Suite::start(StackOptions {
        fake_codex: true,
        ..StackOptions::default()
    })?;
    suite.add("load::fifty_tasks_at_once", fifty);
    suite.add("load::a_long_log_leaves_its_record", long_log);
    Ok(suite.run())
}

async fn fifty(stack: Arc<Stack>) -> Result<()> {
    let api = stack.admin().await?;
    let submitted = (0..TASKS).map(|_| {
        let (api, cwd) = (api.clone(), stack.cwd());
        tokio::spawn(async move { submit(&api, cwd).await?.follow().await })
    });
    for task in submitted.collect::<Vec<_>>() {
        let seen = task.await??;
        ensure!(seen.done()?["exit_code"] == 0, "{:?}", seen.done());
        ensure!(seen.last() >= 200, "only {} numbers", seen.last());
    }
    Ok(())
}

/// Submits as clients do: fifty at once may be more than a busy machine's database takes in time, and the same request again is no second
/// task.
async fn submit(api: &Api, cwd: &str) -> Result<Task> {
    let key = format!("{:032x}", rand::random::<u128>());
    let body = json!({ "prompt": "[fake:lines 200]", "cwd": cwd });
    until("a task to be accepted", || async {
        match api.try_submit(&body, Some(&key)).await? {
            (StatusCode::CREATED, answer) => {
                let id = answer["task_id"].as_str().context("a task has an id")?;
                Ok(Some(api.task(id)))
            }
            (StatusCode::SERVICE_UNAVAILABLE, _) => Ok(None),
            (status, answer) => anyhow::bail!("{status} {answer}"),
        }
    })
    .await
}

/// The log, the runner's own record of it and the hash that the runner took agree.
async fn long_log(stack: Arc<Stack>) -> Result<()> {
    let api = stack.admin().await?;
    let task = api
        .prompt(stack.cwd(), "[fake:lines 60000][fake:stderr 2000]")
        .await?;
    let seen = task.follow().await?;
    ensure!(seen.done()?["exit_code"] == 0, "{:?}", seen.done());

    let archive = stack.data().join("archive");
    let read_log = async || -> Result<_> {
        let frames = DirArchive::new(&archive).read(&task.id, 0).await?;
        let frames = frames.context("the log is not in the archive")?;
        Ok(frames.try_concat().await?)
    };
    let log = read_log().await?;
    let Some(Body::End(end)) = log.last().map(|frame| frame.body.clone()) else {
        anyhow::bail!("the log has no end");
    };
    ensure!(end.spooled == Some(end.last), "{end:?}");
    let record = read_spool(&Folder::new(&archive), &task.id).await?;
    let record = record.context("there is no record")?.try_concat().await?;
    let mut hasher = FrameHasher::default();
    record.iter().for_each(|frame| hasher.update(frame));
    ensure!(hasher.hex() == end.sha256, "the record is not the log");
    ensure!(
        record[..] == log[..log.len() - 1],
        "the record is not the log"
    );
    Ok(())
}
