//! Structural schemas: admission of definitions, pruning, defaulting, validation and CEL.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test may panic, and reads best with its values in place"
)]

mod schema_support;

use codex_local_cluster::schema::{FieldError, Schema, SchemaRegistry};
use schema_support::{builtin, gvk, object, try_widget, widget};
use serde_json::{Value, json};

fn spec(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

/// The errors of an object, printed.
fn errors(schema: &Schema, new: &Value, old: Option<&Value>) -> Vec<String> {
    let list = schema.validate(new, old);
    list.iter().map(ToString::to_string).collect()
}

fn refused(schema: &Value) -> Vec<String> {
    let list = try_widget(schema).expect_err("the definition is not structural");
    list.iter().map(ToString::to_string).collect()
}

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
fn values_are_validated_with_the_messages_of_upstream() {
    let schema = widget(
        json!({"type": "object", "required": ["must"], "properties": {
            "must": {"type": "string"},
            "int": {"type": "integer", "minimum": 1, "maximum": 10},
            "small": {"type": "integer", "format": "int32"},
            "num": {"type": "number", "exclusiveMinimum": true, "minimum": 0, "multipleOf": 0.5},
            "text": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"},
            "when": {"type": "string", "format": "date-time"},
            "choice": {"type": "string", "enum": ["a", "b"]},
            "either": {"x-kubernetes-int-or-string": true},
            "list": {"type": "array", "maxItems": 2, "minItems": 1, "items": {"type": "string"}},
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "items": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
            },
            "map": {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "string"}},
            "flag": {"type": "boolean"},
            "null": {"type": "string", "nullable": true},
        }}),
    );
    let check = |field: &str, value: Value, want: &str, reason: &str| {
        let mut spec = json!({"must": "x"});
        spec[field] = value;
        let found = schema.validate(&object(spec), None);
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        if want.is_empty() {
            assert_eq!(texts, Vec::<String>::new(), "{field}");
        } else {
            assert_eq!(texts, [want], "{field}");
            assert_eq!(found[0].reason, reason);
        }
    };
    let (invalid, kind) = ("FieldValueInvalid", "FieldValueTypeInvalid");
    for (field, value, want, reason) in [
        ("int", json!(5), "", ""),
        ("int", json!(5.0), "", ""),
        (
            "int",
            json!(0),
            "spec.int: Invalid value: 0: spec.int in body should be greater than or equal to 1",
            invalid,
        ),
        (
            "int",
            json!(11),
            "spec.int: Invalid value: 11: spec.int in body should be less than or equal to 10",
            invalid,
        ),
        (
            "int",
            json!("5"),
            "spec.int: Invalid value: \"string\": spec.int in body must be of type integer: \"string\"",
            kind,
        ),
        (
            "small",
            json!(4_294_967_296_i64),
            "spec.small: Invalid value: 4294967296: spec.small in body must be of type int32: 4294967296",
            kind,
        ),
        (
            "num",
            json!(0),
            "spec.num: Invalid value: 0: spec.num in body should be greater than 0",
            invalid,
        ),
        (
            "num",
            json!(0.7),
            "spec.num: Invalid value: 0.7: spec.num in body should be a multiple of 0.5",
            invalid,
        ),
        (
            "text",
            json!("a"),
            "spec.text: Invalid value: \"a\": spec.text in body should be at least 2 chars long",
            invalid,
        ),
        (
            "text",
            json!("abcde"),
            "spec.text: Too long: may not be more than 4 bytes",
            "FieldValueTooLong",
        ),
        (
            "text",
            json!("AB"),
            "spec.text: Invalid value: \"AB\": spec.text in body should match '^[a-z]+$'",
            invalid,
        ),
        (
            "when",
            json!("now"),
            "spec.when: Invalid value: \"now\": spec.when in body must be of type date-time: \"now\"",
            kind,
        ),
        (
            "choice",
            json!("c"),
            "spec.choice: Unsupported value: \"c\": supported values: \"a\", \"b\"",
            "FieldValueNotSupported",
        ),
        ("either", json!(5), "", ""),
        ("either", json!("50%"), "", ""),
        (
            "either",
            json!(true),
            "spec.either: Invalid value: \"boolean\": spec.either in body must be of type integer,string: \"boolean\"",
            kind,
        ),
        (
            "list",
            json!(["a", "b", "c"]),
            "spec.list: Too many: 3: must have at most 2 items",
            "FieldValueTooMany",
        ),
        (
            "list",
            json!([]),
            "spec.list: Invalid value: 0: spec.list in body should have at least 1 items",
            invalid,
        ),
        (
            "list",
            json!([1]),
            "spec.list[0]: Invalid value: \"integer\": spec.list[0] in body must be of type string: \"integer\"",
            kind,
        ),
        (
            "set",
            json!(["a", "b", "a"]),
            "spec.set[2]: Duplicate value: \"a\"",
            "FieldValueDuplicate",
        ),
        (
            "items",
            json!([{"name": "a"}, {"name": "a"}]),
            "spec.items[1]: Duplicate value: {\"name\":\"a\"}",
            "FieldValueDuplicate",
        ),
        (
            "items",
            json!([{}]),
            "spec.items[0].name: Required value",
            "FieldValueRequired",
        ),
        (
            "map",
            json!({"a": "1", "b": "2"}),
            "spec.map: Too many: 2: must have at most 1 item",
            "FieldValueTooMany",
        ),
        (
            "flag",
            json!("yes"),
            "spec.flag: Invalid value: \"string\": spec.flag in body must be of type boolean: \"string\"",
            kind,
        ),
        ("null", json!(null), "", ""),
    ] {
        check(field, value, want, reason);
    }
    assert_eq!(
        errors(&schema, &object(json!({})), None),
        ["spec.must: Required value"]
    );
}

