//! Watches: they fill the caches and ask for passes over the tasks that are concerned.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use codex_crds::{CodexRepository, CodexTask, meta};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use crate::admission::Admission;
use crate::follow::Wake;
use crate::reconcile::{Context, strip_task};

/// Watches tasks.
pub async fn watch_tasks(context: Arc<Context>, writer: Writer<CodexTask>, wake: Wake) {
    let admission: Arc<Admission> = Arc::clone(&context.admission);
    let forget_missing = |store: &Store<CodexTask>| {
        let present: HashSet<String> = store
            .state()
            .iter()
            .filter_map(|task| task.metadata.uid.clone())
            .collect();
        context.memories.retain(|uid| present.contains(uid));
    };
    let mut events = stream(
        context.task_api.clone(),
        watcher::Config::default(),
        |task| {
            *task = strip_task(std::mem::take(task));
        },
    )
    .reflect(writer)
    .boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(task) | Event::InitApply(task)) => {
                if wake.send(ObjectRef::from_obj(&task)).await.is_err() {
                    return;
                }
            }
            Ok(Event::Delete(task)) => {
                if let Some(uid) = &task.metadata.uid {
                    context.memories.forget(uid);
                }
            }
            Ok(Event::Init) => {}
            Ok(Event::InitDone) => forget_missing(&context.tasks),
            Err(error) => tracing::warn!(%error, "the watch of tasks broke; it is made again"),
        }
        admission.poke();
    }
}

/// Watches the Pods of tasks.
pub async fn watch_pods(context: Arc<Context>, writer: Writer<Pod>, wake: Wake) {
    let only_ours = watcher::Config::default().labels(&format!(
        "{}={}",
        meta::MANAGED_BY_LABEL,
        meta::OPERATOR_NAME
    ));
    let namespace = context.config.namespace.clone();
    let mut pods = stream(context.pod_api.clone(), only_ours, |pod: &mut Pod| {
        pod.metadata.managed_fields = None;
    })
    .reflect(writer)
    .touched_objects()
    .boxed();
    while let Some(pod) = pods.next().await {
        match pod {
            Ok(pod) => {
                if let Some(name) = crate::reconcile::owner_name(&pod)
                    && wake
                        .send(ObjectRef::new(name).within(&namespace))
                        .await
                        .is_err()
                {
                    return;
                }
            }
            Err(error) => tracing::warn!(%error, "the watch of Pods broke; it is made again"),
        }
    }
}

/// Watches repositories.
pub async fn watch_repositories(api: Api<CodexRepository>, writer: Writer<CodexRepository>) {
    let mut events = stream(api, watcher::Config::default(), |_| {})
        .reflect(writer)
        .boxed();
    while let Some(event) = events.next().await {
        if let Err(error) = event {
            tracing::warn!(%error, "the watch of repositories broke; it is made again");
        }
    }
}

fn stream<K>(
    api: Api<K>,
    config: watcher::Config,
    modify: impl FnMut(&mut K) + Send + 'static,
) -> impl futures::Stream<Item = Result<Event<K>, watcher::Error>> + Send
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    watch(api, config)
        .default_backoff()
        .modify(modify)
        .into_stream()
}
