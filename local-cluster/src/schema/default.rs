//! Defaulting and pruning.

use serde_json::{Map, Value};

use super::arena::{Additional, Arena, Kind, Node, NodeId};
use super::json::Path;
use super::structural::{Origin, Schema};

/// Walks an object once and makes it fit its schema.
pub(crate) struct Defaulter<'a> {
    arena: &'a Arena,
    root: NodeId,
    origin: Origin,
    unknown: Vec<String>,
}

/// Whether unknown fields go. Inside of `x-kubernetes-preserve-unknown-fields` they stay until
/// properties are specified again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Prune,
    Keep,
}

impl<'a> Defaulter<'a> {
    pub(crate) fn new(schema: &'a Schema) -> Self {
        Self {
            arena: &schema.arena,
            root: schema.root,
            origin: schema.origin,
            unknown: Vec::new(),
        }
    }

    /// Returns the paths of the fields that were removed.
    pub(crate) fn run(mut self, object: &mut Value) -> Vec<String> {
        let root = self.root;
        self.prune(Some(root), object, &Path::ROOT, Unknown::Prune);
        self.fill(root, object, false);
        self.unknown.sort();
        self.unknown
    }

    fn prune(&mut self, id: Option<NodeId>, value: &mut Value, path: &Path<'_>, mode: Unknown) {
        let node = id.map(|id| &self.arena[id]);
        let mode = match node {
            Some(node) if node.preserve_unknown || node.kind == Kind::Any => Unknown::Keep,
            Some(_) => Unknown::Prune,
            None => mode,
        };
        match value {
            Value::Object(map) => self.prune_fields(node, map, path, mode),
            Value::Array(items) => {
                let item = node.and_then(|node| node.items);
                if item.is_none() && mode == Unknown::Keep {
                    return;
                }
                for (index, value) in items.iter_mut().enumerate() {
                    self.prune(item, value, &path.index(index), mode);
                }
            }
            _ => {}
        }
    }

    fn prune_fields(
        &mut self,
        node: Option<&Node>,
        map: &mut Map<String, Value>,
        path: &Path<'_>,
        mode: Unknown,
    ) {
        let mut unknown = Vec::new();
        for (name, value) in map.iter_mut() {
            let known = node.map(|node| (node.field(name), node.additional));
            match known {
                Some((Some(field), _)) => {
                    self.prune(Some(field), value, &path.field(name), Unknown::Prune);
                }
                Some((None, Additional::Any)) => {}
                // A map or list without any schema below a kept field is kept whole.
                _ if mode == Unknown::Keep => {}
                _ => unknown.push(name.clone()),
            }
        }
        for name in unknown {
            self.unknown.push(path.field(&name).to_string());
            map.remove(&name);
        }
    }

    /// Fills in defaults and drops nulls. `status` tells whether the value is part of the status.
    fn fill(&self, id: NodeId, value: &mut Value, status: bool) {
        let node = &self.arena[id];
        match value {
            Value::Object(map) => {
                self.drop_nulls(node, map);
                for (name, property) in &node.properties {
                    if map.contains_key(name) {
                        continue;
                    }
                    let wanted = property
                        .default
                        .as_ref()
                        .filter(|default| self.is_wanted(node, name, default, status));
                    if let Some(default) = wanted {
                        map.insert(name.clone(), default.clone());
                    }
                }
                for (name, value) in map.iter_mut() {
                    if let Some(field) = node.field(name) {
                        let status = status || (id == self.root && name == "status");
                        self.fill(field, value, status);
                    }
                }
            }
            Value::Array(items) => {
                if let Some(item) = node.items {
                    for value in items {
                        self.fill(item, value, status);
                    }
                }
            }
            Value::Number(number) if node.kind == Kind::Quantity => {
                *value = Value::String(number.to_string());
            }
            _ => {}
        }
    }

    fn drop_nulls(&self, node: &Node, map: &mut Map<String, Value>) {
        map.retain(|name, value| {
            if !value.is_null() {
                return true;
            }
            match node.field(name).map(|id| &self.arena[id]) {
                // What is not in the schema is kept as it is, if it was not pruned.
                None => true,
                Some(field) => match self.origin {
                    Origin::Builtin => field.kind == Kind::Any,
                    // Dropped here, a default fills it in again.
                    Origin::Custom => field.nullable,
                },
            }
        });
    }

    /// The documents of built-in types give the zero value of every Go field as its default. A
    /// real API server writes it out for fields that are never omitted; doing so in the spec
    /// would hide that a required field is missing, in the status it spares writers.
    fn is_wanted(&self, node: &Node, name: &str, default: &Value, status: bool) -> bool {
        let zero = match default {
            Value::Null | Value::Bool(false) => true,
            Value::String(s) => s.is_empty(),
            Value::Number(n) => n.as_f64() == Some(0.0),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        match self.origin {
            Origin::Custom => true,
            // An empty struct says nothing, and is no mistake: a NetworkPolicy that selects all.
            Origin::Builtin if zero => {
                (status || default.is_object()) && node.checks.required.iter().any(|r| r == name)
            }
            Origin::Builtin => true,
        }
    }
}
