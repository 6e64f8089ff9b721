//! Rules in CEL (`x-kubernetes-validations`).

use codex_local_cluster::schema::FieldError;
use serde_json::{Value, json};

use crate::schema_support::{object, try_widget, widget};
use crate::{errors, refused, spec};

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
