//! Values against the checks of their schema.

use serde_json::{Value, json};

use crate::schema_support::{object, widget};
use crate::{errors, spec};

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
