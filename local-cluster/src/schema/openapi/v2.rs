//! The OpenAPI v2 document, made from the v3 ones.

use serde_json::{Map, Value, json};

const JSON: [&str; 2] = ["application/json", "application/yaml"];

/// Joins v3 documents into one v2 document.
pub(crate) fn from_v3<'a>(documents: impl Iterator<Item = &'a Value>) -> Value {
    let mut paths = Map::new();
    let mut definitions = Map::new();
    for document in documents {
        let source = |pointer: &str| document.pointer(pointer).and_then(Value::as_object);
        for (path, item) in source("/paths").into_iter().flatten() {
            paths.insert(path.clone(), path_item(item));
        }
        for (name, schema) in source("/components/schemas").into_iter().flatten() {
            definitions
                .entry(name.clone())
                .or_insert_with(|| rewritten(schema));
        }
    }
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.33"},
        "paths": paths,
        "definitions": definitions,
    })
}

fn path_item(item: &Value) -> Value {
    let Value::Object(item) = item else {
        return item.clone();
    };
    item.iter()
        .map(|(key, value)| {
            let value = match key.as_str() {
                "parameters" => parameters(value),
                _ => operation(value),
            };
            (key.clone(), value)
        })
        .collect()
}

fn operation(operation: &Value) -> Value {
    let Value::Object(source) = operation else {
        return operation.clone();
    };
    let mut out = Map::new();
    let mut body = None;
    for (key, value) in source {
        match key.as_str() {
            "parameters" => {
                out.insert(key.clone(), parameters(value));
            }
            "requestBody" => {
                let content = value.get("content").and_then(Value::as_object);
                let types: Vec<&String> = content.into_iter().flat_map(Map::keys).collect();
                out.insert("consumes".into(), json!(types));
                body = content.and_then(|content| content.values().next());
            }
            "responses" => {
                out.insert("produces".into(), json!(JSON));
                let responses = value.as_object().into_iter().flatten();
                let responses = responses.map(|(code, r)| (code.clone(), response(r)));
                out.insert(key.clone(), responses.collect());
            }
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    if let Some(schema) = body.and_then(|body| body.get("schema")) {
        let parameter = json!({
            "name": "body", "in": "body", "required": true, "schema": rewritten(schema),
        });
        match out.get_mut("parameters") {
            Some(Value::Array(list)) => list.push(parameter),
            _ => {
                out.insert("parameters".into(), json!([parameter]));
            }
        }
    }
    Value::Object(out)
}

fn response(response: &Value) -> Value {
    let mut out = Map::new();
    let description = response.get("description").cloned();
    out.insert(
        "description".into(),
        description.unwrap_or_else(|| json!("")),
    );
    let content = response.get("content").and_then(Value::as_object);
    if let Some(schema) = content
        .and_then(|content| content.values().next())
        .and_then(|body| body.get("schema"))
    {
        out.insert("schema".into(), rewritten(schema));
    }
    Value::Object(out)
}

/// Parameters have their type beside them, not in a schema.
fn parameters(list: &Value) -> Value {
    let list = list.as_array().into_iter().flatten();
    list.map(|parameter| {
        let mut out = Map::new();
        for (key, value) in parameter.as_object().into_iter().flatten() {
            match (key.as_str(), value) {
                ("schema", Value::Object(schema)) => out.extend(schema.clone()),
                _ => {
                    out.insert(key.clone(), value.clone());
                }
            }
        }
        Value::Object(out)
    })
    .collect()
}

/// Words of v3 that v2 does not have. They are left out, so that clients check less, not more.
const ONLY_V3: [&str; 5] = ["nullable", "oneOf", "anyOf", "not", "default"];

fn rewritten(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            // A reference with siblings is the only part of `allOf` in v3.
            if let Some([only]) = map
                .get("allOf")
                .and_then(Value::as_array)
                .map(Vec::as_slice)
                && only.get("$ref").is_some()
            {
                let mut out = map.clone();
                out.remove("allOf");
                out.extend(only.as_object().cloned().unwrap_or_default());
                return rewritten(&Value::Object(out));
            }
            map.iter()
                .filter(|(key, value)| !(is_keyword(map) && dropped(key, value)))
                .map(|(key, value)| match (key.as_str(), value) {
                    ("$ref", Value::String(target)) => {
                        let target = target.replace("#/components/schemas/", "#/definitions/");
                        (key.clone(), target.into())
                    }
                    _ => (key.clone(), rewritten(value)),
                })
                .collect()
        }
        Value::Array(items) => items.iter().map(rewritten).collect(),
        other => other.clone(),
    }
}

fn dropped(key: &str, value: &Value) -> bool {
    ONLY_V3.contains(&key) || (key == "allOf" && value.is_array())
}

/// Whether a map is a schema and not the properties of one, whose names may be anything.
fn is_keyword(map: &Map<String, Value>) -> bool {
    map.values().any(|value| !value.is_object())
}
