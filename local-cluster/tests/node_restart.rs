//! A node that is killed, and the one that comes after it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use codex_local_cluster::node::Node;
use kube::ResourceExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use tokio_util::sync::CancellationToken;

mod node_support;
use node_support::cluster::{NodeCluster, delete_within, phase_of, shims, status_of, terminated};
use node_support::{config, poll};

/// Not a test of its own: the node that the others kill. It runs when they start this program again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_to_be_killed() {
    let (Ok(folder), Ok(kubeconfig)) = (
        std::env::var("NODE_TO_BE_KILLED"),
        std::env::var("NODE_KUBECONFIG"),
    ) else {
        return;
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config_of_client =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .unwrap();
    let client = kube::Client::try_from(config_of_client).unwrap();
    let node = Node::new(config(), folder).unwrap();
    node.run(client, CancellationToken::new()).await.unwrap();
}

/// A node in a process of its own.
struct Victim(Child);

impl Victim {
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // A failed test must not leave it behind.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_victim(cluster: &NodeCluster) -> Victim {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "node_to_be_killed", "--nocapture"])
        .env("NODE_TO_BE_KILLED", cluster.node_folder())
        .env(
            "NODE_KUBECONFIG",
            cluster.cluster.kubeconfig_path_for("node"),
        )
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Victim(child)
}

const COUNTS: &str = "number=0; while ! test -e /control/stop; do number=$((number + 1)); echo $number; sleep 0.01; done; exit 5";

