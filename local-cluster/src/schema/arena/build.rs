//! From JSON schemas to the nodes of an arena.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value};

use super::{Additional, Arena, Checks, Kind, ListKind, Node, NodeId, PatchMeta, Property};
use crate::schema::cel::Rule;
use crate::schema::format::Format;

const REF: &str = "#/components/schemas/";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// Turns JSON schemas into nodes. References are resolved among `definitions`; each is parsed
/// once, so that recursion ends.
pub(crate) struct Builder<'a> {
    arena: Arena,
    definitions: &'a Map<String, Value>,
    named: HashMap<String, NodeId>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(definitions: &'a Map<String, Value>) -> Self {
        Self {
            arena: Arena::default(),
            definitions,
            named: HashMap::new(),
        }
    }

    pub(crate) fn finish(self) -> Arena {
        self.arena
    }

    /// The node of a definition.
    pub(crate) fn definition(&mut self, name: &str) -> NodeId {
        if let Some(id) = self.named.get(name) {
            return *id;
        }
        let id = self.reserve();
        self.named.insert(name.to_owned(), id);
        let definitions = self.definitions;
        let mut node = definitions
            .get(name)
            .map(|schema| self.node(schema))
            .unwrap_or_default();
        // A built-in object without fields is free-form (`FieldsV1`, `RawExtension`).
        if node.kind == Kind::Object
            && node.properties.is_empty()
            && node.additional == Additional::None
        {
            node.additional = Additional::Any;
        }
        if name == QUANTITY {
            node.kind = Kind::Quantity;
            node.checks = Checks::default();
        }
        *self.arena.node_mut(id) = node;
        id
    }

    /// The node of a schema.
    pub(crate) fn schema(&mut self, schema: &Value) -> NodeId {
        let Some(target) = reference(schema) else {
            let id = self.reserve();
            let node = self.node(schema);
            *self.arena.node_mut(id) = node;
            return id;
        };
        // A reference with a list or map type beside it changes the type that it names.
        let overrides: Vec<(&String, &Value)> = schema
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| key.ends_with("-map-type") || key.ends_with("-list-type"))
            .collect();
        let definitions = self.definitions;
        match definitions.get(target).and_then(Value::as_object) {
            Some(definition) if !overrides.is_empty() => {
                let mut merged = definition.clone();
                for (key, value) in overrides {
                    merged.insert(key.clone(), value.clone());
                }
                self.schema(&Value::Object(merged))
            }
            _ => self.definition(target),
        }
    }

    fn reserve(&mut self) -> NodeId {
        self.arena.nodes.push(Node::default());
        NodeId(self.arena.nodes.len() - 1)
    }

    fn node(&mut self, schema: &Value) -> Node {
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        let flag = |key: &str| schema.get(key).and_then(Value::as_bool) == Some(true);
        let kind = match text("type") {
            _ if flag("x-kubernetes-int-or-string") => Kind::IntOrString,
            None if text("format") == Some("int-or-string") => Kind::IntOrString,
            Some("object") => Kind::Object,
            Some("array") => Kind::Array,
            Some("string") => Kind::String,
            Some("integer") => Kind::Integer,
            Some("number") => Kind::Number,
            Some("boolean") => Kind::Boolean,
            _ if schema.get("properties").is_some() => Kind::Object,
            _ => Kind::Any,
        };
        let additional = match schema.get("additionalProperties") {
            None | Some(Value::Bool(false)) => Additional::None,
            Some(Value::Object(map)) if !map.is_empty() => {
                Additional::Node(self.schema(&Value::Object(map.clone())))
            }
            Some(_) => Additional::Any,
        };
        let properties = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, property)| {
                let default = property.get("default").cloned();
                let node = self.schema(property);
                (name.clone(), Property { node, default })
            })
            .collect();
        let checks = self.checks(schema, kind);
        Node {
            kind,
            nullable: flag("nullable"),
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            properties,
            additional,
            items: schema.get("items").map(|items| self.schema(items)),
            list: list_kind(schema),
            atomic_map: text("x-kubernetes-map-type") == Some("atomic"),
            patch: patch_meta(schema),
            checks,
            rules: Rule::parse_all(schema),
        }
    }

    fn checks(&mut self, schema: &Value, kind: Kind) -> Checks {
        let number = |key: &str| schema.get(key).and_then(Value::as_f64);
        let size = |key: &str| schema.get(key).and_then(Value::as_u64);
        let flag = |key: &str| schema.get(key).and_then(Value::as_bool) == Some(true);
        let list = |key: &str| {
            schema
                .get(key)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        // The two ways to say "integer or string" add nothing to the type.
        let junction = kind == Kind::IntOrString;
        let mut nested = |key: &str| -> Vec<NodeId> {
            list(key)
                .iter()
                .filter(|branch| !(junction && is_int_or_string(branch)))
                .map(|branch| self.schema(branch))
                .collect()
        };
        let all_of = nested("allOf");
        let one_of = nested("oneOf");
        let mut any_of = nested("anyOf");
        if junction && is_int_or_string(schema) {
            any_of.clear();
        }
        Checks {
            required: strings(schema.get("required")),
            enumeration: list("enum"),
            // The pattern was compiled when the definition was admitted; a built-in has none.
            pattern: schema
                .get("pattern")
                .and_then(Value::as_str)
                .and_then(|pattern| Regex::new(pattern).ok()),
            format: schema
                .get("format")
                .and_then(Value::as_str)
                .and_then(Format::parse),
            minimum: number("minimum"),
            maximum: number("maximum"),
            exclusive_minimum: flag("exclusiveMinimum"),
            exclusive_maximum: flag("exclusiveMaximum"),
            multiple_of: number("multipleOf"),
            min_length: size("minLength"),
            max_length: size("maxLength"),
            min_items: size("minItems"),
            max_items: size("maxItems"),
            min_properties: size("minProperties"),
            max_properties: size("maxProperties"),
            all_of,
            any_of,
            // `oneOf` of integer and string is how built-in types say it.
            one_of: if junction { Vec::new() } else { one_of },
            not: schema.get("not").map(|not| self.schema(not)),
        }
    }
}

