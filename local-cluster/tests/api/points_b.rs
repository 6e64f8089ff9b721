//! What small API servers get wrong, points 8 to 13.

use codex_local_cluster::testing::Cluster;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{
    CONFIG_MAPS, CRDS, PODS, WIDGETS, WatchLines, apply, config_map, custom_client, delete,
    eventually, get, merge, pod, post, put, rv, send, send_full, widget, widgets, with_widgets,
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
    assert_eq!(code, 400, "apply needs a field manager");
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

#[tokio::test]
async fn point_11_pods_have_grace_once_they_run_somewhere() {
    let cluster = Cluster::start().await;
    let client = cluster.client().await;
    let p = format!("{PODS}/p");
    post(&client, PODS, &pod("p")).await;
    let (code, _) = delete(&client, &p, &json!({})).await;
    assert_eq!(code, 200);
    assert_eq!(get(&client, &p).await.0, 404, "unscheduled Pods go at once");
    post(&client, PODS, &pod("p")).await;
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": "local"}});
    assert_eq!(
        post(&client, &format!("{p}/binding"), &binding).await.0,
        201
    );
    let (code, answer) = post(&client, &format!("{p}/binding"), &binding).await;
    assert_eq!((code, &answer["reason"]), (409, &json!("Conflict")));
    merge(
        &client,
        &format!("{p}/status"),
        &json!({"status": {"phase": "Running"}}),
    )
    .await;
    let grace = |o: &Value| o["metadata"]["deletionGracePeriodSeconds"].clone();
    let (_, o) = delete(&client, &p, &json!({})).await;
    assert_eq!(grace(&o), 30);
    let (_, longer) = delete(&client, &p, &json!({"gracePeriodSeconds": 60})).await;
    assert_eq!(
        (grace(&longer), rv(&longer)),
        (json!(30), rv(&o)),
        "never longer"
    );
    let (_, o) = delete(&client, &p, &json!({"gracePeriodSeconds": 5})).await;
    assert_eq!(grace(&o), 5);
    assert_eq!(get(&client, &p).await.0, 200);
    // What the kubelet does at the end.
    delete(&client, &p, &json!({"gracePeriodSeconds": 0})).await;
    assert_eq!(get(&client, &p).await.0, 404);
    // A Pod on a node may be changed in a few places only; its deadline may only come nearer.
    post(&client, PODS, &pod("q")).await;
    let q = format!("{PODS}/q");
    let deadline = |s: Value| json!({"spec": {"activeDeadlineSeconds": s}});
    assert_eq!(merge(&client, &q, &deadline(json!(100))).await.0, 200);
    assert_eq!(merge(&client, &q, &deadline(json!(1))).await.0, 200);
    assert_eq!(merge(&client, &q, &deadline(json!(2))).await.0, 422);
    assert_eq!(merge(&client, &q, &deadline(Value::Null)).await.0, 422);
    let (code, answer) = merge(&client, &q, &json!({"spec": {"restartPolicy": "Never"}})).await;
    assert_eq!(code, 422);
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("pod updates may not change fields other than")
    );
    let (code, _) = post(
        &client,
        &format!("{q}/eviction"),
        &json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "q"}}),
    )
    .await;
    assert_eq!(code, 201);
    assert_eq!(get(&client, &q).await.0, 404);
}

