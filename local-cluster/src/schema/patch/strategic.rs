//! Strategic merge patch, after k8s.io/apimachinery/pkg/util/strategicpatch.

use serde_json::{Map, Value};

use super::PatchError;
use crate::schema::Schema;
use crate::schema::arena::{Arena, Node, NodeId, PatchMeta};
use crate::schema::json::{equal, without_nulls};

type Object = Map<String, Value>;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

fn malformed<T>(text: impl Into<String>) -> Result<T, PatchError> {
    Err(PatchError::Malformed(text.into()))
}

/// The schema at the place that is being merged; unknown places are merged without one.
#[derive(Clone, Copy)]
pub(super) struct Lens<'a> {
    arena: &'a Arena,
    node: Option<NodeId>,
}

impl<'a> Lens<'a> {
    pub(super) fn new(schema: &'a Schema) -> Self {
        Self {
            arena: &schema.arena,
            node: Some(schema.root),
        }
    }

    fn node(self) -> Option<&'a Node> {
        self.node.map(|id| &self.arena[id])
    }

    fn field(self, name: &str) -> Self {
        let node = self.node().and_then(|node| node.field(name));
        Self { node, ..self }
    }

    fn item(self) -> Self {
        let node = self.node().and_then(|node| node.items);
        Self { node, ..self }
    }

    fn meta(self) -> PatchMeta {
        self.node()
            .map(|node| node.patch.clone())
            .unwrap_or_default()
    }
}

/// Merges a patch into a map.
pub(super) fn merge_map(
    lens: Lens<'_>,
    mut original: Object,
    mut patch: Object,
) -> Result<Object, PatchError> {
    match patch.remove(DIRECTIVE) {
        None => {}
        Some(Value::String(directive)) if directive == "replace" => return Ok(patch),
        Some(Value::String(directive)) if directive == "delete" => return Ok(Object::new()),
        Some(other) => return malformed(format!("unknown patch type found: {other}")),
    }
    retain_keys(&mut original, &mut patch)?;
    set_orders(lens, &mut original, &mut patch)?;
    for (key, value) in patch {
        let deletion = key.strip_prefix(DELETE_FROM_LIST);
        let name = match deletion.map(|rest| rest.strip_prefix('/')) {
            None => key.as_str(),
            Some(Some(name)) => name,
            Some(None) => {
                return malformed("invalid patch format of primitive list");
            }
        };
        let deletion = deletion.is_some();
        if value.is_null() {
            original.shift_remove(name);
            continue;
        }
        let merged = match (original.get(name).cloned(), value) {
            (Some(Value::Object(old)), Value::Object(new)) if !deletion => {
                let child = lens.field(name);
                if child.meta().replace {
                    Some(Value::Object(new))
                } else {
                    Some(Value::Object(merge_map(child, old, new)?))
                }
            }
            (Some(Value::Array(old)), Value::Array(new)) => {
                let child = lens.field(name);
                Some(Value::Array(merge_list(child, old, new, deletion)?))
            }
            (present, _) if deletion => present,
            // What is new takes no nulls along: there is nothing that they could delete.
            (_, value) => without_directives(without_nulls(value)),
        };
        match merged {
            Some(value) => original.insert(name.to_owned(), value),
            None => original.shift_remove(name),
        };
    }
    Ok(original)
}

/// `$retainKeys: [a, b]` clears all other keys of the original.
fn retain_keys(original: &mut Object, patch: &mut Object) -> Result<(), PatchError> {
    let Some(list) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let Value::Array(list) = list else {
        return malformed("invalid patch format of retainKeys");
    };
    let retained = |key: &str| list.iter().any(|item| item == key);
    for (key, value) in patch.iter() {
        let directive = key.starts_with(DELETE_FROM_LIST) || key.starts_with(SET_ORDER);
        if !value.is_null() && !directive && !retained(key) {
            return malformed("invalid patch format of retainKeys");
        }
    }
    original.retain(|key, _| retained(key));
    Ok(())
}

/// `$setElementOrder/<list>`: merges the list and brings it into the given order.
fn set_orders(lens: Lens<'_>, original: &mut Object, patch: &mut Object) -> Result<(), PatchError> {
    let keys: Vec<String> = patch
        .keys()
        .filter(|key| key.starts_with(SET_ORDER))
        .cloned()
        .collect();
    for key in keys {
        let Some(name) = key
            .strip_prefix(SET_ORDER)
            .and_then(|k| k.strip_prefix('/'))
        else {
            return malformed("invalid patch format of setElementOrder list");
        };
        let Some(Value::Array(order)) = patch.shift_remove(&key) else {
            return malformed("invalid patch format of setElementOrder list");
        };
        let list = |side: &Object| match side.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items.clone())),
            Some(other) => malformed(format!("expected a list at {name}, got {other}")),
        };
        let (old, new) = (list(original)?, list(patch)?);
        let child = lens.field(name);
        let merge_key = child.meta().merge_key;
        let merge_key = merge_key.as_deref();
        check_order(new.as_deref().unwrap_or_default(), &order, merge_key)?;
        let merged = match (&old, new) {
            (None, None) => continue,
            (Some(old), None) => old.clone(),
            (None, Some(new)) => without_directives(Value::Array(new))
                .and_then(|value| value.as_array().cloned())
                .unwrap_or_default(),
            (Some(old), Some(new)) => merge_list(child, old.clone(), new, false)?,
        };
        let old = old.unwrap_or_default();
        let ordered = in_order(merged, &order, &old, merge_key);
        original.insert(name.to_owned(), Value::Array(ordered));
        patch.shift_remove(name);
    }
    Ok(())
}

