//! Deletion of what holds other things: namespaces, and definitions of custom resources.

use std::sync::Arc;

use serde_json::{Value, json};

use super::RETRY;
use super::feed::Feed;
use super::gc::ignore_missing;
use crate::api::Api;
use crate::api::error::ApiError;
use crate::api::object::{child_mut, finalizers, is_deleting, name, remove_finalizer, uid};
use crate::api::resources::{CRDS, Resource};
use crate::api::store::Key;
use crate::api::write::{CRD_CLEANUP, Part, Target};

pub(super) async fn run(api: Arc<Api>) {
    // All collections: the last object that goes releases its namespace.
    let mut feed = Feed::new(&api, None);
    while feed.next().await.is_some() {
        if let Err(error) = sweep(&api).await {
            tracing::warn!(%error, "emptying a namespace or definition failed; trying again");
            feed.reset();
            tokio::select! {
                () = api.shutdown.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }
}

/// Empties what is being deleted. Namespaces and definitions are few, so looking at all of them at
/// each change costs little.
async fn sweep(api: &Arc<Api>) -> Result<(), ApiError> {
    for namespace in api.store.list("namespaces", None).items {
        if is_deleting(&namespace.value) {
            empty_namespace(api, &namespace.value).await?;
        }
    }
    for crd in api.store.list(CRDS, None).items {
        if is_deleting(&crd.value) && finalizers(&crd.value).contains(&CRD_CLEANUP) {
            empty_definition(api, &crd.value).await?;
        }
    }
    Ok(())
}

async fn empty_namespace(api: &Arc<Api>, namespace: &Value) -> Result<(), ApiError> {
    let served = api.catalog.served();
    let mut left = 0;
    for resource in served.collections().filter(|r| r.namespaced) {
        left += delete_all(api, &resource, Some(name(namespace))).await?;
    }
    if left > 0 {
        return Ok(());
    }
    let Some(namespaces) = served.find("", "v1", "namespaces") else {
        return Ok(());
    };
    let target = Target::new(&namespaces, "", name(namespace), Part::Internal);
    let edit = |object: &mut Value| {
        child_mut(object, "spec").insert("finalizers".into(), json!([]));
        Ok(())
    };
    ignore_missing(api.edit(&target, edit).await)
}

async fn empty_definition(api: &Arc<Api>, crd: &Value) -> Result<(), ApiError> {
    let served = api.catalog.served();
    if let Some(resource) = served.by_collection(name(crd))
        && delete_all(api, &resource, None).await? > 0
    {
        return Ok(());
    }
    let Some(crds) = served.find("apiextensions.k8s.io", "v1", "customresourcedefinitions") else {
        return Ok(());
    };
    let target = Target::new(&crds, "", name(crd), Part::Internal);
    let edit = |object: &mut Value| {
        remove_finalizer(object, CRD_CLEANUP);
        Ok(())
    };
    ignore_missing(api.edit(&target, edit).await)
}

/// Deletes all objects of a resource; how many are still there.
async fn delete_all(
    api: &Api,
    resource: &Arc<Resource>,
    namespace: Option<&str>,
) -> Result<usize, ApiError> {
    for item in api.store.list(&resource.collection, namespace).items {
        if is_deleting(&item.value) {
            continue;
        }
        let key = Key::of(&item.value);
        let target = Target::new(resource, &key.namespace, &key.name, Part::Internal);
        api.delete_internal(&target, uid(&item.value), None).await?;
    }
    Ok(api.store.list(&resource.collection, namespace).items.len())
}
