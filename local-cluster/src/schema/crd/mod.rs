//! CustomResourceDefinitions: from `openAPIV3Schema` to a schema, with the checks that make a
//! schema structural.

mod defaults;
mod structure;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use self::defaults::check_defaults;
use self::structure::{Level, check};
use super::arena::{Arena, Builder, NodeId};
use super::cel;
use super::structural::{Origin, Schema};
use super::{FieldError, Gvk};

/// The definition of the metadata of every object.
pub(crate) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// One version of a custom resource.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) gvk: Gvk,
    pub(crate) served: bool,
    pub(crate) has_status: bool,
    pub(crate) has_scale: bool,
    /// The schema as the author wrote it.
    pub(crate) source: Value,
    pub(crate) schema: Arc<Schema>,
}

/// Parses and checks all versions of a definition. `definitions` are the schemas that
/// [`OBJECT_META`] needs.
pub(crate) fn parse(
    crd: &Value,
    definitions: &Map<String, Value>,
) -> Result<Vec<Version>, Vec<FieldError>> {
    let text = |pointer: &str| {
        crd.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let versions = crd
        .pointer("/spec/versions")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut parsed = Vec::new();
    let mut errors = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
        let Some(source) = version.pointer("/schema/openAPIV3Schema") else {
            errors.push(FieldError::required(&path, "schemas are required"));
            continue;
        };
        let has_status = version.pointer("/subresources/status").is_some();
        match schema(source, has_status, &path, definitions) {
            Err(found) => errors.extend(found),
            Ok(schema) => parsed.push(Version {
                gvk: Gvk {
                    group: text("/spec/group"),
                    version: version["name"].as_str().unwrap_or_default().to_owned(),
                    kind: text("/spec/names/kind"),
                },
                served: version.get("served") == Some(&Value::Bool(true)),
                has_status,
                has_scale: version.pointer("/subresources/scale").is_some(),
                source: source.clone(),
                schema: Arc::new(schema),
            }),
        }
    }
    if errors.is_empty() {
        Ok(parsed)
    } else {
        Err(errors)
    }
}

fn schema(
    source: &Value,
    has_status: bool,
    path: &str,
    definitions: &Map<String, Value>,
) -> Result<Schema, Vec<FieldError>> {
    let mut errors = Vec::new();
    check(source, Level::Root, path, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut builder = Builder::new(definitions);
    let root = builder.schema(&with_type_meta(source, true, definitions));
    let mut arena = builder.finish();
    let mut walk = Compile {
        arena: &mut arena,
        errors,
    };
    walk.node(root, Position::ROOT, path, source);
    if !walk.errors.is_empty() {
        return Err(walk.errors);
    }
    let schema = Schema {
        arena: Arc::new(arena),
        root,
        origin: Origin::Custom,
        has_status,
    };
    let errors = check_defaults(source, path, &schema);
    if errors.is_empty() {
        Ok(schema)
    } else {
        Err(errors)
    }
}

/// Adds the fields that every resource has: at the root, and in embedded resources.
fn with_type_meta(schema: &Value, resource: bool, definitions: &Map<String, Value>) -> Value {
    let Value::Object(map) = schema else {
        return schema.clone();
    };
    let mut out = Map::new();
    for (key, value) in map {
        let value = match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => properties
                .iter()
                .map(|(name, property)| {
                    (name.clone(), with_type_meta(property, false, definitions))
                })
                .collect(),
            ("items" | "additionalProperties", value) => with_type_meta(value, false, definitions),
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    let embedded = map.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true));
    if resource || embedded {
        let properties = out.entry("properties").or_insert_with(|| json!({}));
        if let Value::Object(properties) = properties {
            let meta = json!({"$ref": format!("#/components/schemas/{OBJECT_META}")});
            let meta = match properties
                .get("metadata")
                .filter(|m| m.get("properties").is_some())
            {
                // A schema may restrict names; it does so on top of what metadata is anyway.
                Some(own) => restricted(own, definitions),
                None => meta,
            };
            properties.insert("metadata".into(), meta);
            for name in ["apiVersion", "kind"] {
                properties
                    .entry(name)
                    .or_insert_with(|| json!({"type": "string"}));
            }
        }
    }
    if embedded {
        let required = out.entry("required").or_insert_with(|| json!([]));
        if let Value::Array(required) = required {
            for name in ["apiVersion", "kind"] {
                if !required.contains(&Value::from(name)) {
                    required.push(name.into());
                }
            }
        }
    }
    Value::Object(out)
}

/// The schema of metadata with what a definition asks of it on top.
fn restricted(own: &Value, definitions: &Map<String, Value>) -> Value {
    let mut meta = definitions.get(OBJECT_META).cloned().unwrap_or_default();
    if let Value::Object(meta) = &mut meta {
        let properties = own.get("properties").cloned().unwrap_or_default();
        meta.insert("allOf".into(), json!([{"properties": properties}]));
    }
    meta
}

/// Where a schema stands, for the rules in it.
#[derive(Clone, Copy)]
struct Position {
    root: bool,
    correlatable: bool,
}

impl Position {
    const ROOT: Self = Self {
        root: true,
        correlatable: true,
    };
}

struct Compile<'a> {
    arena: &'a mut Arena,
    errors: Vec<FieldError>,
}

impl Compile<'_> {
    fn node(&mut self, id: NodeId, position: Position, path: &str, source: &Value) {
        let correlatable = position.correlatable;
        let found = cel::compile_rules(self.arena, id, position.root, path, correlatable);
        self.errors.extend(found);
        let node = &self.arena[id];
        let inner = Position {
            root: false,
            correlatable: correlatable && cel::is_correlatable(node),
        };
        let is_resource = position.root;
        let items = node.items;
        let additional = source.get("additionalProperties").filter(|a| a.is_object());
        let additional = additional.and_then(|source| Some((source, node.field("")?)));
        let fields: Vec<(String, NodeId)> = node
            .properties
            .iter()
            .map(|(name, property)| (name.clone(), property.node))
            .collect();
        for (name, field) in fields {
            // Only what the author wrote has rules; metadata is not walked.
            if let Some(source) = source.pointer(&format!("/properties/{}", escaped(&name))) {
                let path = format!("{path}.properties[{name}]");
                let embedded = self.arena[field].embedded;
                let position = Position {
                    root: embedded,
                    ..inner
                };
                if !(name == "metadata" && is_resource) {
                    self.node(field, position, &path, source);
                }
            }
        }
        if let (Some(item), Some(source)) = (items, source.get("items")) {
            self.node(item, inner, &format!("{path}.items"), source);
        }
        if let Some((source, value)) = additional {
            self.node(
                value,
                inner,
                &format!("{path}.additionalProperties"),
                source,
            );
        }
    }
}

/// A name as a part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
