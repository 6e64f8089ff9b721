//! What small API servers get wrong, points 11 to 13.

use codex_local_cluster::testing::Cluster;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{
    CONFIG_MAPS, CRDS, PODS, WIDGETS, WatchLines, config_map, custom_client, delete, get, merge,
    pod, post, put, rv, send, send_full, widget, widgets, with_widgets,
};

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
    // Gates go one by one, and never come.
    let gates = |names: &[&str]| {
        let gates: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"spec": {"schedulingGates": gates}})
    };
    let mut gated = pod("gated");
    gated["spec"]["schedulingGates"] = gates(&["a/x", "a/y"])["spec"]["schedulingGates"].clone();
    post(&client, PODS, &gated).await;
    let gated = format!("{PODS}/gated");
    assert_eq!(merge(&client, &gated, &gates(&["a/y"])).await.0, 200);
    let (code, answer) = merge(&client, &gated, &gates(&["a/y", "a/z"])).await;
    assert_eq!(code, 422);
    assert!(
        answer["message"].as_str().unwrap().contains(
            "spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a/z'"
        ),
        "{answer}"
    );
    assert_eq!(merge(&client, &gated, &gates(&[])).await.0, 200);
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

#[tokio::test]
async fn point_13_a_definition_that_goes_takes_nothing_new() {
    let (_cluster, client) = with_widgets().await;
    let mut held = widget("w", "red");
    held["metadata"]["finalizers"] = json!(["test.example.com/hold"]);
    post(&client, WIDGETS, &held).await;
    let crd = format!("{CRDS}/widgets.test.example.com");
    delete(&client, &crd, &json!({})).await;
    assert_eq!(post(&client, WIDGETS, &widget("x", "red")).await.0, 405);
    crate::support::eventually("the widget is being deleted", async || {
        let (_, w) = get(&client, &format!("{WIDGETS}/w")).await;
        w["metadata"]["deletionTimestamp"].is_string().then_some(())
    })
    .await;
    assert_eq!(get(&client, &crd).await.0, 200);
    let free = json!({"metadata": {"finalizers": null}});
    merge(&client, &format!("{WIDGETS}/w"), &free).await;
    crate::support::eventually("the definition is gone", async || {
        (get(&client, &crd).await.0 == 404).then_some(())
    })
    .await;
    // The paths follow the definition.
    crate::support::eventually("widgets are not served", async || {
        (get(&client, WIDGETS).await.0 == 404).then_some(())
    })
    .await;
}