fn control() -> serde_json::Value {
    json!({
        "volumes": [{"name": "control", "emptyDir": {}}],
        "containers": [{"volumeMounts": [{"name": "control", "mountPath": "/control"}]}],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_outlive_a_killed_node_and_are_adopted() {
    let mut cluster = NodeCluster::start(config()).await;
    cluster.stop_node().await;
    let mut victim = start_victim(&cluster);
    let pod = cluster.create("survivor", COUNTS, control()).await;
    let quick = cluster
        .create(
            "quick",
            "while ! test -e /control/stop; do sleep 0.01; done; exit 6",
            control(),
        )
        .await;
    let before = cluster.wait_for_phase("survivor", "Running").await;
    cluster.wait_for_phase("quick", "Running").await;
    let process = shims(&cluster.pod_folder(&pod));
    assert_eq!(process.len(), 2, "{process:?}");
    victim.kill();

    // One Pod ends while there is no node, the other goes on.
    std::fs::write(cluster.pod_folder(&quick).join("volumes/control/stop"), "").unwrap();
    let log = cluster.pod_folder(&pod).join("containers/main/0/0.log");
    let length = std::fs::metadata(&log).unwrap().len();
    poll(
        || std::fs::metadata(&log).unwrap().len() > length,
        "output without a node",
    )
    .await;
    poll(
        || {
            cluster
                .pod_folder(&quick)
                .join("containers/main/0/exit.json")
                .exists()
        },
        "an end without a node",
    )
    .await;

    cluster.start_node().await;
    let quick = cluster.wait_for_phase("quick", "Failed").await;
    assert_eq!(terminated(&quick, "main").exit_code, 6);
    assert_eq!(
        shims(&cluster.pod_folder(&pod)),
        process,
        "the same processes run"
    );
    std::fs::write(cluster.pod_folder(&pod).join("volumes/control/stop"), "").unwrap();
    let after = cluster.wait_for_phase("survivor", "Failed").await;
    assert_eq!(terminated(&after, "main").exit_code, 5);
    assert_eq!(status_of(&after, "main").restart_count, 0);
    assert_eq!(
        after.status.as_ref().unwrap().start_time,
        before.status.as_ref().unwrap().start_time
    );
    let numbers: Vec<u32> = cluster
        .logs("survivor")
        .await
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(
        numbers,
        (1..=numbers.len().try_into().unwrap()).collect::<Vec<u32>>(),
        "the log has no gap and begins once"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_is_started_once_wherever_the_node_is_killed() {
    let mut cluster = NodeCluster::start(config()).await;
    cluster.stop_node().await;
    let pods = 12;
    let script =
        "echo run >> /control/runs; echo run; while ! test -e /control/stop; do sleep 0.3; done";
    for round in 0..pods {
        let mut victim = start_victim(&cluster);
        let name = format!("pod-{round}");
        let pod = cluster.create(&name, script, control()).await;
        let folder = cluster.pod_folder(&pod);
        // Killed a little later in its start each time: from before the first folder to after the container runs.
        poll(|| folder.exists(), "the Pod's folder").await;
        tokio::time::sleep(Duration::from_millis(round * 3)).await;
        victim.kill();
    }
    cluster.start_node().await;
    for round in 0..pods {
        let name = format!("pod-{round}");
        let pod = cluster
            .wait(&name, |pod| ["Running", "Failed"].contains(&phase_of(pod)))
            .await;
        assert_eq!(phase_of(&pod), "Running", "{:#?}", pod.status);
        let control = cluster.pod_folder(&pod).join("volumes/control");
        poll(
            || control.join("runs").exists(),
            "the container's first act",
        )
        .await;
        std::fs::write(control.join("stop"), "").unwrap();
        cluster.wait_for_phase(&name, "Succeeded").await;
        assert_eq!(
            std::fs::read_to_string(control.join("runs")).unwrap(),
            "run\n",
            "{name} ran more than once"
        );
    }
}

/// Lets the container end where there is one, and waits for all processes of a Pod without a node.
async fn end_by_itself(pod: &std::path::Path) {
    if pod.join("volumes/control").exists() {
        std::fs::write(pod.join("volumes/control/stop"), "").unwrap();
    }
    poll(|| shims(pod).is_empty(), "the Pod's processes to end").await;
}

/// What a crash of `codex-remote up` leaves on a laptop, and every stack of tests: nobody starts a node there again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_process_outlives_both_its_node_and_its_containers() {
    let mut cluster = NodeCluster::start(config()).await;
    cluster.stop_node().await;
    let script = "while ! test -e /control/stop; do sleep 0.1; done";
    for round in 0..8 {
        let mut victim = start_victim(&cluster);
        let pod = cluster
            .create(&format!("left-{round}"), script, control())
            .await;
        let folder = cluster.pod_folder(&pod);
        poll(|| folder.exists(), "the Pod's folder").await;
        // Killed a little later in its start each time: before the network, between it and the container, and after.
        tokio::time::sleep(Duration::from_millis(round * 5)).await;
        victim.kill();
        end_by_itself(&folder).await;
    }
    cluster.start_node().await;
    let ended = cluster.create("ended", script, control()).await;
    cluster.wait_for_phase("ended", "Running").await;
    cluster.stop_node().await;
    let folder = cluster.pod_folder(&ended);
    assert_eq!(shims(&folder).len(), 2, "a container keeps its network");
    end_by_itself(&folder).await;
    // The next node still learns how they ended.
    cluster.start_node().await;
    let ended = cluster.wait_for_phase("ended", "Succeeded").await;
    assert_eq!(status_of(&ended, "main").restart_count, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_whose_folder_was_removed_ends() {
    let mut cluster = NodeCluster::start(config()).await;
    let pod = cluster.create("removed", "sleep 600", json!({})).await;
    cluster.wait_for_phase("removed", "Running").await;
    cluster.stop_node().await;
    let folder = cluster.pod_folder(&pod);
    assert_eq!(shims(&folder).len(), 2, "Pods go on without a node");
    std::fs::remove_dir_all(&folder).unwrap();
    poll(|| shims(&folder).is_empty(), "the processes to go").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_were_deleted_meanwhile_are_ended() {
    let mut cluster = NodeCluster::start(config()).await;
    let pod = cluster.create("orphan", "sleep 600", json!({})).await;
    let other = cluster.create("deleted", "sleep 600", json!({})).await;
    cluster.wait_for_phase("orphan", "Running").await;
    cluster.wait_for_phase("deleted", "Running").await;
    cluster.stop_node().await;
    assert_eq!(
        shims(&cluster.pod_folder(&pod)).len(),
        2,
        "Pods go on without a node"
    );
    // One is gone for good when the node comes back, the other waits for the node to end it.
    cluster
        .pods
        .delete(&pod.name_any(), &delete_within(0))
        .await
        .unwrap();
    cluster.wait_until_gone("orphan").await;
    cluster
        .pods
        .delete(&other.name_any(), &delete_within(1))
        .await
        .unwrap();
    cluster.start_node().await;
    cluster.wait_until_gone("deleted").await;
    poll(
        || shims(&cluster.node_folder()).is_empty(),
        "the processes to go",
    )
    .await;
    let folder = cluster.node_folder().join("pods");
    poll(
        || std::fs::read_dir(&folder).unwrap().next().is_none(),
        "the folders to go",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_whose_shim_died_is_not_run_again() {
    let mut cluster = NodeCluster::start(config()).await;
    let pod = cluster
        .create("lost", "echo run >> /control/runs; sleep 600", control())
        .await;
    let folder = cluster.pod_folder(&pod);
    poll(
        || folder.join("volumes/control/runs").exists(),
        "the container's first act",
    )
    .await;
    cluster.stop_node().await;
    node_support::cluster::end_processes(&folder);
    poll(|| shims(&folder).is_empty(), "the processes to go").await;
    cluster.start_node().await;
    let pod = cluster.wait_for_phase("lost", "Failed").await;
    assert_eq!(
        terminated(&pod, "main").reason.as_deref(),
        Some("ContainerStatusUnknown")
    );
    assert_eq!(
        std::fs::read_to_string(folder.join("volumes/control/runs")).unwrap(),
        "run\n"
    );
}
