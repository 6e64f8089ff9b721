//! Calls about Pods.

use codex_crds::meta;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::json;

use crate::error::Error;

/// Whether the Pod belongs to the task with this UID.
pub(super) fn is_owned_by(pod: &Pod, uid: &str) -> bool {
    pod.metadata
        .owner_references
        .iter()
        .flatten()
        .any(|owner| owner.uid == uid)
}

/// Asks for the deletion of exactly this Pod; answers with what is left of it.
pub(super) async fn delete(
    api: &Api<Pod>,
    pod: &Pod,
    grace: Option<u32>,
) -> Result<Option<Pod>, Error> {
    let Some(name) = pod.metadata.name.as_deref() else {
        return Ok(None);
    };
    let params = DeleteParams {
        grace_period_seconds: grace,
        preconditions: Some(Preconditions {
            uid: pod.metadata.uid.clone(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match api.delete(name, &params).await {
        Ok(left) => Ok(left.left()),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Removes the operator's finalizer from a Pod, so that it can go. Others' finalizers stay.
pub(super) async fn release(api: &Api<Pod>, pod: &Pod) -> Result<(), Error> {
    let Some(name) = pod.metadata.name.as_deref() else {
        return Ok(());
    };
    let all = pod.metadata.finalizers.clone().unwrap_or_default();
    let rest: Vec<&String> = all
        .iter()
        .filter(|finalizer| *finalizer != meta::OPERATOR_FINALIZER)
        .collect();
    if rest.len() == all.len() {
        return Ok(());
    }
    let patch = json!({"metadata": {
        "uid": pod.metadata.uid,
        "resourceVersion": pod.metadata.resource_version,
        "finalizers": rest,
    }});
    match api
        .patch_metadata(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Deletes a Pod and lets it go. The object from the deletion is newer than the cache's, so the two calls do not conflict.
pub(super) async fn remove(api: &Api<Pod>, pod: &Pod, grace: Option<u32>) -> Result<(), Error> {
    match delete(api, pod, grace).await? {
        Some(pod) => release(api, &pod).await,
        None => Ok(()),
    }
}

/// Not there any more, or another one under the same name.
fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found() || status.is_conflict())
}
