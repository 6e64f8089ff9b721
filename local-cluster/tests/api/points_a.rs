//! What small API servers get wrong, points 1 to 7.

use std::collections::BTreeSet;

use codex_local_cluster::testing::Cluster;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{
    CONFIG_MAPS, CRDS, PODS, WIDGETS, WatchLines, config_map, custom_client, delete, get, merge,
    pod, post, rv, send, send_full, widget, widgets, with_widgets,
};

/// How much history the clusters keep whose history is to end.
const HISTORY: usize = 50;

async fn forgetful() -> Cluster {
    Cluster::start_with(None, |config| config.history = HISTORY).await
}

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

#[tokio::test]
async fn point_01_aggregated_discovery_echoes_its_type_and_follows_definitions() {
    let cluster = Cluster::start().await;
    let client = cluster.client().await;
    for path in ["/api", "/apis"] {
        let accept = format!("{AGGREGATED},application/json");
        let headers = [("accept", accept.as_str())];
        let (head, body) = send_full(&client, Method::GET, path, &headers, "").await;
        assert_eq!(head.headers["content-type"], AGGREGATED);
        let list: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(list["kind"], "APIGroupDiscoveryList");
        assert!(!list["items"].as_array().unwrap().is_empty());
        let etag = head.headers["etag"].to_str().unwrap().to_owned();
        let headers = [("accept", AGGREGATED), ("if-none-match", etag.as_str())];
        let (status, _) = send(&client, Method::GET, path, &headers, "").await;
        assert_eq!(status, StatusCode::NOT_MODIFIED);
    }
    let has_group = async || {
        let (_, body) = send(&client, Method::GET, "/apis", &[("accept", AGGREGATED)], "").await;
        let list: Value = serde_json::from_slice(&body).unwrap();
        let groups = list["items"].as_array().unwrap();
        groups
            .iter()
            .any(|g| g["metadata"]["name"] == "test.example.com")
    };
    assert!(!has_group().await);
    assert_eq!(post(&client, CRDS, &widgets()).await.0, 201);
    assert!(has_group().await);
    delete(
        &client,
        &format!("{CRDS}/widgets.test.example.com"),
        &json!({}),
    )
    .await;
    crate::support::eventually("the group is gone", async || {
        (!has_group().await).then_some(())
    })
    .await;
    // Clients that cannot read the aggregated form get the older one.
    let (head, body) = send_full(
        &client,
        Method::GET,
        "/apis",
        &[("accept", "application/json")],
        "",
    )
    .await;
    assert_eq!(head.headers["content-type"], "application/json");
    let list: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(list["kind"], "APIGroupList");
}

#[tokio::test]
async fn point_02_openapi_is_indexed_by_group_version_and_knows_field_validation() {
    let (_cluster, client) = with_widgets().await;
    let (code, index) = get(&client, "/openapi/v3").await;
    assert_eq!(code, 200);
    for key in [
        "api/v1",
        "apis/test.example.com/v1",
        "apis/coordination.k8s.io/v1",
    ] {
        let url = index["paths"][key]["serverRelativeURL"]
            .as_str()
            .unwrap_or_else(|| panic!("no {key} in {index}"));
        let (code, document) = get(&client, url).await;
        assert_eq!(code, 200, "{url}");
        let paths = document["paths"].as_object().unwrap();
        let with_validation = paths.values().any(|p| {
            p["patch"]["parameters"]
                .as_array()
                .is_some_and(|list| list.iter().any(|x| x["name"] == "fieldValidation"))
        });
        assert!(with_validation, "{key}");
    }
    assert_eq!(get(&client, "/openapi/v3/apis/nothing/v1").await.0, 404);
    // kubectl asks for protobuf first where it can.
    let headers = [(
        "accept",
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    )];
    let (status, _) = send(&client, Method::GET, "/openapi/v2", &headers, "").await;
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
}

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

