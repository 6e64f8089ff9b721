//! `codex-local-cluster serve`: the API server and the node as one process.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::api::{ApiConfig, ApiServer, Running};
use crate::node::{Node, NodeConfig};

/// Pods that have to end with the cluster get their own grace period, but no more than this.
const STOP_PODS: Duration = Duration::from_secs(60);

/// The settings of a cluster: one JSON file for the API server and the node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServeConfig {
    /// The API server.
    #[serde(flatten)]
    pub api: ApiConfig,
    /// The node.
    #[serde(flatten)]
    pub node: NodeConfig,
    /// Whether this process runs Pods; without, another node has to register.
    #[serde(default = "yes")]
    pub run_node: bool,
    /// Whether Pods end with this process. Else they go on, and the next start finds them.
    #[serde(default)]
    pub stop_pods_on_exit: bool,
}

fn yes() -> bool {
    true
}

impl ServeConfig {
    /// Reads a JSON file.
    ///
    /// # Errors
    /// Names the file, and the field that is wrong.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let json =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&json).with_context(|| format!("{} is not valid", file.display()))
    }
}

/// Runs the cluster until `shutdown`, or until a part of it fails. `ready` is called once, when
/// the API answers and the node is about to register.
///
/// # Errors
/// Says which part failed, and why.
pub async fn run(
    config: ServeConfig,
    shutdown: CancellationToken,
    ready: impl FnOnce(&Running),
) -> anyhow::Result<()> {
    let node_dir = config.api.data_dir.join("node");
    let node = match config.run_node {
        // It tries the sandbox, which blocks.
        true => Some(tokio::task::spawn_blocking(move || Node::new(config.node, node_dir)).await??),
        false => None,
    };
    let kubelet = node.as_ref().map(Node::kubelet_router);
    let running = ApiServer::start(config.api, kubelet).await?;
    let node_stop = CancellationToken::new();
    let mut node_task = match node {
        Some(node) => {
            let client = client(&running, "node").await?;
            let stop = node_stop.clone();
            Some(tokio::spawn(node.run(client, stop)))
        }
        None => None,
    };
    ready(&running);
    let outcome = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        failure = running.failed() => Err(anyhow::anyhow!("the API server failed: {failure}")),
        ended = ended(&mut node_task) => Err(anyhow::anyhow!("the node ended: {ended}")),
    };
    if outcome.is_ok()
        && config.stop_pods_on_exit
        && let Err(error) = stop_pods(&running).await
    {
        tracing::warn!(%error, "not all Pods were stopped");
    }
    node_stop.cancel();
    if let Some(task) = node_task
        && !task.is_finished()
    {
        let _ = task.await;
    }
    running.stop().await;
    outcome
}

type NodeTask = tokio::task::JoinHandle<Result<(), crate::node::NodeError>>;

/// Resolves when the node ends, which it does not do by itself; never without a node.
async fn ended(task: &mut Option<NodeTask>) -> String {
    match task {
        Some(task) => match task.await {
            Ok(Ok(())) => "it was not asked to".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic.to_string(),
        },
        None => std::future::pending().await,
    }
}

async fn client(running: &Running, user: &str) -> anyhow::Result<kube::Client> {
    let path = running
        .kubeconfig_of(user)
        .ok_or_else(|| anyhow::anyhow!("no kubeconfig for {user}"))?;
    let kubeconfig = Kubeconfig::read_from(path)?;
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    Ok(kube::Client::try_from(config)?)
}

/// Deletes all Pods and waits until the node has ended them.
async fn stop_pods(running: &Running) -> anyhow::Result<()> {
    let client = client(running, "admin").await?;
    let all: kube::Api<Pod> = kube::Api::all(client.clone());
    for pod in all.list(&ListParams::default()).await? {
        let (Some(namespace), Some(name)) = (pod.metadata.namespace, pod.metadata.name) else {
            continue;
        };
        let pods: kube::Api<Pod> = kube::Api::namespaced(client.clone(), &namespace);
        pods.delete(&name, &DeleteParams::default()).await?;
    }
    let gone = async {
        while !all.list(&ListParams::default()).await?.items.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(STOP_PODS, gone).await?
}
