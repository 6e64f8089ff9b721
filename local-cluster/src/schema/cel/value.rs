//! JSON values as CEL values, by their schema.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use cel::Value as Cel;
use cel::objects::{Key, Map as CelMap};
use serde_json::{Map, Value};

use crate::schema::arena::{Arena, Kind, ListKind, Node, NodeId};
use crate::schema::format::{Format, parse_duration};
use crate::schema::json::canonical;
use crate::schema::validate::list_key;

/// Names that CEL reserves; fields of these names are written `__name__`.
const RESERVED: [&str; 18] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
];

/// The name of a field in rules.
pub(super) fn escape(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    // Order matters: the replacements themselves have double underscores.
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}

/// Converts a value; without a schema by what it is.
pub(super) fn to_cel(arena: &Arena, id: Option<NodeId>, value: &Value) -> Cel {
    let node = id.map(|id| &arena[id]);
    match value {
        Value::Null => Cel::Null,
        Value::Bool(b) => Cel::Bool(*b),
        Value::Number(number) => {
            let float = node.is_some_and(|node| node.kind == Kind::Number);
            match number.as_i64() {
                Some(int) if !float => Cel::Int(int),
                _ => whole_or_float(number.as_f64().unwrap_or(f64::NAN), node),
            }
        }
        Value::String(text) => string(text, node.and_then(|node| node.checks.format)),
        Value::Array(items) => {
            let item = node.and_then(|node| node.items);
            let items = items.iter().map(|v| to_cel(arena, item, v)).collect();
            Cel::List(Arc::new(items))
        }
        Value::Object(map) => object(arena, node, map),
    }
}

/// `1.0` is a whole number where the schema wants one.
fn whole_or_float(float: f64, node: Option<&Node>) -> Cel {
    let whole = node.is_some_and(|node| matches!(node.kind, Kind::Integer | Kind::IntOrString));
    if whole && float.fract() == 0.0 && float.abs() < 9e15 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the bound above keeps the value exact"
        )]
        return Cel::Int(float as i64);
    }
    Cel::Float(float)
}

fn string(text: &str, format: Option<Format>) -> Cel {
    let typed = match format {
        Some(Format::DateTime) => chrono::DateTime::parse_from_rfc3339(text)
            .ok()
            .map(Cel::Timestamp),
        Some(Format::Date) => chrono::DateTime::parse_from_rfc3339(&format!("{text}T00:00:00Z"))
            .ok()
            .map(Cel::Timestamp),
        Some(Format::Duration) => {
            parse_duration(text).map(|nanos| Cel::Duration(chrono::Duration::nanoseconds(nanos)))
        }
        Some(Format::Byte) => base64::engine::general_purpose::STANDARD
            .decode(text)
            .ok()
            .map(|bytes| Cel::Bytes(Arc::new(bytes))),
        _ => None,
    };
    typed.unwrap_or_else(|| Cel::String(Arc::new(text.to_owned())))
}

fn object(arena: &Arena, node: Option<&Node>, map: &Map<String, Value>) -> Cel {
    let mut out: HashMap<Key, Cel> = HashMap::with_capacity(map.len());
    for (name, value) in map {
        let listed = node.is_some_and(|node| node.properties.contains_key(name));
        let field = node.and_then(|node| node.field(name));
        let key = if listed { escape(name) } else { name.clone() };
        out.insert(Key::String(Arc::new(key)), to_cel(arena, field, value));
    }
    Cel::Map(CelMap { map: Arc::new(out) })
}

/// The old value with its list maps and list sets in the order of the new one.
pub(super) fn align(arena: &Arena, id: NodeId, new: &Value, old: &Value) -> Value {
    let node = &arena[id];
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => old
            .iter()
            .map(|(name, value)| {
                let value = match (node.field(name), new.get(name)) {
                    (Some(field), Some(new)) => align(arena, field, new, value),
                    _ => value.clone(),
                };
                (name.clone(), value)
            })
            .collect(),
        (Value::Array(new), Value::Array(old)) => {
            let identity = |item: &Value| match &node.list {
                ListKind::Atomic => None,
                ListKind::Set => Some(canonical(item)),
                ListKind::Map(keys) => list_key(arena, node, keys, item).map(|k| canonical(&k)),
            };
            if node.list == ListKind::Atomic {
                return Value::Array(old.clone());
            }
            let place: HashMap<String, usize> = new
                .iter()
                .enumerate()
                .filter_map(|(index, item)| identity(item).map(|key| (key, index)))
                .collect();
            let mut items: Vec<(usize, Value)> = old
                .iter()
                .map(|item| {
                    let index = identity(item).and_then(|key| place.get(&key).copied());
                    let item = match (index, node.items) {
                        (Some(index), Some(id)) => align(arena, id, &new[index], item),
                        _ => item.clone(),
                    };
                    (index.unwrap_or(usize::MAX), item)
                })
                .collect();
            items.sort_by_key(|(index, _)| *index);
            items.into_iter().map(|(_, item)| item).collect()
        }
        _ => old.clone(),
    }
}