#[tokio::test]
async fn point_03_tables_for_get_list_and_watch() {
    let (_cluster, client) = with_widgets().await;
    post(&client, WIDGETS, &widget("one", "red")).await;
    post(&client, PODS, &pod("p")).await;
    let table = async |path: &str| -> Value {
        let (status, body) = send(&client, Method::GET, path, &[("accept", TABLE)], "").await;
        assert_eq!(status, 200);
        serde_json::from_slice(&body).unwrap()
    };
    for path in [format!("{WIDGETS}/one"), WIDGETS.to_owned()] {
        let t = table(&path).await;
        assert_eq!(
            (&t["kind"], &t["apiVersion"]),
            (&json!("Table"), &json!("meta.k8s.io/v1"))
        );
        let names: Vec<&str> = t["columnDefinitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["Name", "Color", "Ready", "Age"]);
        let row = &t["rows"][0];
        assert_eq!(row["cells"][0], "one");
        assert_eq!(row["cells"][1], "red");
        assert_eq!(row["cells"][2], Value::Null);
        assert!(row["cells"][3].as_str().unwrap().ends_with('s'));
        assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
    }
    let t = table(&format!("{PODS}?includeObject=Object")).await;
    assert_eq!(t["rows"][0]["cells"][1], "0/1");
    assert_eq!(t["rows"][0]["cells"][2], "Pending");
    assert_eq!(t["rows"][0]["object"]["kind"], "Pod");
    let since = t["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("{WIDGETS}?watch=1&resourceVersion={since}&timeoutSeconds=20");
    let mut watch = WatchLines::open(&client, &path, TABLE).await;
    for color in ["green", "blue"] {
        merge(
            &client,
            &format!("{WIDGETS}/one"),
            &json!({"spec": {"color": color}}),
        )
        .await;
    }
    let (kind, first) = watch.event().await;
    assert_eq!(
        (kind.as_str(), &first["kind"]),
        ("MODIFIED", &json!("Table"))
    );
    assert_eq!(first["columnDefinitions"].as_array().unwrap().len(), 4);
    assert_eq!(first["rows"][0]["cells"][1], "green");
    let (_, second) = watch.event().await;
    assert_eq!(second["columnDefinitions"], json!([]));
    assert_eq!(second["rows"][0]["cells"][1], "blue");
}

#[tokio::test]
async fn point_04_a_watch_from_zero_starts_with_the_state_and_one_from_a_list_does_not() {
    let cluster = Cluster::start().await;
    let client = cluster.client().await;
    post(&client, CONFIG_MAPS, &config_map("a", json!({}))).await;
    for start in ["", "&resourceVersion=0"] {
        let path =
            format!("{CONFIG_MAPS}?watch=1&fieldSelector=metadata.name=a&timeoutSeconds=20{start}");
        let mut watch = WatchLines::open(&client, &path, "application/json").await;
        let (kind, object) = watch.event().await;
        assert_eq!(
            (kind.as_str(), &object["metadata"]["name"]),
            ("ADDED", &json!("a"))
        );
    }
    let (_, list) = get(&client, CONFIG_MAPS).await;
    let path = format!(
        "{CONFIG_MAPS}?watch=1&resourceVersion={}&timeoutSeconds=20",
        rv(&list)
    );
    let mut watch = WatchLines::open(&client, &path, "application/json").await;
    post(&client, CONFIG_MAPS, &config_map("b", json!({}))).await;
    // "a" was in the list, so the first that comes is "b".
    let (kind, object) = watch.event().await;
    assert_eq!(
        (kind.as_str(), &object["metadata"]["name"]),
        ("ADDED", &json!("b"))
    );
}

#[tokio::test]
async fn point_05_selector_watches_see_objects_come_and_go() {
    let (_cluster, client) = with_widgets().await;
    let labelled = |value: &str| json!({"metadata": {"labels": {"team": value}}});
    post(&client, CONFIG_MAPS, &config_map("a", json!({}))).await;
    let (_, list) = get(&client, CONFIG_MAPS).await;
    let path = format!(
        "{CONFIG_MAPS}?watch=1&labelSelector=team%3Dx&resourceVersion={}&timeoutSeconds=20",
        rv(&list)
    );
    let mut watch = WatchLines::open(&client, &path, "application/json").await;
    let a = format!("{CONFIG_MAPS}/a");
    merge(&client, &a, &labelled("x")).await;
    merge(&client, &a, &json!({"data": {"k": "v"}})).await;
    let (_, left) = merge(&client, &a, &labelled("y")).await;
    merge(&client, &a, &labelled("z")).await;
    merge(&client, &a, &labelled("x")).await;
    delete(&client, &a, &json!({})).await;
    let mut kinds = Vec::new();
    for _ in 0..5 {
        let (kind, object) = watch.event().await;
        if kinds.len() == 2 {
            // The last state that matched, at the revision at which it left.
            assert_eq!(object["metadata"]["labels"]["team"], "x");
            assert_eq!(rv(&object), rv(&left));
        }
        kinds.push(kind);
    }
    assert_eq!(kinds, ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]);
    // The same by field, for a field that the definition makes selectable.
    post(&client, WIDGETS, &widget("w", "red")).await;
    let path = format!("{WIDGETS}?watch=1&fieldSelector=spec.color%3Dred&timeoutSeconds=20");
    let mut watch = WatchLines::open(&client, &path, "application/json").await;
    assert_eq!(watch.event().await.0, "ADDED");
    merge(
        &client,
        &format!("{WIDGETS}/w"),
        &json!({"spec": {"color": "blue"}}),
    )
    .await;
    assert_eq!(watch.event().await.0, "DELETED");
    let (code, answer) = get(&client, &format!("{WIDGETS}?fieldSelector=spec.size%3D3")).await;
    assert_eq!(
        (code, &answer["message"]),
        (400, &json!("field label not supported: spec.size"))
    );
}

#[tokio::test]
async fn point_06_old_revisions_are_gone_bookmarks_come_and_initial_events_are_refused() {
    let cluster = forgetful().await;
    let client = cluster.client().await;
    let (_, made) = post(&client, CONFIG_MAPS, &config_map("a", json!({"n": "0"}))).await;
    let old = rv(&made);
    // History is kept for a number of changes; past that a watch cannot start any more.
    let mut last = old;
    for n in 0..=HISTORY {
        let body = json!({"data": {"n": n.to_string(), "last": last.to_string()}});
        let next = rv(&merge(&client, &format!("{CONFIG_MAPS}/a"), &body).await.1);
        assert!(next > last, "revisions grow with each write");
        last = next;
    }
    let client = &client;
    let path = format!("{CONFIG_MAPS}?watch=1&resourceVersion={old}");
    let (code, answer) = get(client, &path).await;
    assert_eq!((code, &answer["reason"]), (410, &json!("Expired")));
    let path = format!("{CONFIG_MAPS}?resourceVersion={old}&resourceVersionMatch=Exact");
    assert_eq!(get(client, &path).await.0, 410);
    // This is an error that kube-rs tries again by itself.
    let impatient = custom_client(cluster.kubeconfig_path(), |_, config| {
        config.default_retry = false;
    })
    .await;
    let (code, answer) = get(
        &impatient,
        &format!("{CONFIG_MAPS}?resourceVersion={}", last + 1000),
    )
    .await;
    assert_eq!(
        (code, &answer["details"]["causes"][0]["reason"]),
        (504, &json!("ResourceVersionTooLarge"))
    );
    // The bookmark at the end of a watch carries a revision that other collections have reached.
    let path =
        format!("{PODS}?watch=1&resourceVersion={last}&allowWatchBookmarks=true&timeoutSeconds=1");
    let mut watch = WatchLines::open(client, &path, "application/json").await;
    let (_, other) = post(client, CONFIG_MAPS, &config_map("b", json!({}))).await;
    let (kind, bookmark) = watch.event().await;
    assert_eq!(
        (kind.as_str(), &bookmark["kind"]),
        ("BOOKMARK", &json!("Pod"))
    );
    assert!(rv(&bookmark) >= rv(&other));
    assert_eq!(watch.next().await, None);
    let path = format!("{PODS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    let (code, answer) = get(client, &path).await;
    assert_eq!((code, &answer["reason"]), (422, &json!("Invalid")));
    assert_eq!(answer["details"]["causes"][0]["field"], "sendInitialEvents");
}

#[tokio::test]
async fn point_07_pages_are_of_one_revision_and_tokens_expire() {
    let cluster = forgetful().await;
    let client = cluster.client().await;
    for n in 0..7 {
        post(
            &client,
            CONFIG_MAPS,
            &config_map(&format!("m{n}"), json!({})),
        )
        .await;
    }
    let (_, first) = get(&client, &format!("{CONFIG_MAPS}?limit=3")).await;
    assert_eq!(first["items"].as_array().unwrap().len(), 3);
    assert_eq!(first["metadata"]["remainingItemCount"], 4);
    let page = async |list: &Value, limit: &str| {
        let token = list["metadata"]["continue"].as_str().unwrap();
        get(&client, &format!("{CONFIG_MAPS}?{limit}&continue={token}")).await
    };
    // What happens between the pages does not show.
    delete(&client, &format!("{CONFIG_MAPS}/m5"), &json!({})).await;
    post(&client, CONFIG_MAPS, &config_map("m4a", json!({}))).await;
    merge(
        &client,
        &format!("{CONFIG_MAPS}/m6"),
        &json!({"data": {"new": "x"}}),
    )
    .await;
    let (code, second) = page(&first, "limit=3").await;
    assert_eq!(code, 200);
    assert_eq!(rv(&second), rv(&first));
    let (_, third) = page(&second, "limit=3").await;
    let names: BTreeSet<String> = [&first, &second, &third]
        .iter()
        .flat_map(|l| l["items"].as_array().unwrap())
        .map(|o| o["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    let expected: BTreeSet<String> = (0..7).map(|n| format!("m{n}")).collect();
    assert_eq!(names, expected);
    assert_eq!(third["items"][0]["data"].get("new"), None, "m6 as it was");
    assert_eq!(third["metadata"].get("continue"), None);
    // A token whose revision is gone: 410 with a token that goes on inconsistently.
    for n in 0..=HISTORY {
        merge(
            &client,
            &format!("{CONFIG_MAPS}/m0"),
            &json!({"data": {"n": n.to_string()}}),
        )
        .await;
    }
    let (code, answer) = page(&first, "limit=3").await;
    assert_eq!((code, &answer["reason"]), (410, &json!("Expired")));
    let (code, rest) = page(&answer, "limit=100").await;
    assert_eq!(code, 200);
    assert_eq!(rest["items"][0]["metadata"]["name"], "m3");
    let (code, _) = get(&client, &format!("{CONFIG_MAPS}?limit=3&continue=nonsense")).await;
    assert_eq!(code, 400);
}