#[test]
fn junctions_are_checked() {
    let schema = widget(json!({
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "n": {"type": "integer"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        "not": {"properties": {"n": {"minimum": 100}}, "required": ["n"]},
        "allOf": [{"properties": {"a": {"maxLength": 3}}}],
    }));
    assert_eq!(
        errors(&schema, &object(json!({"a": "x"})), None),
        Vec::<String>::new()
    );
    let both = errors(&schema, &object(json!({"a": "x", "b": "y"})), None);
    assert!(
        both[0].contains("must validate one and only one schema (oneOf)"),
        "{both:?}"
    );
    let not = errors(&schema, &object(json!({"a": "x", "n": 100})), None);
    assert!(
        not[0].contains("must not validate the schema (not)"),
        "{not:?}"
    );
    let all = errors(&schema, &object(json!({"a": "xxxx"})), None);
    assert_eq!(all, ["spec.a: Too long: may not be more than 3 bytes"]);
}

#[test]
fn what_was_invalid_before_and_did_not_change_is_let_through() {
    let loose = object(json!({"list": [{"name": "a", "v": "long"}], "other": "x"}));
    let schema = widget(spec(json!({
        "other": {"type": "string"},
        "list": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {
                "name": {"type": "string"}, "v": {"type": "string", "maxLength": 2},
            }, "x-kubernetes-validations": [{"rule": "self.v == 'ok'"}]},
        },
    })));
    let mut next = loose.clone();
    next["spec"]["other"] = json!("y");
    assert_eq!(errors(&schema, &next, Some(&loose)), Vec::<String>::new());
    next["spec"]["list"][0]["v"] = json!("longer");
    assert_eq!(
        errors(&schema, &next, Some(&loose))[0],
        "spec.list[0].v: Too long: may not be more than 2 bytes"
    );
    assert!(!errors(&schema, &loose, None).is_empty());
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
    let mut crd = schema_support::crd(&json!({"type": "object"}));
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
    registry
        .set_crd(&schema_support::crd(&json!({"type": "object"})))
        .unwrap();
    registry
        .set_crd(&schema_support::crd(&json!({})))
        .unwrap_err();
    assert!(registry.schema(&widget).is_some());
    let clone = registry.clone();
    clone.remove_crd("widgets.example.com");
    assert!(registry.schema(&widget).is_none());
}

/// A spec with one rule.
fn ruled(properties: Value, rule: Value) -> Value {
    json!({"type": "object", "properties": properties, "x-kubernetes-validations": [rule]})
}

