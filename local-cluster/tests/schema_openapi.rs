//! The OpenAPI documents, as kubectl and client-go read them.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test may panic, and reads best with its values in place"
)]

mod schema_support;

use codex_local_cluster::schema::SchemaRegistry;
use schema_support::{crd, gvk};
use serde_json::{Value, json};

fn parse(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

/// All references of a value.
fn references(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(target) if key == "$ref" => out.push(target.clone()),
                    _ => references(value, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, out)),
        _ => {}
    }
}

fn dangling(document: &Value) -> Vec<String> {
    let mut out = Vec::new();
    references(document, &mut out);
    out.retain(|target| document.pointer(target.trim_start_matches('#')).is_none());
    out
}

fn registry() -> SchemaRegistry {
    let registry = SchemaRegistry::builtin();
    registry
        .set_crd(&crd(&json!({
            "type": "object", "description": "A widget.",
            "properties": {"spec": {
                "type": "object", "description": "What is wanted.",
                "properties": {"size": {"type": "integer", "description": "How large."}},
            }},
        })))
        .unwrap();
    registry
}

#[test]
fn the_index_names_every_group_version_with_a_hash() {
    let registry = registry();
    let index = registry.openapi_v3_index();
    let paths = index["paths"].as_object().unwrap();
    for path in [
        "api/v1",
        "apis/apiextensions.k8s.io/v1",
        "apis/authentication.k8s.io/v1",
        "apis/authorization.k8s.io/v1",
        "apis/coordination.k8s.io/v1",
        "apis/events.k8s.io/v1",
        "apis/example.com/v1",
        "apis/networking.k8s.io/v1",
    ] {
        let url = paths[path]["serverRelativeURL"].as_str().unwrap();
        assert!(
            url.starts_with(&format!("/openapi/v3/{path}?hash=")),
            "{url}"
        );
        assert!(registry.openapi_v3(path).is_some());
    }
    assert_eq!(paths.len(), 8);
    assert!(registry.openapi_v3("apis/apps/v1").is_none());
}

#[test]
fn the_hash_changes_with_the_definition_and_only_then() {
    let registry = registry();
    let url = |registry: &SchemaRegistry, path: &str| {
        registry.openapi_v3_index()["paths"][path]["serverRelativeURL"].clone()
    };
    let (custom, core) = (
        url(&registry, "apis/example.com/v1"),
        url(&registry, "api/v1"),
    );
    registry.set_crd(&crd(&json!({"type": "object"}))).unwrap();
    assert_ne!(url(&registry, "apis/example.com/v1"), custom);
    assert_eq!(url(&registry, "api/v1"), core);
    registry.remove_crd("widgets.example.com");
    assert_eq!(url(&registry, "apis/example.com/v1"), Value::Null);
    assert!(registry.openapi_v3("apis/example.com/v1").is_none());
}

#[test]
fn no_document_has_a_dangling_reference() {
    let registry = registry();
    for path in registry.openapi_v3_index()["paths"]
        .as_object()
        .unwrap()
        .keys()
    {
        let document = parse(&registry.openapi_v3(path).unwrap());
        assert_eq!(dangling(&document), Vec::<String>::new(), "{path}");
    }
    let v2 = parse(&registry.openapi_v2());
    assert_eq!(v2["swagger"], "2.0");
    assert_eq!(dangling(&v2), Vec::<String>::new());
}

/// kubectl asks for server-side validation only when it finds `fieldValidation` on the patch of
/// the kind.
#[test]
fn patches_have_the_field_validation_parameter() {
    let registry = registry();
    for (document, path, kind) in [
        (
            "api/v1",
            "/api/v1/namespaces/{namespace}/pods/{name}",
            "Pod",
        ),
        (
            "apis/example.com/v1",
            "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}",
            "Widget",
        ),
    ] {
        let document = parse(&registry.openapi_v3(document).unwrap());
        let patch = &document["paths"][path]["patch"];
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], kind);
        let names: Vec<&str> = patch["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        for name in ["dryRun", "fieldManager", "fieldValidation", "force"] {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
    }
}