/// The definition that a schema refers to, directly or as the only part of `allOf`.
fn reference(schema: &Value) -> Option<&str> {
    let direct = schema.get("$ref");
    let target = match direct {
        Some(target) => target,
        None => match schema.get("allOf")?.as_array()?.as_slice() {
            [only] => only.get("$ref")?,
            _ => return None,
        },
    };
    target.as_str()?.strip_prefix(REF)
}

/// Whether a schema is `anyOf: [{type: integer}, {type: string}]`.
pub(crate) fn is_int_or_string(schema: &Value) -> bool {
    let Some([a, b]) = schema
        .get("anyOf")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    else {
        return false;
    };
    let is = |branch: &Value, name: &str| {
        branch
            .as_object()
            .is_some_and(|o| o.len() == 1 && o.get("type").and_then(Value::as_str) == Some(name))
    };
    is(a, "integer") && is(b, "string")
}

fn list_kind(schema: &Value) -> ListKind {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    match text("x-kubernetes-list-type") {
        Some("set") => ListKind::Set,
        Some("map") => ListKind::Map(strings(schema.get("x-kubernetes-list-map-keys"))),
        Some(_) => ListKind::Atomic,
        // Some built-in lists have only the older annotations.
        None => match text("x-kubernetes-patch-strategy") {
            Some("merge" | "merge,retainKeys") => text("x-kubernetes-patch-merge-key")
                .map_or(ListKind::Set, |key| ListKind::Map(vec![key.to_owned()])),
            _ => ListKind::Atomic,
        },
    }
}

fn patch_meta(schema: &Value) -> PatchMeta {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    let strategies: Vec<&str> = text("x-kubernetes-patch-strategy")
        .unwrap_or_default()
        .split(',')
        .collect();
    PatchMeta {
        merge: strategies.contains(&"merge"),
        replace: strategies.contains(&"replace"),
        merge_key: text("x-kubernetes-patch-merge-key").map(str::to_owned),
    }
}

/// The strings of a JSON array.
pub(crate) fn strings(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}
