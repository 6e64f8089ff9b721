//! Logs, while they are written and afterwards.

use std::time::Duration;

use futures::AsyncBufReadExt as _;
use futures::TryStreamExt as _;
use kube::api::LogParams;
use serde_json::json;

use crate::node_support::cluster::NodeCluster;
use crate::node_support::{config, timeout};
use crate::wait_for_log;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_followed_live() {
    let cluster = NodeCluster::start(config()).await;
    let script = "echo first; while ! test -e /control/go; do sleep 0.01; done; echo second >&2; sleep 0.2; echo last";
    let pod = cluster
        .create(
            "talks",
            script,
            json!({
                "volumes": [{"name": "control", "emptyDir": {}}],
                "containers": [{"volumeMounts": [{"name": "control", "mountPath": "/control"}]}],
            }),
        )
        .await;
    wait_for_log(&cluster, "talks", "first").await;
    let follow = LogParams {
        follow: true,
        ..LogParams::default()
    };
    let mut lines = cluster
        .pods
        .log_stream("talks", &follow)
        .await
        .unwrap()
        .lines();
    assert_eq!(timeout(lines.try_next()).await.unwrap().unwrap(), "first");
    std::fs::write(cluster.pod_folder(&pod).join("volumes/control/go"), "").unwrap();
    assert_eq!(timeout(lines.try_next()).await.unwrap().unwrap(), "second");
    assert_eq!(timeout(lines.try_next()).await.unwrap().unwrap(), "last");
    assert_eq!(
        timeout(lines.try_next()).await.unwrap(),
        None,
        "the stream ends with the container"
    );

    let tail = LogParams {
        tail_lines: Some(1),
        timestamps: true,
        ..LogParams::default()
    };
    let text = cluster.pods.logs("talks", &tail).await.unwrap();
    let (time, line) = text.trim_end().split_once(' ').unwrap();
    assert_eq!(line, "last");
    let time: jiff::Timestamp = time.parse().unwrap();
    // The client rounds to seconds, so that only whole ones tell.
    let since = |time: jiff::Timestamp| LogParams {
        since_time: Some(time),
        ..LogParams::default()
    };
    let earlier = since(time - Duration::from_secs(2));
    let text = cluster.pods.logs("talks", &earlier).await.unwrap();
    assert!(text.ends_with("last\n"), "{text}");
    let later = since(time + Duration::from_secs(2));
    assert_eq!(cluster.pods.logs("talks", &later).await.unwrap(), "");
}
