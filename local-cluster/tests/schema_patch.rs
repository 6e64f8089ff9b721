//! Strategic merge patches of built-in kinds.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test may panic, and reads best with its values in place"
)]

mod schema_support;

use codex_local_cluster::schema::patch::{PatchError, strategic_merge};
use schema_support::builtin;
use serde_json::{Value, json};

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
}

fn merge(spec: Value, patch: Value) -> Result<Value, PatchError> {
    let patch = json!({"spec": patch});
    strategic_merge(&builtin("", "Pod"), &pod(spec), &patch).map(|pod| pod["spec"].clone())
}

fn check(spec: Value, patch: Value, want: Value) {
    assert_eq!(merge(spec, patch), Ok(want));
}

#[test]
fn lists_are_merged_by_key() {
    check(
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}),
        json!({"containers": [{"name": "b", "image": "2"}, {"name": "c", "image": "3"}]}),
        json!({"containers": [
            {"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c", "image": "3"},
        ]}),
    );
    check(
        json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}]}]}),
        json!({"containers": [{"name": "a", "env": [{"name": "Y", "value": "2"}]}]}),
        // What is new comes first, as on a real API server.
        json!({"containers": [{"name": "a", "env": [
            {"name": "Y", "value": "2"}, {"name": "X", "value": "1"},
        ]}]}),
    );
}

#[test]
fn lists_without_a_strategy_are_replaced() {
    check(
        json!({"tolerations": [{"key": "a"}], "containers": [{"name": "a", "args": ["x"]}]}),
        json!({"tolerations": [{"key": "b"}], "containers": [{"name": "a", "args": ["y"]}]}),
        json!({"tolerations": [{"key": "b"}], "containers": [{"name": "a", "args": ["y"]}]}),
    );
}

#[test]
fn null_deletes_and_is_not_stored() {
    check(
        json!({"nodeName": "n", "hostname": "h"}),
        json!({"nodeName": null, "subdomain": null, "securityContext": {"runAsUser": null}}),
        json!({"hostname": "h", "securityContext": {}}),
    );
}

#[test]
fn items_are_deleted_by_directive() {
    check(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}),
        json!({"containers": [{"name": "a", "$patch": "delete"}]}),
        json!({"containers": [{"name": "b"}]}),
    );
    // To delete what is not there is no error, and leaves no trace.
    check(
        json!({}),
        json!({"containers": [{"name": "a", "$patch": "delete"}, {"name": "b"}]}),
        json!({"containers": [{"name": "b"}]}),
    );
}

#[test]
fn maps_and_lists_are_replaced_by_directive() {
    check(
        json!({"securityContext": {"runAsUser": 1, "fsGroup": 2}}),
        json!({"securityContext": {"$patch": "replace", "runAsUser": 3}}),
        json!({"securityContext": {"runAsUser": 3}}),
    );
    check(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}),
        json!({"containers": [{"name": "c"}, {"$patch": "replace"}]}),
        json!({"containers": [{"name": "c"}]}),
    );
    check(
        json!({"securityContext": {"runAsUser": 1}}),
        json!({"securityContext": {"$patch": "delete"}}),
        json!({"securityContext": {}}),
    );
}

#[test]
fn retain_keys_clears_the_other_keys() {
    check(
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}, "$retainKeys": ["name", "secret"]}]}),
        json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}),
    );
    let outside = merge(
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "secret": {}, "$retainKeys": ["name"]}]}),
    );
    assert!(matches!(outside, Err(PatchError::Malformed(_))));
}

#[test]
fn element_order_is_set() {
    check(
        json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "server"}]}),
        json!({
            "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
            "containers": [{"name": "a", "image": "2"}],
        }),
        json!({"containers": [{"name": "b"}, {"name": "a", "image": "2"}, {"name": "server"}]}),
    );
    let wrong = merge(
        json!({"containers": [{"name": "a"}]}),
        json!({"$setElementOrder/containers": [{"name": "b"}], "containers": [{"name": "a"}]}),
    );
    assert!(matches!(wrong, Err(PatchError::Malformed(_))));
}

#[test]
fn primitive_lists_are_merged_and_deleted_from() {
    let schema = builtin("", "Pod");
    let mut doc = pod(json!({}));
    doc["metadata"]["finalizers"] = json!(["a", "b", "c"]);
    let merged = strategic_merge(
        &schema,
        &doc,
        &json!({"metadata": {"finalizers": ["d", "b"]}}),
    );
    assert_eq!(
        merged.unwrap()["metadata"]["finalizers"],
        json!(["d", "a", "b", "c"])
    );
    let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["b", "x"]}});
    let merged = strategic_merge(&schema, &doc, &patch).unwrap();
    assert_eq!(merged["metadata"]["finalizers"], json!(["a", "c"]));
    let patch = json!({"metadata": {
        "$setElementOrder/finalizers": ["c", "a", "e"], "finalizers": ["e"],
        "$deleteFromPrimitiveList/finalizers": ["b"],
    }});
    let merged = strategic_merge(&schema, &doc, &patch).unwrap();
    assert_eq!(merged["metadata"]["finalizers"], json!(["c", "a", "e"]));
}

#[test]
fn conditions_of_the_status_are_merged_by_type() {
    let mut doc = pod(json!({}));
    doc["status"] = json!({"conditions": [{"type": "Ready", "status": "False"}]});
    let patch = json!({"status": {"conditions": [
        {"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"},
    ]}});
    let merged = strategic_merge(&builtin("", "Pod"), &doc, &patch).unwrap();
    assert_eq!(
        merged["status"]["conditions"],
        json!([{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"}])
    );
}

#[test]
fn malformed_patches_are_refused() {
    for patch in [
        json!({"containers": [{"image": "no-key"}]}),
        json!({"securityContext": {"$patch": "frobnicate"}}),
        json!({"containers": [{"name": "a", "$patch": "merge"}]}),
        json!({"$setElementOrder/containers": "a"}),
        json!({"$deleteFromPrimitiveList": []}),
    ] {
        let spec = json!({"containers": [{"name": "a"}], "securityContext": {}});
        let result = merge(spec, patch.clone());
        assert!(
            matches!(result, Err(PatchError::Malformed(_))),
            "{patch}: {result:?}"
        );
    }
    let text = strategic_merge(&builtin("", "Pod"), &pod(json!({})), &json!([]));
    assert!(matches!(text, Err(PatchError::Malformed(_))));
}
