//! Many Pods, and how fast one is.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::node_support::cluster::NodeCluster;
use crate::node_support::config;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_pods_at_once_end_as_they_should() {
    let cluster = NodeCluster::start(config()).await;
    let begin = Instant::now();
    for number in 0..50 {
        let script = format!("echo {number}; exit {}", number % 2);
        cluster
            .create(&format!("pod-{number}"), &script, json!({}))
            .await;
    }
    for number in 0..50 {
        let name = format!("pod-{number}");
        let phase = if number % 2 == 0 {
            "Succeeded"
        } else {
            "Failed"
        };
        cluster.wait_for_phase(&name, phase).await;
        assert_eq!(cluster.logs(&name).await, format!("{number}\n"));
    }
    println!("50 Pods from creation to their ends: {:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_starts_fast() {
    let cluster = NodeCluster::start(config()).await;
    let mut times = Vec::new();
    for number in 0..10 {
        let begin = jiff::Timestamp::now();
        let name = format!("pod-{number}");
        cluster.create(&name, "date +%s.%N", json!({})).await;
        cluster.wait_for_phase(&name, "Succeeded").await;
        let ran: f64 = cluster.logs(&name).await.trim().parse().unwrap();
        let from_creation = ran - begin.as_nanosecond() as f64 / 1e9;
        times.push(Duration::from_secs_f64(from_creation));
    }
    times.sort_unstable();
    println!("creation to the first output: {times:?}");
    // An unoptimized build on a busy machine; the median alone is the node's doing.
    assert!(
        times[times.len() / 2] < Duration::from_millis(500),
        "{times:?}"
    );
}
