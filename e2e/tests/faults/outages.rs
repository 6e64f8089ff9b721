//! The archive is away for the whole life of a task.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Stack, Stores, Task, until};
use serde_json::Value;

use crate::crowd::Crowd;

pub(crate) fn add(suite: &mut Suite, stores: &Arc<Stores>) {
    let these = Arc::clone(stores);
    suite.add(
        "outages::s3_refuses_for_the_whole_run",
        |stack| async move { whole_run(&stack, &these).await },
    );
}

async fn whole_run(stack: &Stack, stores: &Stores) -> Result<()> {
    stores.s3.refuse();
    let mut crowd = Crowd::gather(stack, 20).await?;
    // Who watches is not kept waiting by the archive.
    crowd.heard(20).await?;
    let condition = until("the condition to say what is wrong", || async {
        let archived = archived(stack, &crowd.task)?;
        Ok(archived.filter(|archived| archived["reason"] == "StorageUnavailable"))
    })
    .await?;
    ensure!(condition["status"] == "False", "{condition}");
    ensure!(
        crowd.task.get().await?["status"] == "running",
        "a task is not over before its log is safe"
    );
    let pods = stack.kubectl(&["get", "pods", "-o", "name"])?;
    ensure!(pods.contains(&crowd.task.id), "its Pod stays: {pods}");

    stores.s3.serve_again();
    let task = crowd.task.clone();
    crowd.compare(stores).await?;
    let condition = archived(stack, &task)?.context("a condition")?;
    ensure!(condition["status"] == "True", "{condition}");
    Ok(())
}

/// The condition `Archived` of a task.
fn archived(stack: &Stack, task: &Task) -> Result<Option<Value>> {
    let text = stack.kubectl(&["get", "ctask", &task.id, "-o", "json"])?;
    let object: Value = serde_json::from_str(&text)?;
    let conditions = object["status"]["conditions"].as_array();
    Ok(conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Archived")
        .cloned())
}
