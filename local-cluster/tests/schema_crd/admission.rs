//! Which definitions are admitted, and what happens to the ones that are not.

use codex_local_cluster::schema::SchemaRegistry;
use serde_json::json;

use crate::refused;
use crate::schema_support::{builtin, crd, gvk};

#[test]
fn definitions_that_are_not_structural_are_refused() {
    let root = "spec.versions[0].schema.openAPIV3Schema";
    for (schema, want) in [
        (
            json!({}),
            ".type: Required value: must not be empty at the root",
        ),
        (
            json!({"type": "string"}),
            ".type: Invalid value: \"string\": must be object at the root",
        ),
        (
            json!({"type": "object", "properties": {"a": {}}}),
            ".properties[a].type: Required value: must not be empty for specified object fields",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array"}}}),
            ".properties[a].items: Required value: must be specified",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}),
            ".properties[a].pattern: Invalid value: \"(\": must be a valid regular expression",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "object", "anyOf": [{"type": "object"}]}}}),
            ".properties[a].anyOf[0].type: Forbidden: must be undefined to be structural",
        ),
        (
            json!({"type": "object", "properties": {"a": {"$ref": "#/x", "type": "string"}}}),
            ".properties[a].$ref: Forbidden",
        ),
        (
            json!({"type": "object", "properties": {"a": {
                "type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": {"type": "string"},
            }}}),
            ".properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            json!({"type": "object", "properties": {"a": {
                "type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"},
            }}}),
            ".properties[a].x-kubernetes-list-map-keys: Required value",
        ),
        (
            json!({"type": "object", "properties": {"a": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "properties": {"k": {"type": "string"}}},
            }}}),
            ".properties[a].items.properties[k].default: Required value: this property is in",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string", "x-kubernetes-list-type": "set"}}}),
            ".properties[a].type: Invalid value: \"string\": must be array",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "integer", "maximum": 3, "default": 4}}}),
            ".properties[a].default: Invalid value: 4",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "object", "default": {"x": 1}, "properties": {"y": {"type": "string"}}}}}),
            ".properties[a].default: Invalid value: {\"x\":1}: must not have unknown fields: x",
        ),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
            ".properties[metadata]: Forbidden: must not specify anything other than name and generateName",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string", "uniqueItems": true}}}),
            ".properties[a].uniqueItems: Forbidden",
        ),
    ] {
        let found = refused(&schema);
        let want = format!("{root}{want}");
        assert!(
            found.iter().any(|error| error.starts_with(&want)),
            "{want}\n{found:?}"
        );
    }
    let registry = SchemaRegistry::builtin();
    let mut crd = crd(&json!({"type": "object"}));
    crd["spec"]["versions"][0]
        .as_object_mut()
        .unwrap()
        .remove("schema");
    let found = registry.set_crd(&crd).unwrap_err();
    assert_eq!(
        found[0].to_string(),
        format!("{root}: Required value: schemas are required")
    );
}

#[test]
fn a_refused_definition_leaves_the_old_one_in_place() {
    let registry = SchemaRegistry::builtin();
    let widget = gvk("example.com", "v1", "Widget");
    assert!(registry.schema(&widget).is_none());
    registry.set_crd(&crd(&json!({"type": "object"}))).unwrap();
    registry.set_crd(&crd(&json!({}))).unwrap_err();
    assert!(registry.schema(&widget).is_some());
    let clone = registry.clone();
    clone.remove_crd("widgets.example.com");
    assert!(registry.schema(&widget).is_none());
}

#[test]
fn definitions_themselves_keep_every_part_of_their_schemas() {
    let schema = builtin("apiextensions.k8s.io", "CustomResourceDefinition");
    let mut crd = crd(&json!({"type": "object", "properties": {"spec": {
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string"}}}},
            "b": {"type": "object", "additionalProperties": {"type": "string"}, "default": {"k": null}},
        },
        "x-kubernetes-validations": [{"rule": "has(self.a)"}],
    }}}));
    let before = crd.clone();
    assert_eq!(schema.default_and_prune(&mut crd), Vec::<String>::new());
    assert_eq!(crd, before);
    crd["spec"]["nonsense"] = json!(1);
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["tpye"] =
        json!("x");
    assert_eq!(
        schema.default_and_prune(&mut crd),
        [
            "spec.nonsense",
            "spec.versions[0].schema.openAPIV3Schema.properties.spec.tpye",
        ]
    );
}
