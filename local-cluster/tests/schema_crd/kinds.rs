//! The kinds that the server has from the start, and those that this project ships.

use codex_local_cluster::schema::SchemaRegistry;
use serde_json::{Value, json};

use crate::errors;
use crate::schema_support::{builtin, gvk};

/// The definitions that this project ships.
#[test]
fn our_own_definitions_are_admitted_and_enforced() {
    let yaml = include_str!("../../../crds/generated/crds.yaml");
    let registry = SchemaRegistry::builtin();
    for document in yaml.split("\n---") {
        let crd: Value = serde_norway::from_str(document).unwrap();
        if !crd.is_null() {
            registry
                .set_crd(&crd)
                .unwrap_or_else(|errors| panic!("{errors:?}"));
        }
    }
    let schema = registry
        .schema(&gvk("codexrunner.io", "v1alpha1", "CodexTask"))
        .unwrap();
    let mut task = json!({
        "apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexTask",
        "metadata": {"name": "t", "namespace": "codex-tasks"},
        "spec": {"prompt": "do it", "env": {"A": "1"}, "unknown": 1},
    });
    assert_eq!(schema.default_and_prune(&mut task), ["spec.unknown"]);
    assert_eq!(errors(&schema, &task, None), Vec::<String>::new());
    let change = |pointer: &str, value: Value| {
        let mut new = task.clone();
        *new.pointer_mut(pointer).unwrap() = value;
        errors(&schema, &new, Some(&task))
    };
    let prompt = change("/spec/prompt", json!("do something else"));
    assert_eq!(prompt.len(), 1, "{prompt:?}");
    assert!(prompt[0].contains("cannot change"), "{prompt:?}");
    let env = change("/spec/env", json!({"A": "2"}));
    assert_eq!(env.len(), 1, "{env:?}");
    let mut canceled = task.clone();
    canceled["spec"]["cancel"] = json!(true);
    assert_eq!(
        errors(&schema, &canceled, Some(&task)),
        Vec::<String>::new()
    );
    let back = errors(&schema, &task, Some(&canceled));
    assert_eq!(back.len(), 1, "{back:?}");
    assert!(back[0].contains("cannot be taken back"), "{back:?}");
    let mut empty = task.clone();
    empty["spec"].as_object_mut().unwrap().remove("prompt");
    assert!(errors(&schema, &empty, None)[0].starts_with("spec.prompt: Required value"));
}

#[test]
fn built_in_kinds_are_pruned_defaulted_and_validated() {
    let schema = builtin("", "Pod");
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "creationTimestamp": null, "labels": null},
        "spec": {
            "containers": [{
                "name": "c", "image": "i", "imagee": "typo",
                "ports": [{"containerPort": 80}],
                "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
                "livenessProbe": {"httpGet": {"port": "http"}},
            }],
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
        "status": {"containerStatuses": [{"name": "c", "state": {"waiting": {}}}]},
    });
    assert_eq!(
        schema.default_and_prune(&mut pod),
        ["spec.containers[0].imagee"]
    );
    assert_eq!(pod["metadata"], json!({"name": "p"}));
    let container = &pod["spec"]["containers"][0];
    assert_eq!(
        container["ports"],
        json!([{"containerPort": 80, "protocol": "TCP"}])
    );
    assert_eq!(
        container["resources"]["limits"],
        json!({"cpu": "1", "memory": "1Gi"})
    );
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(status["imageID"], "");
    assert_eq!(status["restartCount"], 0);
    assert_eq!(errors(&schema, &pod, None), Vec::<String>::new());
    for (pointer, value, want) in [
        (
            "/spec/containers",
            json!("x"),
            "spec.containers: Invalid value: \"string\"",
        ),
        (
            "/spec/containers/0",
            json!({}),
            "spec.containers[0].name: Required value",
        ),
        (
            "/spec/containers/0/resources/limits/cpu",
            json!("one"),
            "spec.containers[0].resources.limits.cpu: Invalid value",
        ),
        (
            "/spec/volumes/0/emptyDir",
            json!([]),
            "spec.volumes[0].emptyDir: Invalid value",
        ),
    ] {
        let mut bad = pod.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let found = errors(&schema, &bad, None);
        assert!(
            found.iter().any(|e| e.starts_with(want)),
            "{pointer}: {found:?}"
        );
    }
    let policy = builtin("networking.k8s.io", "NetworkPolicy");
    let mut all = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "n"},
        "spec": {"policyTypes": ["Egress"]},
    });
    policy.default_and_prune(&mut all);
    assert_eq!(all["spec"]["podSelector"], json!({}));
    assert_eq!(errors(&policy, &all, None), Vec::<String>::new());
    let secret = builtin("", "Secret");
    let bad = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "*"}});
    assert!(errors(&secret, &bad, None)[0].contains("must be of type byte"));
}
