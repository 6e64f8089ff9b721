//! What is taken out of an object before it is stored, and what is filled in.

use serde_json::json;

use crate::schema_support::{object, try_widget, widget};
use crate::{errors, spec};

#[test]
fn unknown_fields_are_pruned_and_named() {
    let schema = widget(spec(json!({
        "known": {"type": "string"},
        "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
        "free": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"strict": {"type": "object", "properties": {"a": {"type": "string"}}}},
        },
        "map": {"type": "object", "additionalProperties": {
            "type": "object", "properties": {"a": {"type": "string"}},
        }},
    })));
    let mut widget = object(json!({
        "known": "k", "gone": 1,
        "list": [{"a": "1", "b": "2"}],
        "free": {"any": {"thing": [{"x": 1}]}, "strict": {"a": "1", "b": 2}},
        "map": {"k": {"a": "1", "b": "2"}},
    }));
    widget["metadata"]["unknown"] = json!(true);
    widget["top"] = json!(1);
    assert_eq!(
        schema.default_and_prune(&mut widget),
        [
            "metadata.unknown",
            "spec.free.strict.b",
            "spec.gone",
            "spec.list[0].b",
            "spec.map.k.b",
            "top"
        ]
    );
    assert_eq!(
        widget,
        object(json!({
            "known": "k",
            "list": [{"a": "1"}],
            "free": {"any": {"thing": [{"x": 1}]}, "strict": {"a": "1"}},
            "map": {"k": {"a": "1"}},
        }))
    );
}

#[test]
fn defaults_fill_what_is_missing_or_null() {
    let schema = widget(spec(json!({
        "a": {"type": "integer", "default": 5},
        "b": {"type": "object", "default": {}, "properties": {"c": {"type": "string", "default": "x"}}},
        "n": {"type": "string", "nullable": true, "default": "x"},
        "plain": {"type": "string"},
        "list": {"type": "array", "items": {"type": "object", "properties": {
            "d": {"type": "boolean", "default": false},
        }}},
        "absent": {"type": "object", "properties": {"e": {"type": "string", "default": "y"}}},
    })));
    let mut widget = object(json!({"a": null, "n": null, "plain": null, "list": [{}]}));
    assert_eq!(schema.default_and_prune(&mut widget), Vec::<String>::new());
    assert_eq!(
        widget["spec"],
        json!({"n": null, "list": [{"d": false}], "a": 5, "b": {"c": "x"}})
    );
    let again = widget.clone();
    schema.default_and_prune(&mut widget);
    assert_eq!(widget, again);
}

#[test]
fn metadata_is_checked_like_that_of_every_object() {
    let schema = try_widget(&json!({"type": "object", "properties": {
        "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 3}}},
    }}))
    .unwrap();
    let mut widget = object(json!({}));
    widget.as_object_mut().unwrap().remove("spec");
    widget["metadata"]["creationTimestamp"] = json!(null);
    widget["metadata"]["managedFields"] =
        json!([{"manager": "m", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:a": {}}}}]);
    let mut pruned = widget.clone();
    assert_eq!(schema.default_and_prune(&mut pruned), Vec::<String>::new());
    assert_eq!(pruned["metadata"].get("creationTimestamp"), None);
    assert_eq!(
        pruned["metadata"]["managedFields"],
        widget["metadata"]["managedFields"]
    );
    assert_eq!(errors(&schema, &pruned, None), Vec::<String>::new());
    pruned["metadata"]["name"] = json!("long");
    pruned["metadata"]["labels"] = json!({"a": 1});
    assert_eq!(
        errors(&schema, &pruned, None),
        [
            "metadata.labels.a: Invalid value: \"integer\": metadata.labels.a in body must be of type string: \"integer\"",
            "metadata.name: Too long: may not be more than 3 bytes",
        ]
    );
}

#[test]
fn embedded_resources_have_type_and_metadata() {
    let schema = widget(spec(json!({"template": {
        "type": "object", "x-kubernetes-embedded-resource": true,
        "x-kubernetes-preserve-unknown-fields": true,
    }})));
    let mut good = object(json!({"template": {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}, "junk": 1}, "spec": {"x": 1},
    }}));
    assert_eq!(
        schema.default_and_prune(&mut good),
        ["spec.template.metadata.junk"]
    );
    assert_eq!(errors(&schema, &good, None), Vec::<String>::new());
    assert_eq!(good["spec"]["template"]["spec"], json!({"x": 1}));
    let bad = object(json!({"template": {"kind": "Pod"}}));
    assert_eq!(
        errors(&schema, &bad, None),
        ["spec.template.apiVersion: Required value"]
    );
}
