//! A scheduler for clusters that have none: every Pod of some namespaces that waits for a node gets this one.
//!
//! An API server alone schedules nothing, and a node that is started beside it is the only one. Where a scheduler runs this stays off:
//! two would race, and this one looks neither at requests nor at taints.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use k8s_openapi::api::core::v1::{Binding, ObjectReference, Pod};
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::controller::{self, Action, Config as ControllerConfig, Controller};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use tokio_util::sync::CancellationToken;

/// The scheduler that Pods name when they name none.
const DEFAULT_SCHEDULER: &str = "default-scheduler";
/// Pods that are bound at the same time.
const AT_ONCE: u16 = 8;
/// After a refusal.
const AGAIN: Duration = Duration::from_secs(1);

struct Context {
    client: Client,
    node: String,
}

/// Binds until told to stop. Without namespaces it only waits.
pub async fn run(
    client: Client,
    node: String,
    namespaces: Vec<String>,
    shutdown: CancellationToken,
) {
    let context = Arc::new(Context { client, node });
    join_all(
        namespaces
            .iter()
            .map(|namespace| within(&context, namespace, &shutdown)),
    )
    .await;
    shutdown.cancelled().await;
}

async fn within(context: &Arc<Context>, namespace: &str, shutdown: &CancellationToken) {
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), namespace);
    let pending = watcher::Config::default().fields("spec.nodeName=");
    Controller::new(pods, pending)
        .with_config(ControllerConfig::default().concurrency(AT_ONCE))
        .graceful_shutdown_on(shutdown.clone().cancelled_owned())
        .run(bind, |_, _, _| Action::requeue(AGAIN), context.clone())
        .for_each(async |result| {
            match result {
                // Bound, and so out of sight, or deleted, before its turn came.
                Ok(_) | Err(controller::Error::ObjectNotFound(_)) => {}
                Err(error) => {
                    tracing::warn!(error = %error, "cannot bind Pods to this node; will try again");
                }
            }
        })
        .await;
}

/// Whether a Pod waits for a scheduler that is not there.
fn waits(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    spec.node_name.as_deref().is_none_or(str::is_empty)
        && spec.scheduling_gates.as_ref().is_none_or(Vec::is_empty)
        && spec
            .scheduler_name
            .as_deref()
            .is_none_or(|name| name == DEFAULT_SCHEDULER)
        && pod.metadata.deletion_timestamp.is_none()
}

async fn bind(pod: Arc<Pod>, context: Arc<Context>) -> kube::Result<Action> {
    if !waits(&pod) {
        return Ok(Action::await_change());
    }
    let name = pod.name_any();
    let namespace = pod.namespace().unwrap_or_else(|| "default".to_owned());
    let binding = Binding {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(namespace.clone()),
            // Another Pod of the same name is another matter.
            uid: pod.uid(),
            ..ObjectMeta::default()
        },
        target: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Node".to_owned()),
            name: Some(context.node.clone()),
            ..ObjectReference::default()
        },
    };
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &namespace);
    let answer = pods
        .create_subresource::<_, serde_json::Value>(
            "binding",
            &name,
            &PostParams::default(),
            &binding,
        )
        .await;
    match answer {
        Ok(_) => {}
        // Gone, or bound already: either way the watch tells what is.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
        Err(error) => return Err(error),
    }
    Ok(Action::await_change())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_pods_that_nobody_else_places_are_bound() {
        let pod = |change: Value| -> Pod {
            let mut pod = json!({"metadata": {"name": "p"}, "spec": {"containers": []}});
            json_patch::merge(&mut pod, &change);
            serde_json::from_value(pod).unwrap()
        };
        assert!(waits(&pod(json!({}))));
        assert!(waits(&pod(
            json!({"spec": {"schedulerName": "default-scheduler"}})
        )));
        for not in [
            json!({"spec": {"nodeName": "other"}}),
            json!({"spec": {"schedulingGates": [{"name": "kueue.x-k8s.io/admission"}]}}),
            json!({"spec": {"schedulerName": "another"}}),
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
        ] {
            assert!(!waits(&pod(not.clone())), "{not}");
        }
    }
}
