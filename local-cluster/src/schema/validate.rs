//! Validation of values against a schema: everything but the rules in CEL.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};

use super::FieldError;
use super::arena::{Arena, Checks, Kind, ListKind, Node, NodeId};
use super::format::Format;
use super::json::{Path, canonical, equal, is_integer, type_name};

/// Collects what is wrong with a value.
pub(crate) struct Validator<'a> {
    arena: &'a Arena,
    errors: &'a mut Vec<FieldError>,
}

impl<'a> Validator<'a> {
    pub(crate) fn new(arena: &'a Arena, errors: &'a mut Vec<FieldError>) -> Self {
        Self { arena, errors }
    }

    /// Checks a value and all that it holds. What equals its old value is not checked, so that a
    /// stored object stays writable after its schema got stricter.
    pub(crate) fn check(
        &mut self,
        id: NodeId,
        value: &Value,
        old: Option<&Value>,
        path: &Path<'_>,
    ) {
        if old.is_some_and(|old| equal(old, value)) {
            return;
        }
        let node = &self.arena[id];
        if value.is_null() && node.nullable {
            return;
        }
        if !self.check_type(node, value, path) {
            return;
        }
        match value {
            Value::String(text) => self.check_string(&node.checks, text, path),
            Value::Number(number) => self.check_number(node, number, path),
            Value::Array(items) => self.check_items(node, items, old, path),
            Value::Object(map) => self.check_fields(node, map, old, path),
            Value::Null | Value::Bool(_) => {}
        }
        self.check_enumeration(&node.checks, value, path);
        self.check_junctions(&node.checks, value, old, path);
    }

    fn check_type(&mut self, node: &Node, value: &Value, path: &Path<'_>) -> bool {
        let (fits, wanted) = match node.kind {
            Kind::Any => return true,
            Kind::Object => (value.is_object(), "object"),
            Kind::Array => (value.is_array(), "array"),
            Kind::String => (value.is_string(), "string"),
            Kind::Boolean => (value.is_boolean(), "boolean"),
            Kind::Number => (value.is_number(), "number"),
            Kind::Integer => (integer(value), "integer"),
            Kind::IntOrString => (value.is_string() || integer(value), "integer,string"),
            Kind::Quantity => (
                value.is_number() || value.as_str().is_some_and(is_quantity),
                "quantity",
            ),
        };
        if !fits {
            let found = Value::from(type_name(value));
            let detail = format!("{path} in body must be of type {wanted}: {found}");
            self.errors
                .push(FieldError::type_invalid(path, &found, &detail));
        }
        fits
    }

    /// The first thing that is wrong with a string is the only one that is told, beside its format.
    fn check_string(&mut self, checks: &Checks, text: &str, path: &Path<'_>) {
        let length = || text.chars().count() as u64;
        if let Some(max) = checks.max_length
            && length() > max
        {
            self.errors.push(FieldError::too_long(path, max));
        } else if let Some(min) = checks.min_length
            && length() < min
        {
            let detail = format!("{path} in body should be at least {min} chars long");
            self.invalid(path, &Value::from(text), &detail);
        } else if let Some(pattern) = &checks.pattern
            && !pattern.is_match(text)
        {
            let detail = format!("{path} in body should match '{pattern}'");
            self.invalid(path, &Value::from(text), &detail);
        }
        if let Some(format) = checks.format
            && !format.accepts(text)
        {
            let value = Value::from(text);
            let detail = format!("{path} in body must be of type {}: {value}", format.name());
            self.errors
                .push(FieldError::type_invalid(path, &value, &detail));
        }
    }

