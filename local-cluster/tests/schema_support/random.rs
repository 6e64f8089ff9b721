//! Random specs for the tests of this folder.

use std::sync::{Arc, LazyLock};

use codex_local_cluster::schema::Schema;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::widget;

/// The schema of a spec with every kind of list and map.
pub(crate) fn spec_schema() -> Value {
    json!({"type": "object", "properties": {
        "n": {"type": "integer"},
        "struct": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "atomic": {
            "type": "object", "x-kubernetes-map-type": "atomic",
            "additionalProperties": {"type": "string"},
        },
        "list": {"type": "array", "items": {"type": "integer"}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "items": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {
                "name": {"type": "string"},
                "v": {"type": "integer"},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            }},
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }})
}

/// The schema of an object with such a spec.
pub(crate) static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| widget(spec_schema()));

/// One of few words, so that they meet.
pub(crate) fn word() -> impl Strategy<Value = String> {
    "[a-d]"
}

fn small() -> impl Strategy<Value = Value> {
    (0..3_i64).prop_map(Value::from)
}

fn text() -> impl Strategy<Value = Value> {
    word().prop_map(Value::from)
}

fn set() -> impl Strategy<Value = Value> {
    proptest::collection::btree_set(word(), 0..4)
        .prop_shuffle_values()
        .prop_map(|words| json!(words))
}

/// Random order for the items of a set.
trait ShuffleValues: Strategy + Sized {
    fn prop_shuffle_values(self) -> BoxedStrategy<Vec<String>>;
}

impl<S: Strategy<Value = std::collections::BTreeSet<String>> + 'static> ShuffleValues for S {
    fn prop_shuffle_values(self) -> BoxedStrategy<Vec<String>> {
        self.prop_map(|set| set.into_iter().collect::<Vec<_>>())
            .prop_shuffle()
            .boxed()
    }
}

/// An object with some of these fields.
fn some_of(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| {
            proptest::option::of(value).prop_map(move |v| v.map(|v| (name.to_owned(), v)))
        })
        .collect();
    fields
        .prop_map(|fields| Value::Object(fields.into_iter().flatten().collect::<Map<_, _>>()))
        .boxed()
}

fn map_of(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    btree_map(word(), value, 0..3)
        .prop_map(|map| json!(map))
        .boxed()
}

fn items() -> BoxedStrategy<Value> {
    let item = some_of(vec![("v", small().boxed()), ("tags", set().boxed())]);
    btree_map(word(), item, 0..4)
        .prop_map(|items| {
            items
                .into_iter()
                .map(|(name, mut item)| {
                    item["name"] = name.into();
                    item
                })
                .collect::<Vec<_>>()
        })
        .prop_shuffle()
        .prop_map(Value::Array)
        .boxed()
}

/// Anything, for fields without a schema.
pub(crate) fn free() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![small(), text(), Just(json!({})), Just(json!([]))];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::Array),
            btree_map(word(), inner, 0..3).prop_map(|map| json!(map)),
        ]
    });
    map_of(value)
}

/// A spec.
pub(crate) fn spec() -> BoxedStrategy<Value> {
    some_of(vec![
        ("n", small().boxed()),
        (
            "struct",
            some_of(vec![("a", small().boxed()), ("b", text().boxed())]),
        ),
        ("map", map_of(text())),
        ("atomic", map_of(text())),
        ("list", vec(small(), 0..3).prop_map(Value::Array).boxed()),
        ("set", set().boxed()),
        ("items", items()),
        ("free", free()),
    ])
}

/// A Pod, or a patch of one without directives.
pub(crate) fn pod() -> BoxedStrategy<Value> {
    pod_with(Just(None).boxed())
}

/// A strategic merge patch of a Pod.
pub(crate) fn pod_patch() -> BoxedStrategy<Value> {
    let directive = prop_oneof![
        12 => Just(None),
        2 => Just(Some("delete")),
        1 => Just(Some("replace")),
    ];
    pod_with(directive.boxed())
}

fn pod_with(directive: BoxedStrategy<Option<&'static str>>) -> BoxedStrategy<Value> {
    let named = |fields: Vec<(&'static str, BoxedStrategy<Value>)>| {
        let directive = directive.clone();
        btree_map(word(), (some_of(fields), directive), 0..4)
            .prop_map(|items| {
                let with_name = |(name, (mut item, directive)): (String, (Value, Option<&str>))| {
                    item["name"] = name.into();
                    if let Some(directive) = directive {
                        item["$patch"] = directive.into();
                    }
                    item
                };
                items.into_iter().map(with_name).collect::<Vec<_>>()
            })
            .prop_shuffle()
            .prop_map(Value::Array)
            .boxed()
    };
    let list = || vec(text(), 0..3).prop_map(Value::Array).boxed();
    let env = named(vec![("value", text().boxed())]);
    let context = some_of(vec![
        ("runAsUser", small().boxed()),
        ("fsGroup", small().boxed()),
    ]);
    let context = (context, directive.clone()).prop_map(|(mut context, directive)| {
        if let Some(directive) = directive {
            context["$patch"] = directive.into();
        }
        context
    });
    let toleration = some_of(vec![("key", text().boxed())]);
    let spec = some_of(vec![
        (
            "containers",
            named(vec![
                ("image", text().boxed()),
                ("env", env),
                ("args", list()),
            ]),
        ),
        (
            "tolerations",
            vec(toleration, 0..3).prop_map(Value::Array).boxed(),
        ),
        ("nodeSelector", map_of(text())),
        ("securityContext", context.boxed()),
        ("hostname", text().boxed()),
    ]);
    let metadata = some_of(vec![
        ("finalizers", set().boxed()),
        ("labels", map_of(text())),
    ]);
    some_of(vec![("metadata", metadata), ("spec", spec)])
}
