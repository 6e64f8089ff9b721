//! A whole cluster: API server and node in one process, shims beside it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use codex_local_cluster::node::{Node, NodeConfig};
use codex_local_cluster::testing::Cluster;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use kube::api::{Api, DeleteParams, LogParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{merge, timeout};

/// An API server with a node.
pub struct NodeCluster {
    pub cluster: Cluster,
    pub client: Client,
    pub pods: Api<Pod>,
    folder: tempfile::TempDir,
    config: NodeConfig,
    running: Option<(JoinHandle<()>, CancellationToken)>,
    logs: Arc<Mutex<Router>>,
}

impl NodeCluster {
    pub async fn start(config: NodeConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster::start().await;
        let client = cluster.client().await;
        let pods = Api::namespaced(client.clone(), "default");
        let logs = Arc::new(Mutex::new(Router::new()));
        cluster
            .server()
            .attach_kubelet(of_the_present_node(logs.clone()));
        let mut this = Self {
            cluster,
            client,
            pods,
            folder,
            config,
            running: None,
            logs,
        };
        this.start_node().await;
        this
    }

    pub fn node_folder(&self) -> PathBuf {
        self.folder.path().join("node")
    }

    pub async fn start_node(&mut self) {
        let node = Node::new(self.config.clone(), self.node_folder())
            .unwrap_or_else(|error| panic!("{error}"));
        *self.logs.lock().unwrap() = node.kubelet_router();
        let shutdown = CancellationToken::new();
        let (client, token) = (self.cluster.client_for("node").await, shutdown.clone());
        let task = tokio::spawn(async move { node.run(client, token).await.unwrap() });
        self.running = Some((task, shutdown));
    }

    /// Stops the node in order; its Pods go on.
    pub async fn stop_node(&mut self) {
        if let Some((task, shutdown)) = self.running.take() {
            shutdown.cancel();
            timeout(task).await.unwrap();
        }
    }

    /// Creates a Pod with a shell script as its main container.
    pub async fn create(&self, name: &str, script: &str, spec: Value) -> Pod {
        let mut pod = json!({
            "metadata": {"name": name},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "main", "image": "test", "command": ["/bin/bash", "-c", script]}],
            }
        });
        merge(&mut pod["spec"], spec);
        self.pods
            .create(
                &PostParams::default(),
                &serde_json::from_value(pod).unwrap(),
            )
            .await
            .unwrap()
    }

    /// Waits until a Pod fulfils a condition.
    pub async fn wait(&self, name: &str, condition: impl Fn(&Pod) -> bool) -> Pod {
        let check = |pod: Option<&Pod>| pod.is_some_and(&condition);
        match tokio::time::timeout(
            Duration::from_secs(20),
            await_condition(self.pods.clone(), name, check),
        )
        .await
        {
            Ok(found) => found.unwrap().unwrap(),
            Err(_) => panic!(
                "waited too long; the Pod is {:#?}",
                self.pods.get(name).await.map(|pod| pod.status)
            ),
        }
    }

    pub async fn wait_for_phase(&self, name: &str, phase: &str) -> Pod {
        self.wait(name, |pod| phase_of(pod) == phase).await
    }

    pub async fn wait_until_gone(&self, name: &str) {
        let gone = await_condition(self.pods.clone(), name, |pod: Option<&Pod>| pod.is_none());
        timeout(gone).await.unwrap();
    }

    pub async fn logs(&self, name: &str) -> String {
        let main = LogParams {
            container: Some("main".to_owned()),
            ..LogParams::default()
        };
        self.pods.logs(name, &main).await.unwrap()
    }

    /// The folder of a Pod on disk.
    pub fn pod_folder(&self, pod: &Pod) -> PathBuf {
        self.node_folder().join("pods").join(pod.uid().unwrap())
    }
}

/// The API server keeps the endpoint that it was given first; this one leads to the node that runs now.
fn of_the_present_node(node: Arc<Mutex<Router>>) -> Router {
    Router::new().fallback(move |request: Request| {
        let router = node.lock().unwrap().clone();
        router.oneshot(request)
    })
}

impl Drop for NodeCluster {
    fn drop(&mut self) {
        if let Some((task, _)) = &self.running {
            task.abort();
        }
        end_processes(&self.node_folder());
    }
}

/// Ends all shims of a node that a test leaves behind.
pub fn end_processes(folder: &Path) {
    for (pid, command) in shims(folder) {
        if !command.is_empty() {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
    }
}

/// Processes of shims whose folder is below `folder`: number and command line.
pub fn shims(folder: &Path) -> Vec<(i32, String)> {
    let folder = folder.display().to_string();
    let process = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let command = std::fs::read_to_string(entry.path().join("cmdline"))
            .ok()?
            .replace('\0', " ");
        (command.contains(" shim ") && command.contains(&folder)).then_some((pid, command))
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(process)
        .collect()
}

pub fn phase_of(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or_default()
}

pub fn status_of<'a>(pod: &'a Pod, container: &str) -> &'a ContainerStatus {
    let status = pod.status.as_ref().unwrap();
    let statuses = status
        .container_statuses
        .iter()
        .chain(&status.init_container_statuses)
        .flatten();
    statuses
        .into_iter()
        .find(|status| status.name == container)
        .unwrap()
}

pub fn terminated<'a>(pod: &'a Pod, container: &str) -> &'a ContainerStateTerminated {
    status_of(pod, container)
        .state
        .as_ref()
        .unwrap()
        .terminated
        .as_ref()
        .unwrap_or_else(|| panic!("{:#?}", pod.status))
}

pub fn waiting_reason(pod: &Pod, container: &str) -> String {
    let waiting = status_of(pod, container)
        .state
        .as_ref()
        .and_then(|state| state.waiting.as_ref());
    waiting
        .and_then(|waiting| waiting.reason.clone())
        .unwrap_or_default()
}

/// Deletes with a grace period.
pub fn delete_within(seconds: u32) -> DeleteParams {
    DeleteParams {
        grace_period_seconds: Some(seconds),
        ..DeleteParams::default()
    }
}
