//! Columns of custom resources: `additionalPrinterColumns`.

use serde_json::{Value, json};

use super::duration::age;
use super::json_path::find;
use crate::api::object::name;
use crate::api::resources::{Column, Resource};

pub(super) fn columns(resource: &Resource) -> Vec<Value> {
    let name = json!({
        "name": "Name",
        "type": "string",
        "format": "name",
        "description": "Name must be unique within a namespace.",
        "priority": 0,
    });
    let declared = resource.columns.iter().map(|c| {
        json!({
            "name": c.name,
            "type": c.kind,
            "format": c.format,
            "description": c.description,
            "priority": c.priority,
        })
    });
    std::iter::once(name).chain(declared).collect()
}

pub(super) fn cells(resource: &Resource, object: &Value) -> Vec<Value> {
    std::iter::once(json!(name(object)))
        .chain(resource.columns.iter().map(|c| cell(c, object)))
        .collect()
}

fn cell(column: &Column, object: &Value) -> Value {
    let found = find(object, &column.json_path);
    let Some(first) = found.first() else {
        return Value::Null;
    };
    match (column.kind.as_str(), first) {
        (_, Value::Null) => Value::Null,
        ("integer", Value::Number(n)) => n
            .as_i64()
            .or_else(|| n.as_f64().map(|f| f as i64))
            .map_or(Value::Null, Value::from),
        ("number", Value::Number(n)) => Value::Number(n.clone()),
        ("boolean", Value::Bool(b)) => Value::Bool(*b),
        ("date", Value::String(then)) => json!(age(then)),
        ("integer" | "number" | "boolean" | "date", _) => Value::Null,
        _ => json!(found.iter().map(|v| text(v)).collect::<Vec<_>>().join(",")),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}
