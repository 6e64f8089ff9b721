//! What the server does by itself: schedules, binds claims, serves logs, empties namespaces.

use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::routing::get as route;
use codex_local_cluster::testing::Cluster;
use http::Method;
use serde_json::{Value, json};

use crate::support::{PODS, delete, eventually, get, merge, pod, post, send};

fn node(ready: bool) -> Value {
    let ready = if ready { "True" } else { "False" };
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "local"},
        "status": {"conditions": [{"type": "Ready", "status": ready}], "allocatable": {"pods": "2"}},
    })
}

#[tokio::test]
async fn pods_are_bound_when_the_node_is_ready_and_has_room() {
    let cluster = Cluster::start().await;
    let client = cluster.client().await;
    post(&client, PODS, &pod("a")).await;
    eventually("the Pod says why it waits", async || {
        let (_, p) = get(&client, &format!("{PODS}/a")).await;
        (p["status"]["conditions"][0]["reason"] == "Unschedulable").then_some(())
    })
    .await;
    let (code, made) = post(&client, "/api/v1/nodes", &node(false)).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(made["status"]["conditions"][0]["status"], "False");
    merge(
        &client,
        "/api/v1/nodes/local/status",
        &json!({"status": node(true)["status"]}),
    )
    .await;
    let bound = async |name: &str| {
        let path = format!("{PODS}/{name}");
        eventually(&format!("{name} is bound"), async || {
            let (_, p) = get(&client, &path).await;
            (p["spec"]["nodeName"] == "local").then_some(p)
        })
        .await
    };
    let a = bound("a").await;
    let scheduled = a["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["type"] == "PodScheduled")
        .unwrap();
    assert_eq!(scheduled["status"], "True");
    post(&client, PODS, &pod("b")).await;
    bound("b").await;
    post(&client, PODS, &pod("c")).await;
    eventually("there is no room for a third", async || {
        let (_, p) = get(&client, &format!("{PODS}/c")).await;
        let message = p["status"]["conditions"][0]["message"]
            .as_str()
            .unwrap_or("")
            .to_owned();
        message.contains("Too many pods").then_some(())
    })
    .await;
    // A Pod that has ended makes room.
    merge(
        &client,
        &format!("{PODS}/a/status"),
        &json!({"status": {"phase": "Succeeded"}}),
    )
    .await;
    bound("c").await;
    let (_, events) = get(
        &client,
        "/api/v1/namespaces/default/events?fieldSelector=reason%3DScheduled",
    )
    .await;
    assert!(!events["items"].as_array().unwrap().is_empty());
    let (_, events) = get(&client, "/apis/events.k8s.io/v1/namespaces/default/events").await;
    assert!(
        events["items"][0]["note"].is_string() && events["items"][0]["regarding"]["kind"] == "Pod",
        "{events}"
    );
}

#[tokio::test]
async fn claims_get_a_folder_that_goes_with_them() {
    let cluster = Cluster::start().await;
    let client = cluster.client().await;
    let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    assert_eq!(post(&client, claims, &claim).await.0, 201);
    let bound = eventually("the claim is bound", async || {
        let (_, c) = get(&client, &format!("{claims}/c")).await;
        (c["status"]["phase"] == "Bound").then_some(c)
    })
    .await;
    let volume = bound["spec"]["volumeName"].as_str().unwrap();
    let (_, pv) = get(&client, &format!("/api/v1/persistentvolumes/{volume}")).await;
    assert_eq!(pv["status"]["phase"], "Bound", "{pv}");
    let path = std::path::PathBuf::from(pv["spec"]["hostPath"]["path"].as_str().unwrap());
    assert!(path.starts_with(cluster.data_dir()) && path.is_dir());
    delete(&client, &format!("{claims}/c"), &json!({})).await;
    eventually("the folder is gone", async || {
        (!path.exists()).then_some(())
    })
    .await;
    // A volume that someone made is bound by name and kept.
    let mine = cluster.data_dir().join("mine");
    std::fs::create_dir(&mine).unwrap();
    let pv = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "mine"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadOnlyMany"], "storageClassName": "", "hostPath": {"path": mine}},
    });
    assert_eq!(post(&client, "/api/v1/persistentvolumes", &pv).await.0, 201);
    let mut named = claim.clone();
    named["spec"]["volumeName"] = json!("mine");
    named["spec"]["storageClassName"] = json!("");
    named["spec"]["accessModes"] = json!(["ReadOnlyMany"]);
    post(&client, claims, &named).await;
    eventually("it is bound", async || {
        let (_, c) = get(&client, &format!("{claims}/c")).await;
        (c["status"]["phase"] == "Bound").then_some(())
    })
    .await;
    delete(&client, &format!("{claims}/c"), &json!({})).await;
    eventually("the volume is released", async || {
        let (_, pv) = get(&client, "/api/v1/persistentvolumes/mine").await;
        (pv["status"]["phase"] == "Released").then_some(())
    })
    .await;
    assert!(mine.is_dir());
}

