//! Watches: they fill the caches and ask for passes over the tasks that are concerned.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use codex_crds::{CodexRepository, CodexTask, meta};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Writer;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use crate::admission::Admission;
use crate::follow::Wake;
use crate::reconcile::{Context, strip_task};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// Watches tasks.
pub async fn watch_tasks(context: Arc<Context>, writer: Writer<CodexTask>, wake: Wake) {
    let admission: Arc<Admission> = Arc::clone(&context.admission);
    // Nearly all tasks that go are finished and left nothing; one whose finalizers were removed by hand did.
    let forget = |is_gone: &(dyn Fn(&str) -> bool + Sync)| {
        for (task, pod_uid) in context.memories.forget(is_gone) {
            let linger = context.config.live_linger();
            context.logs.release(&task, pod_uid.as_deref(), linger);
        }
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
                    forget(&|gone| gone == uid);
                }
            }
            Ok(Event::Init) => {}
            Ok(Event::InitDone) => {
                let present: HashSet<String> = context
                    .tasks
                    .state()
                    .iter()
                    .filter_map(|task| task.metadata.uid.clone())
                    .collect();
                forget(&|uid| !present.contains(uid));
            }
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

/// Watches repositories, and tells whoever waits for it when they have `changed`.
pub async fn watch_repositories(
    api: Api<CodexRepository>,
    writer: Writer<CodexRepository>,
    changed: Arc<Notify>,
) {
    let mut events = stream(api, watcher::Config::default(), |_| {})
        .reflect(writer)
        .boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone) => changed.notify_one(),
            Ok(Event::Init | Event::InitApply(_)) => {}
            Err(error) => {
                tracing::warn!(%error, "the watch of repositories broke; it is made again");
            }
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
        .backoff(WatchBackoff::default())
        .modify(modify)
        .into_stream()
}

/// Pauses between tries to watch: short at first, because a server on the same machine is back within a second.
#[derive(Default)]
struct WatchBackoff {
    tries: u32,
}

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.tries.min(10));
        self.tries = self.tries.saturating_add(1);
        // Many operators of one cluster should not come back in step.
        Some(
            pause
                .min(LAST_PAUSE)
                .mul_f64(rand::random_range(0.75..1.25)),
        )
    }
}

impl Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.tries = 0;
    }
}
