//! What was acknowledged survives restarts and kill -9.

use std::collections::BTreeMap;

use codex_local_cluster::testing::Cluster;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::server::Server;
use crate::support::{
    CONFIG_MAPS, CRDS, PATIENCE, WIDGETS, WatchLines, config_map, delete, get, merge, post, rv,
    widget, widgets,
};

#[tokio::test]
async fn state_survives_a_restart_and_revisions_go_on() {
    let cluster = Cluster::start().await;
    let client = cluster.client().await;
    post(&client, CRDS, &widgets()).await;
    let (_, made) = post(&client, WIDGETS, &widget("w", "red")).await;
    post(&client, CONFIG_MAPS, &config_map("gone", json!({}))).await;
    delete(&client, &format!("{CONFIG_MAPS}/gone"), &json!({})).await;
    let (_, list) = get(&client, WIDGETS).await;
    let kubeconfig = std::fs::read_to_string(cluster.kubeconfig_path()).unwrap();
    let cluster = cluster.restart().await;
    assert_eq!(
        std::fs::read_to_string(cluster.kubeconfig_path()).unwrap(),
        kubeconfig
    );
    // The same client goes on: address, authority and token are the same.
    let (code, again) = get(&client, &format!("{WIDGETS}/w")).await;
    assert_eq!((code, &again), (200, &made));
    assert_eq!(get(&client, &format!("{CONFIG_MAPS}/gone")).await.0, 404);
    // A watch goes on where it was before the restart, without 410.
    let path = format!(
        "{WIDGETS}?watch=1&resourceVersion={}&timeoutSeconds=20",
        rv(&list)
    );
    let mut watch = WatchLines::open(&client, &path, "application/json").await;
    let (_, changed) = merge(
        &client,
        &format!("{WIDGETS}/w"),
        &json!({"spec": {"color": "blue"}}),
    )
    .await;
    assert!(rv(&changed) > rv(&list));
    let (kind, object) = watch.event().await;
    assert_eq!((kind.as_str(), object), ("MODIFIED", changed));
    drop(cluster);
}

#[tokio::test]
async fn kill_9_in_the_middle_of_writes_loses_nothing_that_was_acknowledged() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<String, u64> = BTreeMap::new();
    let mut highest = 0;
    for round in 0..3 {
        let mut server = Server::start(dir.path(), &json!({"run_node": false})).await;
        let client = server.client().await;
        for (name, version) in &acknowledged {
            let (code, object) = get(&client, &format!("{CONFIG_MAPS}/{name}")).await;
            assert_eq!(
                (code, rv(&object)),
                (200, *version),
                "{name} in round {round}"
            );
        }
        let (_, list) = get(&client, CONFIG_MAPS).await;
        assert!(rv(&list) >= highest, "revisions go on");
        let (sender, mut receiver) = tokio::sync::mpsc::channel(64);
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let (client, sender) = (client.clone(), sender.clone());
                tokio::spawn(async move {
                    for n in 0.. {
                        let map = config_map(
                            &format!("r{round}-w{writer}-{n}"),
                            json!({"n": "x".repeat(500)}),
                        );
                        let maps: kube::Api<ConfigMap> =
                            kube::Api::namespaced(client.clone(), "default");
                        let map = serde_json::from_value(map).unwrap();
                        let Ok(made) = maps.create(&PostParams::default(), &map).await else {
                            return;
                        };
                        let meta = made.metadata;
                        let version = meta.resource_version.unwrap().parse().unwrap();
                        if sender.send((meta.name.unwrap(), version)).await.is_err() {
                            return;
                        }
                    }
                })
            })
            .collect();
        drop(sender);
        let mut count = 0;
        while let Some((name, version)) = receiver.recv().await {
            acknowledged.insert(name, version);
            highest = highest.max(version);
            count += 1;
            if count == 100 {
                // SIGKILL, while the writers write on.
                server.signal(Signal::SIGKILL);
            }
        }
        assert!(count >= 100);
        server.child.wait().await.unwrap();
        for writer in writers {
            writer.await.unwrap();
        }
    }
}

#[tokio::test]
async fn sigterm_ends_the_server_cleanly() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), &json!({"run_node": false})).await;
    let client = server.client().await;
    // An open watch does not hold it up.
    let mut watch = WatchLines::open(
        &client,
        &format!("{CONFIG_MAPS}?watch=1"),
        "application/json",
    )
    .await;
    server.signal(Signal::SIGTERM);
    assert_eq!(watch.next().await, None);
    let status = tokio::time::timeout(PATIENCE, server.child.wait()).await;
    assert!(status.expect("it ends in time").unwrap().success());
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(server.ready["kubeconfig"].as_str().unwrap())
            .unwrap()
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}
