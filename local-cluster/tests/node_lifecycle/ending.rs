//! Deadlines and deletion.

use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::node_support::cluster::{NodeCluster, delete_within, shims, terminated};
use crate::node_support::{config, poll};
use crate::wait_for_log;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_a_pod_and_keeps_its_log() {
    let cluster = NodeCluster::start(config()).await;
    let script = "trap 'echo ending; exit 0' TERM; echo started; while :; do sleep 0.05; done";
    cluster
        .create("long", script, json!({"activeDeadlineSeconds": 3600}))
        .await;
    cluster.wait_for_phase("long", "Running").await;
    wait_for_log(&cluster, "long", "started").await;
    // How a task is canceled.
    let patch = Patch::Merge(json!({"spec": {"activeDeadlineSeconds": 1}}));
    cluster
        .pods
        .patch("long", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let pod = cluster.wait_for_phase("long", "Failed").await;
    assert_eq!(
        pod.status.as_ref().unwrap().reason.as_deref(),
        Some("DeadlineExceeded")
    );
    assert_eq!(terminated(&pod, "main").exit_code, 0);
    assert_eq!(cluster.logs("long").await, "started\nending\n");

    cluster
        .create(
            "deaf",
            "trap '' TERM; echo started; sleep 60",
            json!({"activeDeadlineSeconds": 1}),
        )
        .await;
    let pod = cluster.wait_for_phase("deaf", "Failed").await;
    assert_eq!(
        pod.status.as_ref().unwrap().reason.as_deref(),
        Some("DeadlineExceeded")
    );
    assert_eq!(terminated(&pod, "main").exit_code, 137);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_waits_for_the_grace_period_and_no_longer() {
    let cluster = NodeCluster::start(config()).await;
    cluster
        .create(
            "polite",
            "trap 'exit 0' TERM; echo started; while :; do sleep 0.05; done",
            json!({}),
        )
        .await;
    wait_for_log(&cluster, "polite", "started").await;
    let begin = Instant::now();
    cluster
        .pods
        .delete("polite", &delete_within(30))
        .await
        .unwrap();
    cluster.wait_until_gone("polite").await;
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );

    cluster
        .create("deaf", "trap '' TERM; echo started; sleep 60", json!({}))
        .await;
    wait_for_log(&cluster, "deaf", "started").await;
    let begin = Instant::now();
    cluster
        .pods
        .delete("deaf", &delete_within(1))
        .await
        .unwrap();
    cluster.wait_until_gone("deaf").await;
    let took = begin.elapsed();
    assert!(
        took >= Duration::from_millis(900) && took < Duration::from_secs(10),
        "{took:?}"
    );
    poll(
        || shims(&cluster.node_folder()).is_empty(),
        "all processes to go",
    )
    .await;
}
