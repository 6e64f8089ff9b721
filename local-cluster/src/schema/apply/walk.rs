//! Walks over typed values: which fields a value has, what changed between two, and removal.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::set::{Element, Set};
use super::typed::{Atom, ListType, Shape, Type};
use crate::schema::json::{equal, without_nulls};

/// The fields of a value.
pub(super) fn fields(of: Type<'_>, value: &Value) -> Set {
    owned(of, value).below
}

/// A value's own place in the set of its parent, and what is below it.
struct Owned {
    leaf: bool,
    below: Set,
}

fn owned(of: Type<'_>, value: &Value) -> Owned {
    let leaf = Owned {
        leaf: true,
        below: Set::default(),
    };
    let mut below = Set::default();
    match of.atom_of(value) {
        Atom::Scalar => return leaf,
        Atom::List(list) if list.is_atomic() => return leaf,
        Atom::Map(map) if map.is_atomic() => return leaf,
        Atom::List(list) => {
            let mut items: BTreeMap<Element, Vec<&Value>> = BTreeMap::new();
            for item in value.as_array().into_iter().flatten() {
                if let Ok(element) = list.element(item) {
                    items.entry(element).or_default().push(item);
                }
            }
            for (element, items) in items {
                // Duplicates are owned together, without what is in them.
                if let [item] = items[..] {
                    below.insert_below(element.clone(), fields(list.item(), item));
                }
                below.insert(element);
            }
        }
        Atom::Map(map) => {
            for (name, value) in value.as_object().into_iter().flatten() {
                let element = Element::field(name);
                let child = owned(map.field_or_deduced(name), value);
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                if child.leaf || empty || !map.is_declared(name) {
                    below.insert(element.clone());
                }
                below.insert_below(element, child.below);
            }
        }
    }
    Owned { leaf: false, below }
}

/// What changed from one value to another. No path is in more than one of the sets.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    pub(super) removed: Set,
    pub(super) modified: Set,
    pub(super) added: Set,
}

impl Comparison {
    /// The comparison without some fields of the root.
    pub(super) fn without_fields(&self, unwanted: impl Fn(&str) -> bool + Copy) -> Self {
        Self {
            removed: self.removed.without_fields(unwanted),
            modified: self.modified.without_fields(unwanted),
            added: self.added.without_fields(unwanted),
        }
    }

    fn put(&mut self, element: &Element, change: Option<Change>, below: Self) {
        let set = match change {
            Some(Change::Removed) => Some(&mut self.removed),
            Some(Change::Modified) => Some(&mut self.modified),
            Some(Change::Added) => Some(&mut self.added),
            None => None,
        };
        if let Some(set) = set {
            set.insert(element.clone());
        }
        self.removed.insert_below(element.clone(), below.removed);
        self.modified.insert_below(element.clone(), below.modified);
        self.added.insert_below(element.clone(), below.added);
    }

