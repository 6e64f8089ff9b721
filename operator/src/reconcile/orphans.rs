//! Pods whose task is gone.
//!
//! A task cannot go before its Pod unless somebody removes the operator's finalizer by hand. The Pod is then deleted by the
//! garbage collector, but the finalizer that it carries would keep it for ever.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;

use super::{Context, pods};
use crate::error::Error;

/// Lets the Pods of a task go that is not there any more.
///
/// # Errors
/// [`Error`] when the API refuses.
pub async fn release(context: &Context, task_name: &str) -> Result<(), Error> {
    let orphans: Vec<Arc<Pod>> = context
        .pods
        .state_filter(|pod| owner_name(pod) == Some(task_name));
    for pod in orphans {
        let task = context.task_api.get_opt(task_name).await?;
        let owner = task.and_then(|task| task.metadata.uid);
        if owner.is_some_and(|uid| pods::is_owned_by(&pod, &uid)) {
            continue;
        }
        tracing::warn!(
            pod = pod.metadata.name,
            "the task of a Pod is gone; deleting the Pod"
        );
        pods::remove(&context.pod_api, &pod, None).await?;
    }
    Ok(())
}

/// The name of the task that a Pod belongs to.
pub(crate) fn owner_name(pod: &Pod) -> Option<&str> {
    pod.metadata
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.kind == "CodexTask")
        .map(|owner| owner.name.as_str())
}
