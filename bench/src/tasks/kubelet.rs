//! A fake kubelet: every Pod of a task runs at once and is over at once, and its log is one line and the runner's end frame.
//!
//! It does what the API server sees of a kubelet and a scheduler: binds, writes the status twice, serves the log over TLS, and confirms
//! the deletion. Nothing runs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::get;
use codex_local_cluster::https;
use codex_local_cluster::node::kubelet::access::Access;
use codex_local_cluster::node::kubelet::{authorities, certificate, guarded};
use codex_operator::keys::Nonces;
use codex_tasklog::{EndReport, FrameEncoder, Stream};
use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Binding, Node, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{self, Action, Config, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{AT_ONCE, NAMESPACE};

const NAME: &str = "fake-kubelet";

/// The node. It ends with this value.
pub(crate) struct Kubelet {
    _tasks: JoinSet<()>,
}

#[derive(Clone)]
struct Logs {
    pods: Store<Pod>,
    nonces: Arc<Nonces>,
}

impl Kubelet {
    /// Registers it and lets it work.
    ///
    /// # Errors
    /// When the API server refuses, or no port is free.
    pub(crate) async fn start(client: Client, folder: &Path, nonces: Nonces) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let clients = authorities::load(None, &client).await?;
        let tls = certificate::server_config(folder, address.ip(), clients)?;
        register(&client, address).await?;

        let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
        let controller = Controller::new(pods.clone(), watcher::Config::default())
            .with_config(Config::default().concurrency(AT_ONCE));
        let logs = Logs {
            pods: controller.store(),
            nonces: Arc::new(nonces),
        };
        let router = Router::new()
            .route("/containerLogs/{namespace}/{pod}/{container}", get(log))
            .with_state(logs);
        let access = Access::new(client.clone(), NAME);
        let router = guarded(router, Arc::new(access));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let never = CancellationToken::new();
            https::serve(
                listener,
                TlsAcceptor::from(tls),
                router,
                never,
                Duration::ZERO,
            )
            .await;
        });
        let pods = Arc::new(pods);
        tasks.spawn(async move {
            let work = controller.run(
                act,
                |_, _, _| Action::requeue(Duration::from_millis(200)),
                pods,
            );
            work.for_each(async |result| {
                match result {
                    // Gone before its turn came.
                    Ok(_) | Err(controller::Error::ObjectNotFound(_)) => {}
                    Err(error) => eprintln!("the fake kubelet: {error}"),
                }
            })
            .await;
        });
        Ok(Self { _tasks: tasks })
    }
}

async fn register(client: &Client, address: SocketAddr) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let node: Node = serde_json::from_value(json!({"metadata": {"name": NAME}}))?;
    nodes.create(&PostParams::default(), &node).await?;
    let status = json!({"status": {
        "addresses": [{"type": "InternalIP", "address": address.ip().to_string()}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": address.port()}},
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "",
            "lastHeartbeatTime": Timestamp::now().strftime("%FT%TZ").to_string(),
            "lastTransitionTime": Timestamp::now().strftime("%FT%TZ").to_string()}],
    }});
    nodes
        .patch_status(NAME, &PatchParams::default(), &Patch::Merge(status))
        .await?;
    Ok(())
}

async fn act(pod: Arc<Pod>, pods: Arc<Api<Pod>>) -> kube::Result<Action> {
    let result = match next(&pod) {
        None => return Ok(Action::await_change()),
        Some(Act::Bind) => bind(&pods, &pod).await,
        Some(Act::Run) => write(&pods, &pod, &running()).await,
        Some(Act::End) => write(&pods, &pod, &over(&pod)).await,
        Some(Act::Confirm) => {
            let now = DeleteParams::default().grace_period(0);
            pods.delete(&pod.name_any(), &now).await.map(drop)
        }
    };
    match result {
        // Somebody else was faster, and the watch tells what is.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
        other => other?,
    }
    Ok(Action::await_change())
}

/// What a kubelet does next about a Pod.
#[derive(Debug, PartialEq)]
enum Act {
    Bind,
    Run,
    End,
    Confirm,
}

