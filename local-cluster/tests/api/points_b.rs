//! What small API servers get wrong, points 8 to 10.

use codex_local_cluster::testing::Cluster;
use http::Method;
use serde_json::{Value, json};

use crate::support::{
    CONFIG_MAPS, PODS, WIDGETS, WatchLines, apply, config_map, delete, eventually, get, merge, pod,
    post, put, rv, send, widget, with_widgets,
};

#[tokio::test]
async fn point_08_patches_in_four_forms_and_writes_that_change_nothing() {
    let (_cluster, client) = with_widgets().await;
    let map = format!("{CONFIG_MAPS}/a");
    post(
        &client,
        CONFIG_MAPS,
        &config_map("a", json!({"k": "v", "gone": "x"})),
    )
    .await;
    let patch = async |path: &str, kind: &str, body: Value| -> (u16, Value) {
        let (status, bytes) = send(
            &client,
            Method::PATCH,
            path,
            &[("content-type", kind)],
            body.to_string(),
        )
        .await;
        (status.as_u16(), serde_json::from_slice(&bytes).unwrap())
    };
    let json_patch = "application/json-patch+json";
    let (code, done) = patch(
        &map,
        json_patch,
        json!([
            {"op": "test", "path": "/data/k", "value": "v"},
            {"op": "replace", "path": "/data/k", "value": "w"},
        ]),
    )
    .await;
    assert_eq!((code, &done["data"]["k"]), (200, &json!("w")));
    let (code, answer) = patch(
        &map,
        json_patch,
        json!([{"op": "test", "path": "/data/k", "value": "no"}]),
    )
    .await;
    assert_eq!((code, &answer["reason"]), (422, &json!("Invalid")));
    let (code, done) = merge(&client, &map, &json!({"data": {"gone": null}})).await;
    assert_eq!((code, done["data"].get("gone")), (200, None));
    // Strategic: lists are merged by key for built-in kinds, and not known for custom ones.
    post(&client, PODS, &pod("p")).await;
    let strategic = "application/strategic-merge-patch+json";
    let (code, done) = patch(
        &format!("{PODS}/p"),
        strategic,
        json!({"spec": {"containers": [{"name": "main", "image": "other:1"}]}}),
    )
    .await;
    assert_eq!(
        (code, &done["spec"]["containers"][0]["image"]),
        (200, &json!("other:1")),
        "{done}"
    );
    assert_eq!(
        done["spec"]["containers"][0]["terminationMessagePath"],
        "/dev/termination-log"
    );
    post(&client, WIDGETS, &widget("w", "red")).await;
    let (code, answer) = patch(&format!("{WIDGETS}/w"), strategic, json!({})).await;
    assert_eq!(
        (code, &answer["reason"]),
        (415, &json!("UnsupportedMediaType"))
    );
    // Apply: owners, conflicts, force, and fields that are given up.
    let applied = |color: &str| {
        json!({
            "apiVersion": "test.example.com/v1", "kind": "Widget",
            "metadata": {"name": "x"}, "spec": {"color": color},
        })
    };
    let x = format!("{WIDGETS}/x");
    let (code, made) = apply(&client, &format!("{x}?fieldManager=one"), &applied("red")).await;
    assert_eq!(code, 201, "{made}");
    let (code, answer) = apply(&client, &format!("{x}?fieldManager=two"), &applied("blue")).await;
    assert_eq!((code, &answer["reason"]), (409, &json!("Conflict")));
    let cause = &answer["details"]["causes"][0];
    assert_eq!(
        (&cause["reason"], &cause["field"]),
        (&json!("FieldManagerConflict"), &json!(".spec.color"))
    );
    assert!(
        cause["message"].as_str().unwrap().contains("\"one\""),
        "{cause}"
    );
    let (code, done) = apply(
        &client,
        &format!("{x}?fieldManager=two&force=true"),
        &applied("blue"),
    )
    .await;
    assert_eq!((code, &done["spec"]["color"]), (200, &json!("blue")));
    let (code, _) = apply(&client, &x, &applied("blue")).await;
    assert_eq!(code, 422, "apply needs a field manager");
    // What changes nothing is no write: same revision, no event.
    let (_, before) = get(&client, &x).await;
    let (_, list) = get(&client, WIDGETS).await;
    let path = format!(
        "{WIDGETS}?watch=1&resourceVersion={}&timeoutSeconds=20",
        rv(&list)
    );
    let mut watch = WatchLines::open(&client, &path, "application/json").await;
    let (_, again) = apply(&client, &format!("{x}?fieldManager=two"), &applied("blue")).await;
    assert_eq!(again, before);
    let (_, again) = merge(&client, &x, &json!({"spec": {"color": "blue"}})).await;
    assert_eq!(rv(&again), rv(&before));
    let (_, again) = put(&client, &x, &before).await;
    assert_eq!(rv(&again), rv(&before));
    post(&client, WIDGETS, &widget("y", "red")).await;
    assert_eq!(watch.event().await.1["metadata"]["name"], "y");
}