#[tokio::test]
async fn logs_come_from_the_node() {
    let kubelet = Router::new().route(
        "/containerLogs/{namespace}/{pod}/{container}",
        route(
            |Path((ns, pod, c)): Path<(String, String, String)>, RawQuery(q): RawQuery| async move {
                format!("{ns} {pod} {c} {}\n", q.unwrap_or_default())
            },
        ),
    );
    let cluster = Cluster::start_with(Some(kubelet), |_| {}).await;
    let client = cluster.client().await;
    post(&client, PODS, &pod("p")).await;
    let log = async |query: &str| {
        let (code, body) = send(
            &client,
            Method::GET,
            &format!("{PODS}/p/log{query}"),
            &[],
            "",
        )
        .await;
        (code.as_u16(), String::from_utf8(body).unwrap())
    };
    assert_eq!(log("").await, (200, String::new()), "not on a node yet");
    let binding = json!({"target": {"name": "local"}, "metadata": {"name": "p"}});
    post(&client, &format!("{PODS}/p/binding"), &binding).await;
    assert_eq!(
        log("?follow=true&tailLines=5").await,
        (200, "default p main follow=true&tailLines=5\n".to_owned())
    );
    let (code, answer) = log("?container=none").await;
    assert_eq!(code, 400);
    assert!(
        answer.contains("container none is not valid for pod p"),
        "{answer}"
    );
    let mut two = pod("two");
    two["spec"]["containers"] = json!([{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]);
    post(&client, PODS, &two).await;
    let (code, answer) = get(&client, &format!("{PODS}/two/log")).await;
    assert_eq!(code, 400);
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("choose one of: [a b]"),
        "{answer}"
    );
}

#[tokio::test]
async fn namespaces_wait_for_what_is_in_them() {
    let cluster = Cluster::start().await;
    let client = cluster.client().await;
    cluster.create_namespace("n").await;
    let maps = "/api/v1/namespaces/n/configmaps";
    let mut held = crate::support::config_map("a", json!({}));
    held["metadata"]["finalizers"] = json!(["test.example.com/hold"]);
    post(&client, maps, &held).await;
    let (_, n) = delete(&client, "/api/v1/namespaces/n", &json!({})).await;
    assert_eq!(n["status"]["phase"], "Terminating");
    let (code, answer) = post(&client, maps, &crate::support::config_map("b", json!({}))).await;
    assert_eq!(
        (code, &answer["details"]["causes"][0]["reason"]),
        (403, &json!("NamespaceTerminating"))
    );
    eventually("its content is being deleted", async || {
        let (_, a) = get(&client, &format!("{maps}/a")).await;
        a["metadata"]["deletionTimestamp"].is_string().then_some(())
    })
    .await;
    assert_eq!(get(&client, "/api/v1/namespaces/n").await.0, 200);
    merge(
        &client,
        &format!("{maps}/a"),
        &json!({"metadata": {"finalizers": null}}),
    )
    .await;
    eventually("it is gone", async || {
        (get(&client, "/api/v1/namespaces/n").await.0 == 404).then_some(())
    })
    .await;
    let (code, answer) = delete(&client, "/api/v1/namespaces/default", &json!({})).await;
    assert_eq!((code, &answer["reason"]), (403, &json!("Forbidden")));
}
