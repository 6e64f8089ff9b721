//! Adds and removes the gateway's finalizer, beside the recorder, so that a slow API server does not hold up the states.

use std::sync::Arc;
use std::time::Duration;

use codex_crds::{CodexTask, meta};
use kube::Api;
use kube::api::{Patch, PatchParams};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use super::{CallError, call};
use crate::app::App;

/// How many changes wait at most; past that the recorder waits.
pub const QUEUE: usize = 1024;
const PARALLEL: usize = 8;
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(15);

/// A change of the list of finalizers, from the list as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    name: String,
    resource_version: Option<String>,
    finalizers: Vec<String>,
}

/// The change that adds the finalizer; nothing when it is there, or cannot be added any more.
#[must_use]
pub fn add(task: &CodexTask) -> Option<Change> {
    let present = task.metadata.finalizers.clone().unwrap_or_default();
    if task.metadata.deletion_timestamp.is_some() || has_ours(&present) {
        return None;
    }
    let mut finalizers = present;
    finalizers.push(meta::GATEWAY_FINALIZER.to_owned());
    change(task, finalizers)
}

/// The change that removes the finalizer; nothing when it is not there.
#[must_use]
pub fn remove(task: &CodexTask) -> Option<Change> {
    let mut finalizers = task.metadata.finalizers.clone().unwrap_or_default();
    if !has_ours(&finalizers) {
        return None;
    }
    finalizers.retain(|name| name != meta::GATEWAY_FINALIZER);
    change(task, finalizers)
}

fn change(task: &CodexTask, finalizers: Vec<String>) -> Option<Change> {
    Some(Change {
        name: task.metadata.name.clone()?,
        resource_version: task.metadata.resource_version.clone(),
        finalizers,
    })
}

fn has_ours(finalizers: &[String]) -> bool {
    finalizers
        .iter()
        .any(|name| name == meta::GATEWAY_FINALIZER)
}

/// Makes the changes until shutdown.
pub async fn run(app: Arc<App>, mut changes: mpsc::Receiver<Change>) {
    let tasks: Api<CodexTask> = Api::namespaced(app.client.clone(), &app.settings.namespace);
    let slots = Arc::new(Semaphore::new(PARALLEL));
    let workers = TaskTracker::new();
    loop {
        let change = tokio::select! {
            () = app.shutdown.cancelled() => break,
            change = changes.recv() => change,
        };
        let (Some(change), Ok(slot)) = (change, Arc::clone(&slots).acquire_owned().await) else {
            break;
        };
        let (app, tasks) = (Arc::clone(&app), tasks.clone());
        workers.spawn(async move {
            let _slot = slot;
            tokio::select! {
                () = app.shutdown.cancelled() => {}
                () = make(&tasks, &change) => {}
            }
        });
    }
    workers.close();
    workers.wait().await;
}

/// The list is replaced as a whole, so the version makes sure that nobody else's change is undone. Whoever changed the resource in
/// between causes another event, and with it another attempt.
async fn make(tasks: &Api<CodexTask>, change: &Change) {
    let patch = serde_json::json!({
        "metadata": { "resourceVersion": change.resource_version, "finalizers": change.finalizers }
    });
    let mut wait = FIRST_RETRY;
    loop {
        let result =
            call(tasks.patch(&change.name, &PatchParams::default(), &Patch::Merge(&patch))).await;
        match result {
            Ok(_) => return,
            Err(error) if is_outdated(&error) => return,
            Err(error) => {
                tracing::warn!(task.name = %change.name, %error, "the finalizer cannot be changed; trying again");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LAST_RETRY);
            }
        }
    }
}

fn is_outdated(error: &CallError) -> bool {
    error
        .status()
        .is_some_and(|status| status.is_conflict() || status.is_not_found() || status.is_invalid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use codex_crds::CodexTaskSpec;

    #[test]
    fn only_our_finalizer_is_touched() {
        let mut task = CodexTask::new("x", CodexTaskSpec::default());
        task.metadata.finalizers = Some(vec![meta::OPERATOR_FINALIZER.into()]);
        assert_eq!(remove(&task), None);
        let added = add(&task).unwrap();
        assert_eq!(
            added.finalizers,
            [meta::OPERATOR_FINALIZER, meta::GATEWAY_FINALIZER]
        );
        task.metadata.finalizers = Some(added.finalizers);
        assert_eq!(add(&task), None);
        assert_eq!(
            remove(&task).unwrap().finalizers,
            [meta::OPERATOR_FINALIZER]
        );
    }
}