#[tokio::test]
async fn point_09_status_and_spec_are_apart_and_the_generation_counts_the_spec() {
    let (_cluster, client) = with_widgets().await;
    let mut new = widget("w", "red");
    new["status"] = json!({"phase": "Forged"});
    let (_, made) = post(&client, WIDGETS, &new).await;
    assert_eq!(
        (made.get("status"), &made["metadata"]["generation"]),
        (None, &json!(1))
    );
    let (w, status) = (format!("{WIDGETS}/w"), format!("{WIDGETS}/w/status"));
    let generation = |o: &Value| o["metadata"]["generation"].as_i64().unwrap();
    let (_, o) = merge(&client, &w, &json!({"status": {"phase": "Forged"}})).await;
    assert_eq!(rv(&o), rv(&made));
    let (_, o) = merge(&client, &status, &json!({
        "status": {"phase": "Ready"}, "spec": {"color": "blue"}, "metadata": {"labels": {"a": "b"}},
    })).await;
    assert_eq!(o["status"]["phase"], "Ready");
    assert_eq!(
        (&o["spec"]["color"], o["metadata"].get("labels")),
        (&json!("red"), None)
    );
    assert_eq!(generation(&o), 1);
    let (_, o) = merge(&client, &w, &json!({"metadata": {"labels": {"a": "b"}}})).await;
    assert_eq!(
        (generation(&o), &o["status"]["phase"]),
        (1, &json!("Ready"))
    );
    let (_, o) = merge(&client, &w, &json!({"spec": {"color": "green"}})).await;
    assert_eq!(generation(&o), 2);
    let mut all = o.clone();
    all["spec"]["color"] = json!("blue");
    all["status"]["phase"] = json!("Failed");
    let (_, o) = put(&client, &status, &all).await;
    assert_eq!(
        (&o["spec"]["color"], &o["status"]["phase"]),
        (&json!("green"), &json!("Failed"))
    );
    merge(
        &client,
        &w,
        &json!({"metadata": {"finalizers": ["test.example.com/hold"]}}),
    )
    .await;
    let (_, o) = delete(&client, &w, &json!({})).await;
    assert_eq!(generation(&o), 3, "deletion counts");
    let (_, o) = apply(
        &client,
        &format!("{status}?fieldManager=me"),
        &json!({
            "apiVersion": "test.example.com/v1", "kind": "Widget", "metadata": {"name": "w"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }),
    )
    .await;
    assert_eq!(o["status"]["conditions"][0]["status"], "True", "{o}");
    let mine: Vec<&Value> = o["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|m| m["manager"] == "me")
        .collect();
    assert_eq!(mine[0]["subresource"], "status");
}

#[tokio::test]
async fn point_10_deletion_with_options_finalizers_preconditions_and_owners() {
    let cluster = Cluster::start().await;
    let client = cluster.client().await;
    let a = format!("{CONFIG_MAPS}/a");
    let (_, made) = post(&client, CONFIG_MAPS, &config_map("a", json!({}))).await;
    for wrong in [json!({"uid": "other"}), json!({"resourceVersion": "1"})] {
        let (code, answer) = delete(&client, &a, &json!({"preconditions": wrong})).await;
        assert_eq!((code, &answer["reason"]), (409, &json!("Conflict")));
    }
    let hold = json!({"metadata": {"finalizers": ["test.example.com/hold"]}});
    merge(&client, &a, &hold).await;
    let (code, marked) = delete(
        &client,
        &a,
        &json!({"preconditions": {"uid": made["metadata"]["uid"]}}),
    )
    .await;
    assert_eq!(code, 200);
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    let (code, answer) = merge(
        &client,
        &a,
        &json!({"metadata": {"finalizers": ["test.example.com/hold", "test.example.com/more"]}}),
    )
    .await;
    assert_eq!(
        (code, &answer["details"]["causes"][0]["field"]),
        (422, &json!("metadata.finalizers"))
    );
    let (code, _) = merge(&client, &a, &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(code, 200);
    assert_eq!(get(&client, &a).await.0, 404);
    // What is gone at once is answered with a Status that says what it was.
    post(&client, CONFIG_MAPS, &config_map("b", json!({}))).await;
    let (_, answer) = delete(&client, &format!("{CONFIG_MAPS}/b"), &json!({})).await;
    assert_eq!(
        (&answer["status"], &answer["details"]["kind"]),
        (&json!("Success"), &json!("configmaps"))
    );
}

/// Makes an owner and what it owns.
async fn family(client: &kube::Client, owner: &str) -> Value {
    let (_, owner) = post(client, CONFIG_MAPS, &config_map(owner, json!({}))).await;
    let mut child = config_map(
        &format!("{}-child", owner["metadata"]["name"].as_str().unwrap()),
        json!({}),
    );
    child["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true,
    }]);
    let (code, child) = post(client, CONFIG_MAPS, &child).await;
    assert_eq!(code, 201, "{child}");
    owner
}

async fn gone(client: &kube::Client, name: &str) {
    let path = format!("{CONFIG_MAPS}/{name}");
    eventually(&format!("{name} is gone"), async || {
        (get(client, &path).await.0 == 404).then_some(())
    })
    .await;
}

#[tokio::test]
async fn point_10_owners_take_their_dependents_along_as_the_policy_says() {
    let cluster = Cluster::start().await;
    let client = cluster.client().await;
    let path = |name: &str| format!("{CONFIG_MAPS}/{name}");
    family(&client, "background").await;
    delete(&client, &path("background"), &json!({})).await;
    gone(&client, "background-child").await;
    // Foreground: the owner stays until its dependents are gone.
    family(&client, "foreground").await;
    let hold = json!({"metadata": {"finalizers": ["test.example.com/hold"]}});
    merge(&client, &path("foreground-child"), &hold).await;
    let (_, marked) = delete(
        &client,
        &path("foreground"),
        &json!({"propagationPolicy": "Foreground"}),
    )
    .await;
    assert_eq!(
        marked["metadata"]["finalizers"],
        json!(["foregroundDeletion"])
    );
    eventually("the child is being deleted", async || {
        let (_, child) = get(&client, &path("foreground-child")).await;
        child["metadata"]["deletionTimestamp"]
            .is_string()
            .then_some(())
    })
    .await;
    assert_eq!(get(&client, &path("foreground")).await.0, 200);
    merge(
        &client,
        &path("foreground-child"),
        &json!({"metadata": {"finalizers": null}}),
    )
    .await;
    gone(&client, "foreground").await;
    family(&client, "orphan").await;
    delete(
        &client,
        &path("orphan"),
        &json!({"propagationPolicy": "Orphan"}),
    )
    .await;
    gone(&client, "orphan").await;
    let (code, child) = get(&client, &path("orphan-child")).await;
    assert_eq!(
        (code, child["metadata"].get("ownerReferences")),
        (200, None)
    );
    // An owner of the same name is not the same owner.
    let owner = family(&client, "reborn").await;
    delete(
        &client,
        &path("reborn"),
        &json!({"preconditions": {"uid": owner["metadata"]["uid"]}}),
    )
    .await;
    post(&client, CONFIG_MAPS, &config_map("reborn", json!({}))).await;
    gone(&client, "reborn-child").await;
    assert_eq!(get(&client, &path("reborn")).await.0, 200);
}
