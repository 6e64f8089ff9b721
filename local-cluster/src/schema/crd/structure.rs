//! What makes a schema structural: types are given everywhere, and the parts of `allOf` and the
//! like only restrict values.

use regex::Regex;
use serde_json::Value;

use crate::schema::FieldError;
use crate::schema::arena::{is_int_or_string, strings};

/// Where a schema stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Root,
    Items,
    Field,
}

/// Checks that a schema is structural.
pub(super) fn check(schema: &Value, level: Level, path: &str, errors: &mut Vec<FieldError>) {
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
            ));
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
