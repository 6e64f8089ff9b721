//! From the creation of a Pod to its end, with everything that can stand in the way.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Event, Node};
use kube::api::{Api, ListParams, LogParams, PostParams};
use serde_json::json;

use crate::node_support::cluster::{
    NodeCluster, delete_within, phase_of, shims, status_of, terminated, waiting_reason,
};
use crate::node_support::{config, poll};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_runs_and_completes() {
    let cluster = NodeCluster::start(config()).await;
    let nodes: Api<Node> = Api::all(cluster.client.clone());
    cluster
        .create("hello", "echo hello; exit 0", json!({}))
        .await;
    let pod = cluster.wait_for_phase("hello", "Succeeded").await;
    let end = terminated(&pod, "main");
    assert_eq!(
        (end.exit_code, end.reason.as_deref()),
        (0, Some("Completed"))
    );
    assert!(end.started_at.is_some() && end.finished_at.is_some());
    let status = pod.status.unwrap();
    assert!(status.start_time.is_some() && status.pod_ip.is_some() && status.host_ip.is_some());
    assert_eq!(cluster.logs("hello").await, "hello\n");

    let node = nodes.get("local").await.unwrap();
    let ready = node
        .status
        .unwrap()
        .conditions
        .unwrap()
        .into_iter()
        .find(|condition| condition.type_ == "Ready")
        .unwrap();
    assert_eq!(ready.status, "True");

    let events: Api<Event> = Api::namespaced(cluster.client.clone(), "default");
    for reason in ["Pulled", "Created", "Started"] {
        let fields =
            ListParams::default().fields(&format!("involvedObject.name=hello,reason={reason}"));
        let begin = Instant::now();
        while events.list(&fields).await.unwrap().items.is_empty() {
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "no event {reason}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    cluster
        .pods
        .delete("hello", &delete_within(0))
        .await
        .unwrap();
    cluster.wait_until_gone("hello").await;
    let folder = cluster.node_folder().join("pods");
    poll(
        || std::fs::read_dir(&folder).unwrap().next().is_none(),
        "the Pod's folder to go",
    )
    .await;
    poll(|| shims(&folder).is_empty(), "the Pod's processes to go").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_say_why() {
    let cluster = NodeCluster::start(config()).await;
    cluster.create("fails", "exit 3", json!({})).await;
    let pod = cluster.wait_for_phase("fails", "Failed").await;
    assert_eq!(
        (
            terminated(&pod, "main").exit_code,
            terminated(&pod, "main").reason.as_deref()
        ),
        (3, Some("Error"))
    );

    cluster
        .create(
            "no-image",
            "",
            json!({"containers": [{"image": "elsewhere:latest"}]}),
        )
        .await;
    let pod = cluster
        .wait("no-image", |pod| {
            pod.status
                .as_ref()
                .is_some_and(|status| status.container_statuses.is_some())
                && waiting_reason(pod, "main") == "ErrImagePull"
        })
        .await;
    assert_eq!(phase_of(&pod), "Pending");
    cluster
        .wait("no-image", |pod| {
            waiting_reason(pod, "main") == "ImagePullBackOff"
        })
        .await;
    // A Pod that never ran can be deleted, too.
    cluster
        .pods
        .delete("no-image", &delete_within(0))
        .await
        .unwrap();
    cluster.wait_until_gone("no-image").await;

    cluster
        .create(
            "privileged",
            "",
            json!({"containers": [{"securityContext": {"privileged": true}}]}),
        )
        .await;
    let pod = cluster.wait_for_phase("privileged", "Failed").await;
    assert!(
        pod.status
            .unwrap()
            .message
            .unwrap()
            .contains("privileged containers are not possible")
    );

    cluster
        .create(
            "no-command",
            "",
            json!({"containers": [{"command": ["/no/such/program", "a", "b"]}]}),
        )
        .await;
    let pod = cluster.wait_for_phase("no-command", "Failed").await;
    assert_eq!(
        terminated(&pod, "main").reason.as_deref(),
        Some("ContainerCannotRun")
    );
    assert!(
        terminated(&pod, "main")
            .message
            .as_ref()
            .unwrap()
            .contains("/no/such/program")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_object_is_waited_for() {
    let cluster = NodeCluster::start(config()).await;
    let env =
        json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "a"}}}]);
    cluster
        .create("waits", "echo $A", json!({"containers": [{"env": env}]}))
        .await;
    cluster
        .wait("waits", |pod| {
            pod.status
                .as_ref()
                .is_some_and(|status| status.container_statuses.is_some())
                && waiting_reason(pod, "main") == "CreateContainerConfigError"
        })
        .await;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), "default");
    let map = serde_json::from_value(json!({"metadata": {"name": "late"}, "data": {"a": "here"}}))
        .unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
    cluster.wait_for_phase("waits", "Succeeded").await;
    assert_eq!(cluster.logs("waits").await, "here\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_containers_share_volumes_and_go_first() {
    let cluster = NodeCluster::start(config()).await;
    let mounts = json!([{"name": "shared", "mountPath": "/shared"}]);
    let init = |name: &str, script: &str| json!({"name": name, "image": "test", "command": ["/bin/bash", "-c", script], "volumeMounts": mounts});
    cluster.create("chain", "cat /shared/text; echo main", json!({
        "volumes": [{"name": "shared", "emptyDir": {}}],
        "initContainers": [init("one", "echo one > /shared/text"), init("two", "echo two >> /shared/text")],
        "containers": [{"volumeMounts": mounts}],
    })).await;
    let pod = cluster.wait_for_phase("chain", "Succeeded").await;
    assert_eq!(cluster.logs("chain").await, "one\ntwo\nmain\n");
    assert_eq!(terminated(&pod, "one").reason.as_deref(), Some("Completed"));

    cluster
        .create(
            "broken-init",
            "echo never",
            json!({
                "volumes": [{"name": "shared", "emptyDir": {}}],
                "initContainers": [init("one", "exit 4"), init("two", "true")],
            }),
        )
        .await;
    let pod = cluster.wait_for_phase("broken-init", "Failed").await;
    assert_eq!(terminated(&pod, "one").exit_code, 4);
    assert_eq!(waiting_reason(&pod, "main"), "PodInitializing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_container_is_started_again_after_a_pause() {
    let cluster = NodeCluster::start(config()).await;
    let begin = Instant::now();
    cluster
        .create(
            "again",
            "echo run; test -e /kept/mark && exit 0; touch /kept/mark; exit 1",
            json!({
                "restartPolicy": "OnFailure",
                "volumes": [{"name": "kept", "emptyDir": {}}],
                "containers": [{"volumeMounts": [{"name": "kept", "mountPath": "/kept"}]}],
            }),
        )
        .await;
    let pod = cluster
        .wait("again", |pod| {
            phase_of(pod) == "Running" && waiting_reason(pod, "main") == "CrashLoopBackOff"
        })
        .await;
    assert_eq!(
        status_of(&pod, "main")
            .last_state
            .as_ref()
            .unwrap()
            .terminated
            .as_ref()
            .unwrap()
            .exit_code,
        1
    );
    let pod = cluster.wait_for_phase("again", "Succeeded").await;
    assert_eq!(status_of(&pod, "main").restart_count, 1);
    assert!(begin.elapsed() >= Duration::from_secs(9));
    let previous = LogParams {
        previous: true,
        ..LogParams::default()
    };
    assert_eq!(
        cluster.pods.logs("again", &previous).await.unwrap(),
        "run\n"
    );
}
