//! CustomResourceDefinitions: from `openAPIV3Schema` to a schema, with the checks that make a
//! schema structural.

use std::sync::Arc;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::arena::{Arena, Builder, NodeId, is_int_or_string, strings};
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Items,
    Field,
}

/// Checks that a schema is structural.
fn check(schema: &Value, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    let flag = |key: &str| schema.get(key) == Some(&Value::Bool(true));
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    let kind = text("type");
    let embedded = flag("x-kubernetes-embedded-resource");
    let preserve = flag("x-kubernetes-preserve-unknown-fields");
    let int_or_string = flag("x-kubernetes-int-or-string");
    let known = ["object", "array", "string", "integer", "number", "boolean"];
    match kind {
        None | Some("") if embedded => errors.push(FieldError::required(
            format!("{path}.type"),
            "must be object if x-kubernetes-embedded-resource is true",
        )),
        None | Some("") if !int_or_string && !preserve => {
            let place = match level {
                Level::Root => "at the root",
                Level::Items => "for specified array items",
                Level::Field => "for specified object fields",
            };
            let detail = format!("must not be empty {place}");
            errors.push(FieldError::required(format!("{path}.type"), &detail));
        }
        None | Some("") => {}
        Some(other) if !known.contains(&other) => errors.push(FieldError::not_supported(
            format!("{path}.type"),
            &Value::from(other),
            &known.map(Value::from),
        )),
        Some(other) if level == Level::Root && other != "object" => {
            errors.push(FieldError::invalid(
                format!("{path}.type"),
                &Value::from(other),
                "must be object at the root",
            ))
        }
        Some("array") if schema.get("items").is_none() => {
            errors.push(FieldError::required(
                format!("{path}.items"),
                "must be specified",
            ));
        }
        Some(_) => {}
    }
    let mut forbid = |key: &str, detail: &str| {
        errors.push(FieldError::forbidden(format!("{path}.{key}"), detail));
    };
    for key in [
        "$ref",
        "definitions",
        "dependencies",
        "patternProperties",
        "additionalItems",
        "id",
    ] {
        if schema.get(key).is_some() {
            forbid(key, &format!("{key} is not supported"));
        }
    }
    if flag("uniqueItems") {
        let detail =
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        forbid("uniqueItems", detail);
    }
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        errors.push(FieldError::invalid(
            format!("{path}.x-kubernetes-preserve-unknown-fields"),
            &Value::Bool(false),
            "must be true or undefined",
        ));
    }
    check_value_rules(schema, path, errors);
    check_topology(schema, path, errors);
    check_children(schema, level, path, errors);
}

fn check_children(schema: &Value, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(items) = schema.get("items") {
        check(items, Level::Items, &format!("{path}.items"), errors);
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    if let Some(additional) = schema.get("additionalProperties") {
        let field = format!("{path}.additionalProperties");
        if level == Level::Root {
            errors.push(FieldError::forbidden(
                &field,
                "must not be used at the root",
            ));
        }
        if properties.is_some_and(|p| !p.is_empty()) && *additional != Value::Bool(true) {
            let detail = "additionalProperties and properties are mutual exclusive";
            errors.push(FieldError::forbidden(&field, detail));
        }
        if additional.is_object() {
            check(additional, Level::Field, &field, errors);
        }
    }
    for (name, property) in properties.into_iter().flatten() {
        let field = format!("{path}.properties[{name}]");
        if level == Level::Root && name == "metadata" {
            let own = property.get("properties").and_then(Value::as_object);
            let allowed = own.is_none_or(|p| p.keys().all(|k| k == "name" || k == "generateName"));
            if !allowed || property.get("required").is_some() {
                errors.push(FieldError::forbidden(
                    &field,
                    "must not specify anything other than name and generateName, \
                     but metadata is implicitly specified",
                ));
            }
            continue;
        }
        check(property, Level::Field, &field, errors);
    }
    let int_or_string = is_int_or_string(schema);
    for key in ["allOf", "anyOf", "oneOf"] {
        let branches = schema.get(key).and_then(Value::as_array);
        for (index, branch) in branches.into_iter().flatten().enumerate() {
            let skip =
                (key == "anyOf" && int_or_string) || (index == 0 && is_int_or_string(branch));
            if !skip {
                check_nested(branch, &format!("{path}.{key}[{index}]"), errors);
            }
        }
    }
    if let Some(not) = schema.get("not") {
        check_nested(not, &format!("{path}.not"), errors);
    }
}

/// Below `allOf` and the like only values are checked; the structure stands outside.
fn check_nested(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for key in [
        "type",
        "title",
        "description",
        "default",
        "nullable",
        "additionalProperties",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-validations",
    ] {
        if schema.get(key).is_some() {
            let field = format!("{path}.{key}");
            errors.push(FieldError::forbidden(
                field,
                "must be undefined to be structural",
            ));
        }
    }
    check_value_rules(schema, path, errors);
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        check_nested(property, &format!("{path}.properties[{name}]"), errors);
    }
    if let Some(items) = schema.get("items") {
        check_nested(items, &format!("{path}.items"), errors);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        let branches = schema.get(key).and_then(Value::as_array);
        for (index, branch) in branches.into_iter().flatten().enumerate() {
            check_nested(branch, &format!("{path}.{key}[{index}]"), errors);
        }
    }
    if let Some(not) = schema.get("not") {
        check_nested(not, &format!("{path}.not"), errors);
    }
}