#[test]
fn rules_are_evaluated_on_self() {
    let properties = json!({
        "min": {"type": "integer"}, "max": {"type": "integer"}, "name": {"type": "string"},
        "list": {"type": "array", "items": {"type": "object", "properties": {
            "n": {"type": "integer"}, "s": {"type": "string"},
        }}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "when": {"type": "string", "format": "date-time"},
        "namespace": {"type": "string"}, "with-dash": {"type": "string"},
        "ratio": {"type": "number"},
        "io": {"x-kubernetes-int-or-string": true},
    });
    let holds = |rule: &str, spec: Value| {
        let schema = widget(ruled(
            properties.clone(),
            json!({"rule": rule, "message": "no"}),
        ));
        let found = errors(&schema, &object(spec), None);
        if !found.is_empty() {
            assert_eq!(found, ["spec: Invalid value: \"object\": no"], "{rule}");
        }
        found.is_empty()
    };
    for (rule, good, bad) in [
        (
            "self.min <= self.max",
            json!({"min": 1, "max": 1}),
            json!({"min": 2, "max": 1}),
        ),
        ("has(self.name)", json!({"name": ""}), json!({})),
        (
            "!has(self.name) || self.name.startsWith('a')",
            json!({"name": "ab"}),
            json!({"name": "b"}),
        ),
        (
            "self.name.matches('^[a-z]+$')",
            json!({"name": "ab"}),
            json!({"name": "A"}),
        ),
        (
            "size(self.list) > 1",
            json!({"list": [{}, {}]}),
            json!({"list": [{}]}),
        ),
        (
            "self.list.all(x, x.n > 0)",
            json!({"list": [{"n": 1}]}),
            json!({"list": [{"n": 0}]}),
        ),
        (
            "self.list.exists(x, x.s == 'y')",
            json!({"list": [{"s": "y"}]}),
            json!({"list": [{"s": "n"}]}),
        ),
        (
            "self.list.map(x, x.n).isSorted()",
            json!({"list": [{"n": 1}, {"n": 2}]}),
            json!({"list": [{"n": 2}, {"n": 1}]}),
        ),
        (
            "self.list.map(x, x.n).sum() == 3",
            json!({"list": [{"n": 1}, {"n": 2}]}),
            json!({"list": [{"n": 1}]}),
        ),
        (
            "self.list.map(x, x.n).max() == 2",
            json!({"list": [{"n": 1}, {"n": 2}]}),
            json!({"list": [{"n": 1}]}),
        ),
        (
            "self.list.map(x, x.n).indexOf(2) == 1",
            json!({"list": [{"n": 1}, {"n": 2}]}),
            json!({"list": [{"n": 2}]}),
        ),
        (
            "'k' in self.map && self.map['k'] == 'v'",
            json!({"map": {"k": "v"}}),
            json!({"map": {"l": "v"}}),
        ),
        (
            "self.map.all(k, k.size() < 3)",
            json!({"map": {"k": "v"}}),
            json!({"map": {"long": "v"}}),
        ),
        (
            "self.when < timestamp('2024-01-01T00:00:00Z')",
            json!({"when": "2023-01-01T00:00:00Z"}),
            json!({"when": "2025-01-01T00:00:00Z"}),
        ),
        (
            "self.__namespace__ == 'n'",
            json!({"namespace": "n"}),
            json!({"namespace": "m"}),
        ),
        (
            "self.with__dash__dash == 'd'",
            json!({"with-dash": "d"}),
            json!({"with-dash": "e"}),
        ),
        ("self.ratio > 0.5", json!({"ratio": 1}), json!({"ratio": 0})),
        (
            "type(self.io) == int || self.io.endsWith('%')",
            json!({"io": "5%"}),
            json!({"io": "5"}),
        ),
        (
            "self.name.find('[0-9]+') == '42'",
            json!({"name": "a42"}),
            json!({"name": "a"}),
        ),
        (
            "self.name.findAll('[0-9]').size() == 2",
            json!({"name": "a4b2"}),
            json!({"name": "a4"}),
        ),
        (
            "self.name.split('-')[0] in ['a', 'b']",
            json!({"name": "a-x"}),
            json!({"name": "c-x"}),
        ),
        (
            "self == {'name': 'x'}",
            json!({"name": "x"}),
            json!({"name": "x", "min": 1}),
        ),
    ] {
        assert!(holds(rule, good), "{rule} holds");
        assert!(!holds(rule, bad), "{rule} fails");
    }
}

#[test]
fn the_rule_tells_message_reason_and_field() {
    let properties = json!({"a": {"type": "integer"}, "m": {"type": "object", "properties": {"x": {"type": "string"}}}});
    let error = |rule: Value| -> FieldError {
        let schema = widget(ruled(properties.clone(), rule));
        let mut found = schema.validate(&object(json!({"a": 1})), None);
        assert_eq!(found.len(), 1);
        found.remove(0)
    };
    let plain = error(json!({"rule": "self.a > 1"}));
    assert_eq!(
        plain.to_string(),
        "spec: Invalid value: \"object\": failed rule: self.a > 1"
    );
    let computed = error(json!({
        "rule": "self.a > 1", "message": "unused", "messageExpression": "'a is ' + string(self.a)",
        "reason": "FieldValueForbidden", "fieldPath": ".m.x",
    }));
    assert_eq!(computed.to_string(), "spec.m.x: Forbidden: a is 1");
    assert_eq!(computed.reason, "FieldValueForbidden");
    let fallback = error(json!({
        "rule": "self.a > 1", "message": "used", "messageExpression": "self.m.x",
    }));
    assert!(fallback.message.ends_with(": used"));
    let broken = error(json!({"rule": "self.m.x == 'y'", "message": "m"}));
    assert!(
        broken.message.contains("No such key: m evaluating rule: m"),
        "{broken}"
    );
}

#[test]
fn transition_rules_run_on_updates_only() {
    let schema = widget(json!({"type": "object", "properties": {
        "fixed": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "is immutable"}]},
        "cancel": {"type": "boolean", "default": false},
        "deep": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "is immutable"}],
        },
        "items": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "items are fixed"}],
            "items": {"type": "object", "required": ["name"], "properties": {
                "name": {"type": "string"}, "v": {"type": "integer"},
            }},
        },
        "grow": {"type": "integer", "x-kubernetes-validations": [{
            "rule": "!oldSelf.hasValue() || self >= oldSelf.value()", "optionalOldSelf": true, "message": "must grow",
        }]},
    }, "x-kubernetes-validations": [{"rule": "!oldSelf.cancel || self.cancel", "message": "no way back"}]}));
    let old = object(json!({
        "fixed": "a", "cancel": true, "deep": {"x": [{"y": 1}]}, "grow": 2,
        "items": [{"name": "a", "v": 1}, {"name": "b", "v": 2}],
    }));
    assert_eq!(errors(&schema, &old, None), Vec::<String>::new());
    assert_eq!(errors(&schema, &old, Some(&old)), Vec::<String>::new());
    for (pointer, value, want) in [
        (
            "/spec/fixed",
            json!("b"),
            "spec.fixed: Invalid value: \"string\": is immutable",
        ),
        (
            "/spec/cancel",
            json!(false),
            "spec: Invalid value: \"object\": no way back",
        ),
        (
            "/spec/deep/x/0/y",
            json!(2),
            "spec.deep: Invalid value: \"object\": is immutable",
        ),
        (
            "/spec/items/1/v",
            json!(3),
            "spec.items: Invalid value: \"array\": items are fixed",
        ),
        (
            "/spec/grow",
            json!(1),
            "spec.grow: Invalid value: \"integer\": must grow",
        ),
    ] {
        let mut new = old.clone();
        *new.pointer_mut(pointer).unwrap() = value;
        assert_eq!(errors(&schema, &new, Some(&old)), [want]);
    }
    // The order of a list map is not part of its value.
    let mut new = old.clone();
    new["spec"]["items"] = json!([{"name": "b", "v": 2}, {"name": "a", "v": 1}]);
    assert_eq!(errors(&schema, &new, Some(&old)), Vec::<String>::new());
    // A field that was not there has no past.
    let mut young = old.clone();
    young["spec"].as_object_mut().unwrap().remove("fixed");
    assert_eq!(errors(&schema, &old, Some(&young)), Vec::<String>::new());
}