#[tokio::test]
async fn point_12_errors_are_status_objects() {
    let (cluster, client) = with_widgets().await;
    let check = |(code, status): (u16, Value), wanted: u16, reason: &str| {
        assert_eq!(
            (code, &status["kind"]),
            (wanted, &json!("Status")),
            "{status}"
        );
        assert_eq!(
            (&status["reason"], &status["code"]),
            (&json!(reason), &json!(wanted)),
            "{status}"
        );
        assert_eq!(status["status"], "Failure");
        status
    };
    let a = config_map("a", json!({}));
    post(&client, CONFIG_MAPS, &a).await;
    let status = check(post(&client, CONFIG_MAPS, &a).await, 409, "AlreadyExists");
    assert_eq!(status["message"], "configmaps \"a\" already exists");
    let mut stale = get(&client, &format!("{CONFIG_MAPS}/a")).await.1;
    merge(
        &client,
        &format!("{CONFIG_MAPS}/a"),
        &json!({"data": {"x": "y"}}),
    )
    .await;
    stale["data"] = json!({"x": "z"});
    check(
        put(&client, &format!("{CONFIG_MAPS}/a"), &stale).await,
        409,
        "Conflict",
    );
    check(
        get(&client, &format!("{CONFIG_MAPS}/none")).await,
        404,
        "NotFound",
    );
    check(get(&client, "/api/v1/nonsense").await, 404, "NotFound");
    check(get(&client, "/nonsense").await, 404, "NotFound");
    let status = check(
        post(&client, WIDGETS, &widget("w", "mauve")).await,
        422,
        "Invalid",
    );
    assert_eq!(status["details"]["kind"], "Widget");
    assert_eq!(
        status["details"]["causes"][0]["field"], "spec.color",
        "{status}"
    );
    let empty = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "Bad_Name"}, "spec": {"containers": []}});
    let status = check(post(&client, PODS, &empty).await, 422, "Invalid");
    assert_eq!(
        status["details"]["causes"][0]["field"], "metadata.name",
        "{status}"
    );
    let mut twice = pod("p");
    twice["spec"]["containers"] =
        json!([{"name": "c", "image": "i"}, {"name": "c", "image": "i"}, {"name": "d"}]);
    let status = check(post(&client, PODS, &twice).await, 422, "Invalid");
    let fields: Vec<&str> = status["details"]["causes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["field"].as_str().unwrap())
        .collect();
    assert!(
        fields.contains(&"spec.containers[1].name") && fields.contains(&"spec.containers[2].image"),
        "{fields:?}"
    );
    let (code, bytes) = send(
        &client,
        Method::POST,
        CONFIG_MAPS,
        &[("content-type", "application/json")],
        "{",
    )
    .await;
    check(
        (code.as_u16(), serde_json::from_slice(&bytes).unwrap()),
        400,
        "BadRequest",
    );
    let protobuf = [("content-type", "application/vnd.kubernetes.protobuf")];
    let (code, bytes) = send(
        &client,
        Method::POST,
        PODS,
        &protobuf,
        &b"k8s\0\x0a\x07\x0a\x00\x12\x03Pod"[..],
    )
    .await;
    check(
        (code.as_u16(), serde_json::from_slice(&bytes).unwrap()),
        415,
        "UnsupportedMediaType",
    );
    let (code, bytes) = send(
        &client,
        Method::GET,
        CONFIG_MAPS,
        &[("accept", "text/html")],
        "",
    )
    .await;
    check(
        (code.as_u16(), serde_json::from_slice(&bytes).unwrap()),
        406,
        "NotAcceptable",
    );
    check(put(&client, CONFIG_MAPS, &a).await, 405, "MethodNotAllowed");
    let huge = config_map("huge", json!({"x": "y".repeat(4 << 20)}));
    check(
        post(&client, CONFIG_MAPS, &huge).await,
        413,
        "RequestEntityTooLarge",
    );
    let gateway = cluster.client_for("gateway").await;
    let status = check(
        get(&gateway, "/api/v1/namespaces/codex-tasks/pods").await,
        403,
        "Forbidden",
    );
    assert_eq!(
        status["message"],
        "pods is forbidden: User \"codex-gateway\" cannot list resource \"pods\" in API group \"\" in the namespace \"codex-tasks\""
    );
    // A wrong token is refused, and so is none at all.
    for token in [Some("wrong"), None] {
        let stranger = custom_client(cluster.kubeconfig_path(), |kubeconfig, _| {
            let user = kubeconfig.auth_infos[0].auth_info.as_mut().unwrap();
            user.token = token.map(|t| t.to_owned().into());
        })
        .await;
        check(get(&stranger, CONFIG_MAPS).await, 401, "Unauthorized");
        check(get(&stranger, "/apis").await, 401, "Unauthorized");
    }
}

#[tokio::test]
async fn point_13_dry_run_generated_names_defaults_pruning_and_rules() {
    let (_cluster, client) = with_widgets().await;
    let dry = format!("{WIDGETS}?dryRun=All");
    let (code, shown) = post(&client, &dry, &widget("w", "red")).await;
    assert_eq!(
        (code, &shown["spec"]["size"]),
        (201, &json!(3)),
        "defaulted: {shown}"
    );
    assert_eq!(get(&client, &format!("{WIDGETS}/w")).await.0, 404);
    let mut named = widget("", "red");
    named["metadata"] = json!({"generateName": "w-"});
    let (_, one) = post(&client, WIDGETS, &named).await;
    let (_, two) = post(&client, WIDGETS, &named).await;
    let name = |o: &Value| o["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(name(&one).starts_with("w-") && name(&one).len() == 7);
    assert_ne!(name(&one), name(&two));
    // Unknown fields: pruned with a warning, or refused.
    let mut odd = widget("odd", "red");
    odd["spec"]["wheels"] = json!(4);
    let (head, body) = send_full(
        &client,
        Method::POST,
        WIDGETS,
        &[("content-type", "application/json")],
        odd.to_string(),
    )
    .await;
    let made: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (head.status, made["spec"].get("wheels")),
        (StatusCode::CREATED, None)
    );
    assert_eq!(
        head.headers["warning"],
        "299 - \"unknown field \\\"spec.wheels\\\"\""
    );
    let (code, answer) = post(&client, &format!("{WIDGETS}?fieldValidation=Strict"), &odd).await;
    assert_eq!(code, 400);
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("unknown field \"spec.wheels\"")
    );
    // Rules that look at the change.
    let o = format!("{WIDGETS}/odd");
    assert_eq!(
        merge(&client, &o, &json!({"spec": {"cancel": true}}))
            .await
            .0,
        200
    );
    let (code, answer) = merge(&client, &o, &json!({"spec": {"cancel": false}})).await;
    assert_eq!(code, 422, "{answer}");
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("cancel cannot be undone"),
        "{answer}"
    );
    let (_, crd) = get(&client, &format!("{CRDS}/widgets.test.example.com")).await;
    let established = crd["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .any(|c| c["type"] == "Established" && c["status"] == "True");
    assert!(established, "{crd}");
    let mut bad = widgets();
    bad["metadata"]["name"] = json!("gadgets.test.example.com");
    bad["spec"]["names"] = json!({"plural": "gadgets", "kind": "Gadget"});
    bad["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] =
        json!([{"rule": "self.nothing > "}]);
    let (code, answer) = post(&client, CRDS, &bad).await;
    assert_eq!(
        (code, &answer["reason"]),
        (422, &json!("Invalid")),
        "{answer}"
    );
    // A watch ends when it said it would.
    let path = format!(
        "{WIDGETS}?watch=1&resourceVersion={}&timeoutSeconds=1",
        rv(&crd)
    );
    let started = std::time::Instant::now();
    let mut watch = WatchLines::open(&client, &path, "application/json").await;
    while watch.next().await.is_some() {}
    assert!(started.elapsed().as_secs() < 10);
}