#[test]
fn custom_resources_are_described_as_upstream_does() {
    let document = parse(&registry().openapi_v3("apis/example.com/v1").unwrap());
    let schema = &document["components"]["schemas"]["com.example.v1.Widget"];
    assert_eq!(schema["description"], "A widget.");
    assert_eq!(
        schema["x-kubernetes-group-version-kind"],
        json!([{"group": "example.com", "version": "v1", "kind": "Widget"}])
    );
    assert_eq!(
        schema["properties"]["spec"]["properties"]["size"]["description"],
        "How large."
    );
    let metadata = &schema["properties"]["metadata"]["allOf"][0]["$ref"];
    assert_eq!(
        *metadata,
        "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    );
    let list = &document["components"]["schemas"]["com.example.v1.WidgetList"];
    let item = "#/components/schemas/com.example.v1.Widget";
    assert_eq!(list["properties"]["items"]["items"]["$ref"], item);
    let paths = document["paths"].as_object().unwrap();
    let mut found: Vec<(&str, Vec<&str>)> = paths
        .iter()
        .map(|(path, item)| {
            let verbs = item.as_object().unwrap().keys().map(String::as_str);
            (
                path.as_str(),
                verbs.filter(|verb| *verb != "parameters").collect(),
            )
        })
        .collect();
    found.sort();
    let root = "/apis/example.com/v1";
    assert_eq!(
        found,
        [
            (
                format!("{root}/namespaces/{{namespace}}/widgets").as_str(),
                vec!["get", "post", "delete"]
            ),
            (
                format!("{root}/namespaces/{{namespace}}/widgets/{{name}}").as_str(),
                vec!["get", "put", "patch", "delete"]
            ),
            (
                format!("{root}/namespaces/{{namespace}}/widgets/{{name}}/status").as_str(),
                vec!["get", "put", "patch"]
            ),
            (format!("{root}/widgets").as_str(), vec!["get"]),
        ]
    );
}

#[test]
fn built_in_documents_have_only_what_is_served() {
    let document = parse(&SchemaRegistry::builtin().openapi_v3("api/v1").unwrap());
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.contains_key("/api/v1/namespaces/{namespace}/pods/{name}/eviction"));
    for gone in ["/services", "/watch/", "/exec", "/proxy", "/endpoints"] {
        assert!(!paths.keys().any(|path| path.contains(gone)), "{gone}");
    }
    let text = document.to_string();
    assert!(!text.contains("protobuf") && !text.contains("application/cbor"));
}

#[test]
fn the_v2_document_speaks_v2() {
    let v2 = parse(&registry().openapi_v2());
    let text = v2.to_string();
    assert!(!text.contains("#/components/"));
    let pods = &v2["paths"]["/api/v1/namespaces/{namespace}/pods"]["post"];
    assert!(pods.get("requestBody").is_none());
    let body = pods["parameters"].as_array().unwrap().last().unwrap();
    assert_eq!(body["in"], "body");
    assert_eq!(
        body["schema"]["$ref"],
        "#/definitions/io.k8s.api.core.v1.Pod"
    );
    let response = &pods["responses"]["200"]["schema"]["$ref"];
    assert_eq!(*response, "#/definitions/io.k8s.api.core.v1.Pod");
    let containers = &v2["definitions"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(
        containers["items"]["$ref"],
        "#/definitions/io.k8s.api.core.v1.Container"
    );
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert!(v2["definitions"]["com.example.v1.Widget"].is_object());
    // A field may have the name of a keyword.
    let json_schema = &v2["definitions"]["io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"];
    for name in ["default", "nullable", "oneOf", "not", "$ref"] {
        assert!(json_schema["properties"].get(name).is_some(), "{name}");
    }
}

#[test]
fn every_served_kind_has_a_schema() {
    let registry = SchemaRegistry::builtin();
    for (group, kinds) in [
        (
            "",
            &[
                "Binding",
                "ConfigMap",
                "Event",
                "Namespace",
                "Node",
                "PersistentVolume",
                "PersistentVolumeClaim",
                "Pod",
                "Secret",
                "ServiceAccount",
            ][..],
        ),
        ("apiextensions.k8s.io", &["CustomResourceDefinition"][..]),
        ("authentication.k8s.io", &["SelfSubjectReview"][..]),
        (
            "authorization.k8s.io",
            &["SelfSubjectAccessReview", "SelfSubjectRulesReview"][..],
        ),
        ("coordination.k8s.io", &["Lease"][..]),
        ("events.k8s.io", &["Event"][..]),
        ("networking.k8s.io", &["NetworkPolicy"][..]),
        ("policy", &["Eviction"][..]),
    ] {
        for kind in kinds {
            assert!(
                registry.schema(&gvk(group, "v1", kind)).is_some(),
                "{group}/{kind}"
            );
        }
    }
    assert!(registry.schema(&gvk("apps", "v1", "Deployment")).is_none());
}
