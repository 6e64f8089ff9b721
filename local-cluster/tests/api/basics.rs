//! The first things that anyone does.

use codex_local_cluster::testing::Cluster;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, PostParams};
use serde_json::json;

use crate::support::{CONFIG_MAPS, config_map, get, post};

#[tokio::test]
async fn objects_are_created_read_and_listed() {
    let cluster = Cluster::start().await;
    let client = cluster.client().await;
    let maps: kube::Api<ConfigMap> = kube::Api::namespaced(client.clone(), "default");
    let map = serde_json::from_value(config_map("a", json!({"k": "v"}))).unwrap();
    let made = maps.create(&PostParams::default(), &map).await.unwrap();
    assert!(made.metadata.uid.is_some());
    assert_eq!(maps.get("a").await.unwrap().data, map.data);
    let list = maps.list(&ListParams::default()).await.unwrap();
    assert_eq!(list.items.len(), 1);
    assert!(list.metadata.resource_version.is_some());
}

#[tokio::test]
async fn objects_need_a_namespace_that_exists() {
    let cluster = Cluster::start().await;
    let client = cluster.client().await;
    let (code, answer) = post(
        &client,
        "/api/v1/namespaces/nowhere/configmaps",
        &config_map("a", json!({})),
    )
    .await;
    assert_eq!((code, &answer["reason"]), (404, &json!("NotFound")));
    assert_eq!(answer["message"], "namespaces \"nowhere\" not found");
    let (code, _) = get(&client, &format!("{CONFIG_MAPS}/a")).await;
    assert_eq!(code, 404);
}