#[test]
fn rules_that_do_not_compile_are_refused() {
    let properties = json!({
        "a": {"type": "integer"},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    });
    let root =
        "spec.versions[0].schema.openAPIV3Schema.properties[spec].x-kubernetes-validations[0]";
    for (rule, field, want) in [
        (json!({"rule": "self.a >"}), "rule", "compilation failed"),
        (json!({"rule": ""}), "rule", "rule is not specified"),
        (
            json!({"rule": "self.b == 1"}),
            "rule",
            "undefined field 'b'",
        ),
        (
            json!({"rule": "this.a == 1"}),
            "rule",
            "undeclared reference to 'this'",
        ),
        (
            json!({"rule": "frobnicate(self.a)"}),
            "rule",
            "undeclared reference to 'frobnicate'",
        ),
        (
            json!({"rule": "self.a.frobnicate()"}),
            "rule",
            "undeclared reference to 'frobnicate'",
        ),
        (
            json!({"rule": "self.set.all(x, y == 'a')"}),
            "rule",
            "undeclared reference to 'y'",
        ),
        (
            json!({"rule": "self.a"}),
            "rule",
            "cel expression must evaluate to a bool",
        ),
        (
            json!({"rule": "self.a.b == 1"}),
            "rule",
            "does not support field selection",
        ),
        (
            json!({"rule": "true", "messageExpression": "self.b"}),
            "messageExpression",
            "undefined field 'b'",
        ),
        (
            json!({"rule": "true", "reason": "Because"}),
            "reason",
            "Unsupported value: \"Because\"",
        ),
        (
            json!({"rule": "self.a == 1", "optionalOldSelf": true}),
            "optionalOldSelf",
            "may not be set if oldSelf is not used",
        ),
    ] {
        let schema = json!({"type": "object", "properties": {"spec": ruled(properties.clone(), rule.clone())}});
        let found = refused(&schema);
        assert_eq!(found.len(), 1, "{rule}: {found:?}");
        assert!(
            found[0].starts_with(&format!("{root}.{field}: ")),
            "{rule}: {found:?}"
        );
        assert!(found[0].contains(want), "{rule}: {found:?}");
    }
    let uncorrelatable = json!({"type": "object", "properties": {"spec": spec(json!({"set": {
        "type": "array", "x-kubernetes-list-type": "set",
        "items": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]},
    }}))}});
    assert!(refused(&uncorrelatable)[0].contains("uncorrelatable portion of the schema"));
    let metadata = json!({
        "type": "object", "properties": {"spec": spec(json!({}))},
        "x-kubernetes-validations": [{"rule": "self.metadata.labels.size() > 0"}],
    });
    assert!(refused(&metadata)[0].contains("undefined field 'labels'"));
    let name = json!({
        "type": "object",
        "x-kubernetes-validations": [{"rule": "self.metadata.name.startsWith('w')"}],
    });
    let schema = try_widget(&name).unwrap();
    let mut widget = object(json!({}));
    assert_eq!(errors(&schema, &widget, None), Vec::<String>::new());
    widget["metadata"]["name"] = json!("x");
    assert_eq!(errors(&schema, &widget, None).len(), 1);
}

#[test]
fn rules_wait_until_the_rest_is_valid() {
    let schema = widget(json!({
        "type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}},
        "x-kubernetes-validations": [{"rule": "self.a > 0"}],
    }));
    let found = errors(&schema, &object(json!({})), None);
    assert_eq!(found[0], "spec.a: Required value");
    assert!(
        found[1].starts_with("<nil>: Invalid value: null: some validation rules were not checked")
    );
    assert_eq!(found.len(), 2);
}

/// The definitions that this project ships.
#[test]
fn our_own_definitions_are_admitted_and_enforced() {
    let yaml = include_str!("../../crds/generated/crds.yaml");
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

#[test]
fn definitions_themselves_keep_every_part_of_their_schemas() {
    let schema = builtin("apiextensions.k8s.io", "CustomResourceDefinition");
    let mut crd = schema_support::crd(&json!({"type": "object", "properties": {"spec": {
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