    fn check_number(&mut self, node: &Node, number: &Number, path: &Path<'_>) {
        let checks = &node.checks;
        let Some(value) = number.as_f64() else { return };
        let shown = Value::Number(number.clone());
        if let Some(min) = checks.minimum
            && (value < min || (checks.exclusive_minimum && value <= min))
        {
            let equal = if checks.exclusive_minimum {
                ""
            } else {
                " or equal to"
            };
            let detail = format!("{path} in body should be greater than{equal} {min}");
            self.invalid(path, &shown, &detail);
        }
        if let Some(max) = checks.maximum
            && (value > max || (checks.exclusive_maximum && value >= max))
        {
            let equal = if checks.exclusive_maximum {
                ""
            } else {
                " or equal to"
            };
            let detail = format!("{path} in body should be less than{equal} {max}");
            self.invalid(path, &shown, &detail);
        }
        if let Some(multiple) = checks.multiple_of
            && multiple > 0.0
            && (value / multiple).fract().abs() > 1e-9
        {
            let detail = format!("{path} in body should be a multiple of {multiple}");
            self.invalid(path, &shown, &detail);
        }
        let fits = match checks.format {
            Some(Format::Int32) => number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
            Some(Format::Int64) => number.as_i64().is_some() || number.is_f64(),
            _ => true,
        };
        if !fits && node.kind == Kind::Integer {
            let name = checks.format.map_or("int64", Format::name);
            let detail = format!("{path} in body must be of type {name}: {shown}");
            self.errors
                .push(FieldError::type_invalid(path, &shown, &detail));
        }
    }

    fn check_items(&mut self, node: &Node, items: &[Value], old: Option<&Value>, path: &Path<'_>) {
        let checks = &node.checks;
        if let Some(max) = checks.max_items
            && items.len() as u64 > max
        {
            self.errors
                .push(FieldError::too_many(path, items.len(), max));
        }
        if let Some(min) = checks.min_items
            && (items.len() as u64) < min
        {
            let detail = format!("{path} in body should have at least {min} items");
            self.invalid(path, &Value::from(items.len()), &detail);
        }
        self.check_unique(node, items, path);
        let Some(item) = node.items else { return };
        let old_items = OldItems::new(self.arena, node, old);
        for (index, value) in items.iter().enumerate() {
            self.check(item, value, old_items.get(value), &path.index(index));
        }
    }

    fn check_unique(&mut self, node: &Node, items: &[Value], path: &Path<'_>) {
        let identity = |item: &Value| match &node.list {
            ListKind::Atomic => None,
            ListKind::Set => Some((canonical(item), item.clone())),
            ListKind::Map(keys) => {
                let key = list_key(self.arena, node, keys, item)?;
                Some((canonical(&key), key))
            }
        };
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (index, item) in items.iter().enumerate() {
            if let Some((text, shown)) = identity(item) {
                let times = seen.entry(text).or_default();
                *times += 1;
                // The third and further ones add nothing to the message.
                if *times == 2 {
                    self.errors
                        .push(FieldError::duplicate(path.index(index), &shown));
                }
            }
        }
    }

    fn check_fields(
        &mut self,
        node: &Node,
        map: &Map<String, Value>,
        old: Option<&Value>,
        path: &Path<'_>,
    ) {
        let checks = &node.checks;
        for name in &checks.required {
            if !map.contains_key(name) {
                self.errors.push(FieldError::required(path.field(name), ""));
            }
        }
        if let Some(max) = checks.max_properties
            && map.len() as u64 > max
        {
            self.errors.push(FieldError::too_many(path, map.len(), max));
        }
        if let Some(min) = checks.min_properties
            && (map.len() as u64) < min
        {
            let detail = format!("{path} in body should have at least {min} properties");
            self.invalid(path, &Value::from(map.len()), &detail);
        }
        for (name, value) in map {
            if let Some(field) = node.field(name) {
                let old = old.and_then(|old| old.get(name));
                self.check(field, value, old, &path.field(name));
            }
        }
    }

    fn check_enumeration(&mut self, checks: &Checks, value: &Value, path: &Path<'_>) {
        let valid = &checks.enumeration;
        if !valid.is_empty() && !valid.iter().any(|v| equal(v, value)) {
            self.errors
                .push(FieldError::not_supported(path, value, valid));
        }
    }