fn next(pod: &Pod) -> Option<Act> {
    let status = pod.status.as_ref();
    let is_bound = pod.spec.as_ref()?.node_name.is_some();
    let phase = status.and_then(|status| status.phase.as_deref());
    if pod.metadata.deletion_timestamp.is_some() {
        // After that a finalizer may hold it, which is none of the node's business.
        let grace = pod.metadata.deletion_grace_period_seconds;
        return grace.is_some_and(|grace| grace > 0).then_some(Act::Confirm);
    }
    match phase {
        _ if !is_bound => Some(Act::Bind),
        None | Some("Pending") => Some(Act::Run),
        Some("Running") => Some(Act::End),
        Some(_) => None,
    }
}

async fn bind(pods: &Api<Pod>, pod: &Pod) -> kube::Result<()> {
    let binding: Binding = serde_json::from_value(json!({
        "metadata": {"name": pod.name_any(), "uid": pod.uid()},
        "target": {"apiVersion": "v1", "kind": "Node", "name": NAME},
    }))
    .map_err(kube::Error::SerdeError)?;
    pods.create_subresource::<_, Value>(
        "binding",
        &pod.name_any(),
        &PostParams::default(),
        &binding,
    )
    .await
    .map(drop)
}

async fn write(pods: &Api<Pod>, pod: &Pod, status: &Value) -> kube::Result<()> {
    let patch = json!({"metadata": {"uid": pod.uid()}, "status": status});
    let parameters = PatchParams::default();
    pods.patch_status(&pod.name_any(), &parameters, &Patch::Merge(patch))
        .await
        .map(drop)
}

fn now() -> String {
    Timestamp::now().strftime("%FT%TZ").to_string()
}

fn container(state: &Value, is_ready: bool) -> Value {
    json!([{
        "name": codex_operator::plan::CONTAINER, "image": "codex-runner:local", "imageID": "", "ready": is_ready,
        "started": is_ready, "restartCount": 0, "state": state,
    }])
}

pub(crate) fn running() -> Value {
    let now = now();
    json!({
        "phase": "Running", "startTime": now,
        "containerStatuses": container(&json!({"running": {"startedAt": now}}), true),
    })
}

pub(crate) fn over(pod: &Pod) -> Value {
    let start = pod
        .status
        .as_ref()
        .and_then(|status| status.start_time.as_ref());
    let started = start.map_or_else(now, |time| time.0.strftime("%FT%TZ").to_string());
    let end =
        json!({"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": now()});
    json!({
        "phase": "Succeeded",
        "containerStatuses": container(&json!({"terminated": end}), false),
    })
}

/// The log of a Pod, made up when it is asked for.
async fn log(
    State(logs): State<Logs>,
    UrlPath((namespace, pod, _)): UrlPath<(String, String, String)>,
) -> Result<Vec<u8>, StatusCode> {
    let pod = logs
        .pods
        .get(&ObjectRef::new(&pod).within(&namespace))
        .ok_or(StatusCode::NOT_FOUND)?;
    let task = pod
        .owner_references()
        .first()
        .ok_or(StatusCode::NOT_FOUND)?;
    Ok(frames(logs.nonces.nonce(&task.uid).expose_secret()))
}

fn frames(nonce: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = FrameEncoder::new(nonce);
    let now = Timestamp::now().to_string();
    encoder.line(Stream::Stdout, "nothing ran", &now, &mut out);
    let report = EndReport {
        exit_code: Some(0),
        ..EndReport::default()
    };
    encoder.end(report, &now, &mut out);
    out
}

/// The nonces of an operator with this key.
///
/// # Errors
/// When the key is too short.
pub(crate) fn nonces(key: &[u8]) -> Result<Nonces> {
    Nonces::from_bytes(key.to_vec()).context("a key for nonces")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_goes_its_way() {
        let pod = |value: Value| serde_json::from_value::<Pod>(value).unwrap();
        let spec = json!({"containers": [], "nodeName": "n"});
        assert_eq!(
            next(&pod(json!({"spec": {"containers": []}}))),
            Some(Act::Bind)
        );
        assert_eq!(
            next(&pod(json!({"spec": spec, "status": {"phase": "Pending"}}))),
            Some(Act::Run)
        );
        assert_eq!(
            next(&pod(json!({"spec": spec, "status": running()}))),
            Some(Act::End)
        );
        let ended = json!({"spec": spec, "status": over(&Pod::default())});
        assert_eq!(next(&pod(ended.clone())), None);
        for (grace, wanted) in [(30, Some(Act::Confirm)), (0, None)] {
            let mut deleted = ended.clone();
            deleted["metadata"] = json!({
                "deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace,
            });
            assert_eq!(next(&pod(deleted)), wanted);
        }
    }
}
