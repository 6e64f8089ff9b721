//! The life of Pods, seen through the API server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod ending;
mod load;
mod logs;
#[path = "../node_support/mod.rs"]
mod node_support;
mod running;

use std::time::{Duration, Instant};

use node_support::cluster::NodeCluster;

async fn wait_for_log(cluster: &NodeCluster, name: &str, text: &str) {
    cluster.wait_for_phase(name, "Running").await;
    let begin = Instant::now();
    while !cluster.logs(name).await.contains(text) {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "no {text:?} in the log of {name}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
