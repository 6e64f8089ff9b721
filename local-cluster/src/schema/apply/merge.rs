//! Merging an applied configuration into the live object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::set::Element;
use super::typed::{Atom, ListType, Shape, Type};

/// Merges `applied` over `live`.
pub(super) fn merge(of: Type<'_>, live: Option<&Value>, applied: Option<&Value>) -> Option<Value> {
    let shape = |value: &Value| of.shape(value);
    let shape = match (live, applied) {
        (Some(live), None) => shape(live),
        // Null on a map keeps the map, as upstream has it; on a scalar it is a value.
        (Some(live), Some(Value::Null)) => shape(live).or(Some(Shape::Map)),
        (_, Some(applied)) => shape(applied),
        (None, None) => return None,
    };
    let keep = || applied.or(live).cloned();
    match of.atom(shape.unwrap_or(Shape::Map)) {
        Atom::Scalar => keep(),
        Atom::List(list) => {
            let live = live.and_then(Value::as_array).filter(|l| !l.is_empty());
            let applied = applied.and_then(Value::as_array).filter(|l| !l.is_empty());
            if list.is_atomic() || (live.is_none() && applied.is_none()) {
                return keep();
            }
            let empty = Vec::new();
            let items = merge_items(list, live.unwrap_or(&empty), applied.unwrap_or(&empty));
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Atom::Map(map) => {
            let live = live.and_then(Value::as_object).filter(|m| !m.is_empty());
            let applied = applied.and_then(Value::as_object).filter(|m| !m.is_empty());
            if map.is_atomic() || (live.is_none() && applied.is_none()) {
                return keep();
            }
            let mut out = Map::new();
            let sides = live.into_iter().chain(applied);
            for name in sides.flat_map(Map::keys) {
                if out.contains_key(name) {
                    continue;
                }
                let side =
                    |side: Option<&Map<String, Value>>| side.and_then(|s| s.get(name)).cloned();
                let (l, r) = (side(live), side(applied));
                if let Some(value) = merge(map.field_or_deduced(name), l.as_ref(), r.as_ref()) {
                    out.insert(name.clone(), value);
                }
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
    }
}

/// One side of the merge of two lists.
struct Side<'a> {
    order: Vec<(Element, &'a Value)>,
    /// None stands for items that are there more than once; they are not merged into.
    by_element: BTreeMap<Element, Option<&'a Value>>,
}

impl<'a> Side<'a> {
    fn new(list: ListType<'_>, items: &'a [Value]) -> Self {
        let mut order = Vec::new();
        let mut by_element: BTreeMap<Element, Option<&Value>> = BTreeMap::new();
        for item in items {
            if let Ok(element) = list.element(item) {
                by_element
                    .entry(element.clone())
                    .and_modify(|present| *present = None)
                    .or_insert(Some(item));
                order.push((element, item));
            }
        }
        Self { order, by_element }
    }

    fn has(&self, element: &Element) -> bool {
        self.by_element.contains_key(element)
    }

    fn get(&self, element: &Element) -> Option<&'a Value> {
        self.by_element.get(element).copied().flatten()
    }
}

/// Merges two associative lists. Items of both come in the order of the applied list, items of
/// the live list alone stay before the items that they were before.
fn merge_items(list: ListType<'_>, live: &[Value], applied: &[Value]) -> Vec<Value> {
    let live = Side::new(list, live);
    let applied = Side::new(list, applied);
    let mut shared = applied
        .order
        .iter()
        .map(|(element, _)| element)
        .filter(|element| live.has(element));
    let mut next_shared = shared.next();
    let mut merged: BTreeSet<&Element> = BTreeSet::new();
    let mut out = Vec::new();
    let (mut l, mut r) = (0, 0);
    let both = |element: &Element| merge(list.item(), live.get(element), applied.get(element));
    while l < live.order.len() || r < applied.order.len() {
        if let (Some((left, _)), Some((right, _))) = (live.order.get(l), applied.order.get(r)) {
            if left == right {
                merged.insert(right);
                out.extend(both(right));
                l += 1;
                r += 1;
                next_shared = shared.next();
                continue;
            }
            if applied.has(left) && next_shared.is_some_and(|next| next != left) {
                // Shared, but it is not its turn yet.
                l += 1;
                continue;
            }
        }
        if let Some((left, item)) = live.order.get(l) {
            if !applied.has(left) {
                out.extend(merge(list.item(), Some(item), None));
                l += 1;
                continue;
            }
            if merged.contains(left) {
                l += 1;
            }
        }
        if let Some((right, _)) = applied.order.get(r) {
            merged.insert(right);
            out.extend(both(right));
            r += 1;
            if next_shared == Some(right) {
                next_shared = shared.next();
            }
        }
    }
    out
}
