//! Pods on the node's runtime, without an API server.
#![allow(dead_code, reason = "each test program uses a part of this")]

pub mod cluster;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use codex_local_cluster::node::config::{ImageConfig, NodeConfig};
use codex_local_cluster::node::plan::objects::Objects;
use codex_local_cluster::node::plan::{self, Environment, volumes};
use codex_local_cluster::node::preflight;
use codex_local_cluster::node::runtime::dirs::PodDir;
use codex_local_cluster::node::runtime::{ContainerHandle, HeldNetwork, Progress, Runtime};
use codex_local_cluster::node::shim::state::{Exit, Outcome, Started};
use k8s_openapi::api::core::v1::{Container, Pod};
use serde_json::{Value, json};

/// A configuration that finds the program under test, with an image `test` that holds nothing of its own.
pub fn config() -> NodeConfig {
    NodeConfig {
        shim: Some(PathBuf::from(env!("CARGO_BIN_EXE_codex-local-cluster"))),
        images: BTreeMap::from([("test".to_owned(), ImageConfig::default())]),
        ..NodeConfig::default()
    }
}

/// A Pod that runs a shell script, with `spec` merged over the defaults.
pub fn pod(script: &str, spec: Value) -> Pod {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "probe", "namespace": "default", "uid": format!("{:032x}", rand::random::<u128>())},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "test", "command": ["/bin/bash", "-c", script]}],
        }
    });
    merge(&mut pod["spec"], spec);
    serde_json::from_value(pod).unwrap()
}

/// Merges objects deeply and arrays by position.
pub fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) if into.len() == from.len() => {
            for (into, from) in into.iter_mut().zip(from) {
                merge(into, from);
            }
        }
        (into, from) => *into = from,
    }
}

/// A runtime in a folder of its own.
pub struct Bench {
    pub runtime: Runtime,
    pub folder: tempfile::TempDir,
}

/// A started container and what it needs.
pub struct Run {
    pub handle: ContainerHandle,
    pub pod_dir: PodDir,
    /// Without a node that holds it, a network ends when the container has ended.
    pub _network: Option<HeldNetwork>,
}

impl Bench {
    pub fn new(config: NodeConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let found = preflight(&config).unwrap_or_else(|error| panic!("{error}"));
        let runtime = Runtime::new(config, &folder.path().join("node"), found).unwrap();
        Self { runtime, folder }
    }

    /// Starts a container of a Pod as its run number `attempt`.
    pub async fn start(
        &self,
        pod: &Pod,
        container: &Container,
        attempt: u32,
        objects: &Objects,
    ) -> Run {
        let pod_dir = self.runtime.pod_dir(pod).unwrap();
        pod_dir.create(pod).unwrap();
        let network = self.runtime.network(&pod_dir).await.unwrap();
        let volumes = volumes::resolve(pod, objects, &pod_dir.volumes()).unwrap();
        self.runtime.prepare_volumes(volumes.values()).unwrap();
        let dir = pod_dir.create_container(&container.name, attempt).unwrap();
        let environment = Environment {
            config: self.runtime.config(),
            cgroups: &self.runtime.found().cgroups,
            host: self.runtime.found().host,
            confinement: self.runtime.confinement(network.as_ref()),
            volumes: &volumes,
            objects,
        };
        let plan = plan::container(pod, container, &environment, dir.log()).unwrap();
        Run {
            handle: self.runtime.start(dir, &plan).await.unwrap(),
            pod_dir,
            _network: network,
        }
    }

    /// Starts the first container of a Pod for the first time.
    pub async fn start_first(&self, pod: &Pod, objects: &Objects) -> Run {
        let container = &pod.spec.as_ref().unwrap().containers[0];
        self.start(pod, container, 0, objects).await
    }

    /// Runs the first container of a Pod to its end: its result and its output.
    pub async fn run(&self, pod: &Pod, objects: &Objects) -> (Outcome, String) {
        let mut run = self.start_first(pod, objects).await;
        let exit = run.exit().await;
        let output = output(run.handle.dir().log());
        self.runtime.stop_network(&run.pod_dir);
        (exit.outcome, output)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for (dir, _) in PodDir::all(self.runtime.root()) {
            self.runtime.stop_network(&dir);
        }
    }
}

impl Run {
    /// Waits for the start.
    pub async fn started(&mut self) -> Started {
        match timeout(self.handle.next()).await.unwrap() {
            Progress::Started(started) => started,
            Progress::Exited(exit) => {
                panic!("ended without a start: {exit:?} {}", self.diagnosis())
            }
        }
    }

    /// Waits for the end.
    pub async fn exit(&mut self) -> Exit {
        loop {
            if let Progress::Exited(exit) = timeout(self.handle.next()).await.unwrap() {
                return exit;
            }
        }
    }

    /// Waits for a line of the log that has `text` in it.
    pub async fn wait_for_output(&self, text: &str) {
        let log = self.handle.dir().log();
        poll(|| output(&log).contains(text), &format!("output {text:?}")).await;
    }

    fn diagnosis(&self) -> String {
        std::fs::read_to_string(self.handle.dir().shim_log()).unwrap_or_default()
    }
}

/// The text of a log file, without its times and tags.
pub fn output(log: impl AsRef<Path>) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.splitn(4, ' ').nth(3))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Waits until a condition holds, at most a minute.
pub async fn poll(mut condition: impl FnMut() -> bool, what: &str) {
    let until = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < until, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Nothing in these tests takes 30 seconds unless it hangs.
pub async fn timeout<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("took longer than 30 seconds")
}

/// An ordinary end.
pub fn exited(code: i32) -> Outcome {
    Outcome::Exited {
        code,
        out_of_memory: false,
    }
}