fn check_value_rules(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && let Err(error) = Regex::new(pattern)
    {
        errors.push(FieldError::invalid(
            format!("{path}.pattern"),
            &Value::from(pattern),
            &format!("must be a valid regular expression, but isn't: {error}"),
        ));
    }
}

fn check_topology(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    for (key, kind, known) in [
        (
            "x-kubernetes-list-type",
            "array",
            &["atomic", "set", "map"][..],
        ),
        (
            "x-kubernetes-map-type",
            "object",
            &["atomic", "granular"][..],
        ),
    ] {
        let Some(topology) = text(key) else { continue };
        if text("type") != Some(kind) {
            let detail = format!("must be {kind} if {key} is specified");
            let value = schema.get("type").cloned().unwrap_or_default();
            errors.push(FieldError::invalid(format!("{path}.type"), &value, &detail));
        }
        if !known.contains(&topology) {
            let known: Vec<Value> = known.iter().map(|k| Value::from(*k)).collect();
            let value = Value::from(topology);
            errors.push(FieldError::not_supported(
                format!("{path}.{key}"),
                &value,
                &known,
            ));
        }
    }
    let keys = strings(schema.get("x-kubernetes-list-map-keys"));
    let field = format!("{path}.x-kubernetes-list-map-keys");
    match text("x-kubernetes-list-type") {
        Some("map") if keys.is_empty() => errors.push(FieldError::required(
            field,
            "must not be empty if x-kubernetes-list-type is map",
        )),
        Some("map") => check_map_keys(schema, &keys, path, errors),
        other if !keys.is_empty() => errors.push(FieldError::invalid(
            format!("{path}.x-kubernetes-list-type"),
            &Value::from(other.unwrap_or_default()),
            "must be map if x-kubernetes-list-map-keys is non-empty",
        )),
        _ => {}
    }
}

fn check_map_keys(schema: &Value, keys: &[String], path: &str, errors: &mut Vec<FieldError>) {
    let items = &schema["items"];
    let required = strings(items.get("required"));
    for key in keys {
        let field = format!("{path}.x-kubernetes-list-map-keys");
        let Some(property) = items.pointer(&format!("/properties/{key}")) else {
            let detail = "entries must all be names of item properties";
            errors.push(FieldError::invalid(
                field,
                &Value::from(key.as_str()),
                detail,
            ));
            continue;
        };
        if matches!(property["type"].as_str(), Some("array" | "object")) {
            errors.push(FieldError::invalid(
                format!("{path}.items.properties[{key}].type"),
                &property["type"],
                "must be a scalar type if parent array's x-kubernetes-list-type is map",
            ));
        }
        if property.get("default").is_none() && !required.contains(key) {
            errors.push(FieldError::required(
                format!("{path}.items.properties[{key}].default"),
                "this property is in x-kubernetes-list-map-keys, so it must have a default \
                 or be a required property",
            ));
        }
    }
}

/// Checks that defaults fit their own schemas.
fn check_defaults(source: &Value, path: &str, schema: &Schema) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk_defaults(source, schema.root, path, schema, &mut errors);
    errors
}

fn walk_defaults(
    source: &Value,
    id: NodeId,
    path: &str,
    schema: &Schema,
    errors: &mut Vec<FieldError>,
) {
    if let Some(default) = source.get("default") {
        let part = Schema {
            root: id,
            ..schema.clone()
        };
        let mut pruned = default.clone();
        let unknown = part.default_and_prune(&mut pruned);
        let field = format!("{path}.default");
        if !unknown.is_empty() {
            let detail = format!("must not have unknown fields: {}", unknown.join(", "));
            errors.push(FieldError::invalid(&field, default, &detail));
        }
        for error in part.validate(&pruned, None) {
            errors.push(FieldError {
                field: if error.field.is_empty() {
                    field.clone()
                } else {
                    format!("{field}.{}", error.field)
                },
                ..error
            });
        }
    }
    let node = &schema.arena[id];
    let properties = source.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if let Some(field) = node.properties.get(name) {
            let path = format!("{path}.properties[{name}]");
            walk_defaults(property, field.node, &path, schema, errors);
        }
    }
    if let (Some(items), Some(item)) = (source.get("items"), node.items) {
        walk_defaults(items, item, &format!("{path}.items"), schema, errors);
    }
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