    fn check_junctions(
        &mut self,
        checks: &Checks,
        value: &Value,
        old: Option<&Value>,
        path: &Path<'_>,
    ) {
        for branch in &checks.all_of {
            self.check(*branch, value, old, path);
        }
        let matching = |branches: &[NodeId]| {
            branches
                .iter()
                .filter(|branch| matches(self.arena, **branch, value))
                .count()
        };
        if !checks.any_of.is_empty() && matching(&checks.any_of) == 0 {
            let detail = format!("{path} in body must validate at least one schema (anyOf)");
            self.invalid(path, value, &detail);
        }
        if !checks.one_of.is_empty() && matching(&checks.one_of) != 1 {
            let found = matching(&checks.one_of);
            let found = if found == 0 {
                "none valid"
            } else {
                "more than one valid"
            };
            let detail = format!(
                "{path} in body must validate one and only one schema (oneOf). Found {found}"
            );
            self.invalid(path, value, &detail);
        }
        if checks
            .not
            .is_some_and(|not| matches(self.arena, not, value))
        {
            let detail = format!("{path} in body must not validate the schema (not)");
            self.invalid(path, value, &detail);
        }
    }

    fn invalid(&mut self, path: &Path<'_>, value: &Value, detail: &str) {
        self.errors.push(FieldError::invalid(path, value, detail));
    }
}

/// Whether a value fits a branch of `anyOf`, `oneOf` or `not`.
fn matches(arena: &Arena, id: NodeId, value: &Value) -> bool {
    let mut errors = Vec::new();
    Validator::new(arena, &mut errors).check(id, value, None, &Path::ROOT);
    errors.is_empty()
}

fn integer(value: &Value) -> bool {
    matches!(value, Value::Number(number) if is_integer(number))
}

/// A quantity: a decimal number with an optional suffix or exponent.
fn is_quantity(text: &str) -> bool {
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = number
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(number.len());
    let (digits, suffix) = number.split_at(end);
    let exponent = suffix
        .strip_prefix(['e', 'E'])
        .is_some_and(|e| e.parse::<i32>().is_ok());
    digits.parse::<f64>().is_ok()
        && (exponent
            || matches!(
                suffix,
                "" | "n"
                    | "u"
                    | "m"
                    | "k"
                    | "M"
                    | "G"
                    | "T"
                    | "P"
                    | "E"
                    | "Ki"
                    | "Mi"
                    | "Gi"
                    | "Ti"
                    | "Pi"
                    | "Ei"
            ))
}

/// The key of an item of a list map, as an object; None when the item has no key.
pub(crate) fn list_key(arena: &Arena, list: &Node, keys: &[String], item: &Value) -> Option<Value> {
    let item = item.as_object()?;
    let schema = list.items.map(|id| &arena[id]);
    let mut key = Map::new();
    for name in keys {
        let value = item.get(name).or_else(|| {
            schema
                .and_then(|schema| schema.properties.get(name))
                .and_then(|property| property.default.as_ref())
        })?;
        key.insert(name.clone(), value.clone());
    }
    Some(Value::Object(key))
}

/// The items of the old list, found again by key. Items of other lists have no counterpart.
pub(crate) struct OldItems<'a> {
    arena: &'a Arena,
    list: &'a Node,
    by_key: HashMap<String, &'a Value>,
}

impl<'a> OldItems<'a> {
    pub(crate) fn new(arena: &'a Arena, list: &'a Node, old: Option<&'a Value>) -> Self {
        let mut by_key = HashMap::new();
        if let (ListKind::Map(keys), Some(Value::Array(items))) = (&list.list, old) {
            for item in items {
                if let Some(key) = list_key(arena, list, keys, item) {
                    by_key.insert(canonical(&key), item);
                }
            }
        }
        Self {
            arena,
            list,
            by_key,
        }
    }

    /// The old item that has the same key.
    pub(crate) fn get(&self, item: &Value) -> Option<&'a Value> {
        let ListKind::Map(keys) = &self.list.list else {
            return None;
        };
        let key = list_key(self.arena, self.list, keys, item)?;
        self.by_key.get(&canonical(&key)).copied()
    }
}