    fn join(&mut self, other: &Self) {
        self.removed = self.removed.union(&other.removed);
        self.modified = self.modified.union(&other.modified);
        self.added = self.added.union(&other.added);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Removed,
    Modified,
    Added,
}

/// Compares two objects.
pub(super) fn compare(of: Type<'_>, old: &Value, new: &Value) -> Comparison {
    compare_values(of, Some(old), Some(new)).1
}

fn compare_values(
    of: Type<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
) -> (Option<Change>, Comparison) {
    let shape = |value: Option<&Value>| value.and_then(|value| of.shape(value));
    match (shape(old), shape(new)) {
        (Some(a), Some(b)) if a != b => {
            // Of two different kinds: everything below the old one goes, the new one comes.
            let (_, mut below) = compare_as(of.atom(a), old, new);
            let (change, other) = compare_as(of.atom(b), old, new);
            below.join(&other);
            (change.or(Some(Change::Modified)), below)
        }
        (a, b) => compare_as(of.atom(b.or(a).unwrap_or(Shape::Map)), old, new),
    }
}

fn compare_as(
    atom: Atom<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
) -> (Option<Change>, Comparison) {
    let leaf = || {
        let change = match (old, new) {
            (None, _) => Some(Change::Added),
            (_, None) => Some(Change::Removed),
            (Some(old), Some(new)) if !equal(old, new) => Some(Change::Modified),
            _ => None,
        };
        (change, Comparison::default())
    };
    let mut out = Comparison::default();
    match atom {
        Atom::Scalar => return leaf(),
        Atom::List(list) => {
            let old = old.and_then(Value::as_array).filter(|l| !l.is_empty());
            let new = new.and_then(Value::as_array).filter(|l| !l.is_empty());
            // Two empty lists are a leaf, which keeps null and empty apart.
            if list.is_atomic() || (old.is_none() && new.is_none()) {
                return leaf();
            }
            compare_items(list, old, new, &mut out);
        }
        Atom::Map(map) => {
            let old = old.and_then(Value::as_object).filter(|m| !m.is_empty());
            let new = new.and_then(Value::as_object).filter(|m| !m.is_empty());
            if map.is_atomic() || (old.is_none() && new.is_none()) {
                return leaf();
            }
            let get = |side: Option<&Map<String, Value>>, name: &str| -> Option<Value> {
                side.and_then(|side| side.get(name)).cloned()
            };
            let names = old.into_iter().chain(new).flat_map(Map::keys);
            let names: std::collections::BTreeSet<&String> = names.collect();
            for name in names {
                let (l, r) = (get(old, name), get(new, name));
                let of = map.field_or_deduced(name);
                let (change, below) = compare_values(of, l.as_ref(), r.as_ref());
                out.put(&Element::field(name), change, below);
            }
        }
    }
    let change = match (old, new) {
        (None, _) => Some(Change::Added),
        (_, None) => Some(Change::Removed),
        _ => None,
    };
    (change, out)
}

fn compare_items(
    list: ListType<'_>,
    old: Option<&Vec<Value>>,
    new: Option<&Vec<Value>>,
    out: &mut Comparison,
) {
    let mut items: BTreeMap<Element, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
    for item in old.into_iter().flatten() {
        if let Ok(element) = list.element(item) {
            items.entry(element).or_default().0.push(item);
        }
    }
    for item in new.into_iter().flatten() {
        if let Ok(element) = list.element(item) {
            items.entry(element).or_default().1.push(item);
        }
    }
    for (element, (old, new)) in items {
        let one = |side: &[&Value]| -> Option<Value> {
            match side {
                [only] => Some((*only).clone()),
                _ => None,
            }
        };
        let (l, r) = (one(&old), one(&new));
        let duplicated = match (old.len() > 1, new.len() > 1) {
            (false, false) => None,
            (true, false) => Some(Change::Removed),
            (false, true) => Some(Change::Added),
            (true, true) => {
                let same = old.len() == new.len() && old.iter().zip(&new).all(|(a, b)| equal(a, b));
                if !same {
                    out.put(&element, Some(Change::Modified), Comparison::default());
                }
                continue;
            }
        };
        if l.is_some() || r.is_some() {
            let (change, below) = compare_values(list.item(), l.as_ref(), r.as_ref());
            out.put(&element, change, below);
        }
        if duplicated.is_some() {
            out.put(&element, duplicated, Comparison::default());
        }
    }
}

/// A value without the items of a set. What lost all its content is null, as upstream has it:
/// whoever owns the list or map itself keeps owning it.
pub(super) fn removed(of: Type<'_>, value: &Value, unwanted: &Set) -> Value {
    match (of.atom_of(value), value) {
        (Atom::List(list), Value::Array(items)) if !items.is_empty() => {
            if list.is_atomic() {
                return Value::Null;
            }
            let mut out = Vec::new();
            for item in items {
                let element = list.element(item).ok();
                match element
                    .as_ref()
                    .map(|e| (unwanted.has(e), unwanted.below(e)))
                {
                    Some((true, _)) => {}
                    Some((false, Some(below))) => out.push(removed(list.item(), item, below)),
                    _ => out.push(item.clone()),
                }
            }
            out.retain(|item| !item.is_null());
            if out.is_empty() {
                Value::Null
            } else {
                Value::Array(out)
            }
        }
        (Atom::Map(map), Value::Object(fields)) if !fields.is_empty() => {
            if map.is_atomic() {
                return Value::Null;
            }
            let mut out = Map::new();
            for (name, value) in fields {
                let element = Element::field(name);
                if unwanted.has(&element) {
                    continue;
                }
                let value = match unwanted.below(&element) {
                    Some(below) => removed(map.field_or_deduced(name), value, below),
                    None => value.clone(),
                };
                out.insert(name.clone(), value);
            }
            if out.is_empty() {
                Value::Null
            } else {
                Value::Object(out)
            }
        }
        _ => value.clone(),
    }
}

/// A value without the nulls that [`removed`] left: those that were not null `before`.
pub(super) fn without_emptied(value: Value, before: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter_map(|(name, value)| {
                let before = before.get(&name).unwrap_or(&Value::Null);
                let emptied = value.is_null() && !before.is_null();
                (!emptied).then(|| (name, without_emptied(value, before)))
            })
            .collect(),
        // Items may have moved. Where none had a null before, all nulls are ours.
        Value::Array(items) if !has_null(before) => {
            Value::Array(items.into_iter().map(without_nulls).collect())
        }
        other => other,
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

/// What is wrong with an object that somebody wants to apply, with the path first.
pub(super) fn problems(of: Type<'_>, value: &Value) -> Vec<String> {
    let mut out = Vec::new();
    find_problems(of, value, "", &mut out);
    out
}

fn find_problems(of: Type<'_>, value: &Value, path: &str, out: &mut Vec<String>) {
    if value.is_null() {
        return;
    }
    match of.atom_of(value) {
        Atom::Scalar if value.is_array() || value.is_object() => {
            out.push(format!("{path}: expected a scalar, got {value}"));
        }
        Atom::Scalar => {}
        Atom::List(list) => {
            let Some(items) = value.as_array() else {
                out.push(format!("{path}: expected list, got {value}"));
                return;
            };
            let mut seen = std::collections::BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                if list.is_atomic() {
                    find_problems(list.item(), item, &format!("{path}[{index}]"), out);
                    continue;
                }
                match list.element(item) {
                    Err(error) => out.push(format!("{path}: element {index}: {error}")),
                    Ok(element) => {
                        find_problems(list.item(), item, &format!("{path}{element}"), out);
                        if !seen.insert(element.clone()) {
                            out.push(format!("{path}: duplicate entries for key {element}"));
                        }
                    }
                }
            }
        }
        Atom::Map(map) => {
            let Some(fields) = value.as_object() else {
                out.push(format!("{path}: expected map, got {value}"));
                return;
            };
            for (name, value) in fields {
                let path = format!("{path}.{name}");
                match map.field(name) {
                    Some(of) => find_problems(of, value, &path, out),
                    None => out.push(format!("{path}: field not declared in schema")),
                }
            }
        }
    }
}
