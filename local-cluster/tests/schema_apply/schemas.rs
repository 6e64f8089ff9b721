//! Applying with the schemas of Kubernetes, with one that changes, and with none.

use codex_local_cluster::schema::apply::{ApplyError, ApplyRequest, apply};
use serde_json::{Value, json};

use crate::schema_support::{Story, at, builtin, conflicts, object, widget};

#[test]
fn kubectl_upgrades_from_client_side_apply_without_conflict() {
    let mut story = Story::new(builtin("", "ConfigMap"));
    let config = |value: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c", "namespace": "default"},
            "data": {"k": value},
        })
    };
    let mut created = config("1");
    let annotation = "kubectl.kubernetes.io/last-applied-configuration";
    created["metadata"]["annotations"] = json!({annotation: format!("{}\n", config("1"))});
    story.update("kubectl-client-side-apply", &created);
    let refused = story.try_apply("other", &config("2"), false);
    assert_eq!(
        conflicts(refused),
        [(
            "\"kubectl-client-side-apply\" using v1".into(),
            ".data.k".into()
        )]
    );
    story.apply("kubectl", &config("2"));
    assert_eq!(story.live()["data"], json!({"k": "2"}));
    let last = story.live()["metadata"]["annotations"][annotation]
        .as_str()
        .unwrap();
    assert_eq!(serde_json::from_str::<Value>(last).unwrap(), config("2"));
}

#[test]
fn pods_are_merged_by_the_schemas_of_kubernetes() {
    let mut story = Story::new(builtin("", "Pod"));
    let pod = |containers: Value| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
            "spec": {"containers": containers},
        })
    };
    let env = json!([{"name": "A", "value": "1"}]);
    story.apply(
        "a",
        &pod(json!([{"name": "main", "image": "i", "env": env}])),
    );
    let side = json!([{"name": "main", "env": [{"name": "B", "value": "2"}]}]);
    story.apply("b", &pod(side));
    assert_eq!(
        story.spec()["containers"],
        json!([{"name": "main", "image": "i", "env": [
            {"name": "A", "value": "1"}, {"name": "B", "value": "2"},
        ]}])
    );
    assert_eq!(
        story.owned("b", "Apply"),
        Some(
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": {
                ".": {},
                "f:env": {"k:{\"name\":\"B\"}": {".": {}, "f:name": {}, "f:value": {}}},
                "f:name": {},
            }}}})
        )
    );
    let args = json!([{"name": "main", "args": ["x"]}]);
    story.apply("c", &pod(args));
    let refused = story.try_apply(
        "a",
        &pod(json!([{"name": "main", "image": "i", "args": []}])),
        false,
    );
    assert_eq!(
        conflicts(refused),
        [(
            "\"c\"".into(),
            ".spec.containers[name=\"main\"].args".into()
        )]
    );
}

#[test]
fn a_list_that_became_atomic_keeps_its_owner() {
    let of = |kind: &str| {
        widget(json!({"type": "object", "properties": {"l": {
            "type": "array", "x-kubernetes-list-type": kind, "items": {"type": "string"},
        }}}))
    };
    let mut story = Story::new(of("set"));
    story.apply("a", &object(json!({"l": ["x"]})));
    story.schema = of("atomic");
    story.apply("a", &object(json!({"l": ["y"]})));
    assert_eq!(*story.spec(), json!({"l": ["y"]}));
    assert_eq!(
        story.owned("a", "Apply"),
        Some(json!({"f:spec": {"f:l": {}}}))
    );
}

#[test]
fn without_any_schema_lists_are_atomic() {
    let request = |manager| ApplyRequest {
        manager,
        force: false,
        subresource: None,
        now: at(0),
    };
    let live = apply(
        None,
        None,
        &object(json!({"l": [1], "m": {"a": 1}})),
        &request("a"),
    )
    .unwrap();
    let merged = apply(
        None,
        Some(&live),
        &object(json!({"m": {"b": 2}})),
        &request("b"),
    )
    .unwrap();
    assert_eq!(merged["spec"], json!({"l": [1], "m": {"a": 1, "b": 2}}));
    let clash = apply(None, Some(&live), &object(json!({"l": [2]})), &request("b"));
    assert!(matches!(clash, Err(ApplyError::Conflicts(list)) if list[0].field == ".spec.l"));
}