/// The items of the patch must be in the order that the patch asks for.
fn check_order(patch: &[Value], order: &[Value], key: Option<&str>) -> Result<(), PatchError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut order = order.iter();
    for item in patch.iter().filter(|item| item.get(DIRECTIVE).is_none()) {
        if !order.any(|place| same(place, item, key)) {
            return malformed(format!(
                "The order in patch list doesn't match {SET_ORDER} list: {item} is out of place"
            ));
        }
    }
    Ok(())
}

fn merge_list(
    lens: Lens<'_>,
    original: Vec<Value>,
    patch: Vec<Value>,
    deletion: bool,
) -> Result<Vec<Value>, PatchError> {
    let meta = lens.meta();
    if !meta.merge && !deletion {
        return Ok(patch);
    }
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    let maps = original
        .iter()
        .chain(&patch)
        .filter(|item| item.is_object())
        .count();
    if maps == 0 {
        if deletion {
            let keep = |item: &Value| !patch.iter().any(|gone| equal(gone, item));
            return Ok(original.into_iter().filter(keep).collect());
        }
        return Ok(merge_scalars(&original, &patch));
    }
    if maps != original.len() + patch.len() {
        return malformed("delete and merge lists must have items of one type");
    }
    let Some(key) = meta.merge_key.as_deref() else {
        return malformed("cannot merge lists without merge key");
    };
    let (original, patch) = apply_item_directives(original, patch, key)?;
    let server = original.clone();
    let mut merged = original;
    for item in &patch {
        let Value::Object(item) = item else { continue };
        let Some(wanted) = item.get(key) else {
            return malformed(format!(
                "map: {item:?} does not contain declared merge key: {key}"
            ));
        };
        let place = merged
            .iter()
            .position(|old| old.get(key).is_some_and(|value| equal(value, wanted)));
        match place.and_then(|index| merged.get_mut(index)) {
            Some(slot) => {
                let old = slot.as_object().cloned().unwrap_or_default();
                *slot = Value::Object(merge_map(lens.item(), old, item.clone())?);
            }
            None => merged.extend(without_directives(without_nulls(Value::Object(
                item.clone(),
            )))),
        }
    }
    Ok(in_order(merged, &patch, &server, Some(key)))
}

fn merge_scalars(original: &[Value], patch: &[Value]) -> Vec<Value> {
    let mut merged: Vec<Value> = Vec::new();
    for item in original.iter().chain(patch) {
        if !merged.iter().any(|present| equal(present, item)) {
            merged.push(item.clone());
        }
    }
    in_order(merged, patch, original, None)
}

/// Takes items with `$patch: delete` and `$patch: replace` out of the patch and does what they
/// say.
fn apply_item_directives(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut rest = Vec::new();
    let mut replace = false;
    for item in patch {
        match item.get(DIRECTIVE).map(Value::as_str) {
            None => rest.push(item),
            Some(Some("delete")) => {
                let Some(wanted) = item.get(key) else {
                    return malformed(format!(
                        "map: {item} does not contain declared merge key: {key}"
                    ));
                };
                original.retain(|old| !old.get(key).is_some_and(|value| equal(value, wanted)));
            }
            Some(Some("replace")) => replace = true,
            Some(Some("merge")) => {
                return malformed("merging lists cannot yet be specified in the patch");
            }
            Some(_) => return malformed(format!("unknown patch type found: {item}")),
        }
    }
    if replace {
        return Ok((rest, Vec::new()));
    }
    Ok((original, rest))
}

/// Items of `order` in that order; the others stay before those that they were before on the
/// server.
fn in_order(items: Vec<Value>, order: &[Value], server: &[Value], key: Option<&str>) -> Vec<Value> {
    let place = |list: &[Value], item: &Value| list.iter().position(|other| same(other, item, key));
    let (mut ordered, mut others): (Vec<Value>, Vec<Value>) = items
        .into_iter()
        .partition(|item| place(order, item).is_some());
    ordered.sort_by_key(|item| place(order, item));
    others.sort_by_key(|item| place(server, item).unwrap_or(usize::MAX));
    let mut out = Vec::with_capacity(ordered.len() + others.len());
    let mut others = others.into_iter().peekable();
    for item in ordered {
        while let Some(other) = others.peek() {
            match (place(server, other), place(server, &item)) {
                (Some(a), Some(b)) if a < b => out.extend(others.next()),
                _ => break,
            }
        }
        out.push(item);
    }
    out.extend(others);
    out
}

fn same(a: &Value, b: &Value, key: Option<&str>) -> bool {
    match key {
        None => equal(a, b),
        Some(key) => match (a.get(key), b.get(key)) {
            (Some(a), Some(b)) => equal(a, b),
            _ => false,
        },
    }
}

/// A value that is new, without directives; None when it is itself one.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => {
            let directive = |key: &str| {
                key == RETAIN_KEYS
                    || key.starts_with(DELETE_FROM_LIST)
                    || key.starts_with(SET_ORDER)
            };
            let kept = map
                .into_iter()
                .filter(|(key, _)| !directive(key))
                .filter_map(|(key, value)| Some((key, without_directives(value)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => {
            let kept = items.into_iter().filter_map(without_directives);
            Some(Value::Array(kept.collect()))
        }
        other => Some(other),
    }
}
