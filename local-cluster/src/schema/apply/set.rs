//! Sets of fields: what `fieldsV1` in managedFields says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::schema::json::canonical;

/// One step of a path, in the form of `fieldsV1`: `f:name`, `k:{"name":"x"}`, `v:"x"`, `i:3`.
/// Keys and values are in canonical form, so that text comparison is value comparison.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Element(Arc<str>);

impl Element {
    pub(super) fn field(name: &str) -> Self {
        Self(format!("f:{name}").into())
    }

    /// An item of a list map.
    pub(super) fn key(key: &Value) -> Self {
        Self(format!("k:{}", canonical(key)).into())
    }

    /// An item of a list set.
    pub(super) fn value(value: &Value) -> Self {
        Self(format!("v:{}", canonical(value)).into())
    }

    /// The name, if it is a field.
    pub(super) fn field_name(&self) -> Option<&str> {
        self.0.strip_prefix("f:")
    }

    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" | "i" => Some(Self(text.into())),
            "k" => Some(Self::key(&serde_json::from_str(rest).ok()?)),
            "v" => Some(Self::value(&serde_json::from_str(rest).ok()?)),
            _ => None,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, rest) = self.0.split_once(':').unwrap_or(("f", &self.0));
        match kind {
            "f" => write!(f, ".{rest}"),
            "i" => write!(f, "[{rest}]"),
            "v" => write!(f, "[={rest}]"),
            _ => {
                let key: Map<String, Value> = serde_json::from_str(rest).unwrap_or_default();
                let parts: Vec<String> = key.iter().map(|(k, v)| format!("{k}={v}")).collect();
                write!(f, "[{}]", parts.join(","))
            }
        }
    }
}

/// A set of paths. A path may be a member and have members below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    members: BTreeSet<Element>,
    children: BTreeMap<Element, Set>,
}

impl Set {
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Self::is_empty)
    }

    pub(super) fn insert(&mut self, element: Element) {
        self.members.insert(element);
    }

    /// Adds everything of `child` below an element.
    pub(super) fn insert_below(&mut self, element: Element, child: Self) {
        if child.is_empty() {
            return;
        }
        let merged = match self.children.remove(&element) {
            Some(present) => present.union(&child),
            None => child,
        };
        self.children.insert(element, merged);
    }

    pub(super) fn has(&self, element: &Element) -> bool {
        self.members.contains(element)
    }

    /// The paths below an element.
    pub(super) fn below(&self, element: &Element) -> Option<&Self> {
        self.children.get(element).filter(|set| !set.is_empty())
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Element> {
        self.members.iter()
    }

    pub(super) fn children(&self) -> impl Iterator<Item = (&Element, &Self)> {
        self.children.iter()
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.members.extend(other.members.iter().cloned());
        for (element, set) in &other.children {
            out.insert_below(element.clone(), set.clone());
        }
        out
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut out = Self {
            members: self.members.intersection(&other.members).cloned().collect(),
            children: BTreeMap::new(),
        };
        for (element, set) in &self.children {
            if let Some(other) = other.children.get(element) {
                out.insert_below(element.clone(), set.intersection(other));
            }
        }
        out
    }

    /// The paths that are not in `other`; paths below one of its members stay.
    pub(super) fn difference(&self, other: &Self) -> Self {
        let mut out = Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: BTreeMap::new(),
        };
        for (element, set) in &self.children {
            let rest = match other.children.get(element) {
                Some(other) => set.difference(other),
                None => set.clone(),
            };
            out.insert_below(element.clone(), rest);
        }
        out
    }

    /// Removes fields of the root and all below them.
    pub(super) fn without_fields(&self, unwanted: impl Fn(&str) -> bool) -> Self {
        let keep = |element: &Element| !element.field_name().is_some_and(&unwanted);
        Self {
            members: self.members.iter().filter(|e| keep(e)).cloned().collect(),
            children: self
                .children
                .iter()
                .filter(|(e, _)| keep(e))
                .map(|(e, set)| (e.clone(), set.clone()))
                .collect(),
        }
    }

    /// All paths, printed as `.spec.containers[name="a"].image`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.collect("", &mut out);
        out
    }

    fn collect(&self, prefix: &str, out: &mut Vec<String>) {
        out.extend(
            self.members
                .iter()
                .map(|member| format!("{prefix}{member}")),
        );
        for (element, set) in &self.children {
            set.collect(&format!("{prefix}{element}"), out);
        }
    }

    /// The set as `fieldsV1`.
    pub(super) fn to_fields(&self) -> Value {
        let mut out = Map::new();
        for member in &self.members {
            out.insert(member.0.to_string(), Value::Object(Map::new()));
        }
        for (element, set) in &self.children {
            if set.is_empty() {
                continue;
            }
            let mut fields = Map::new();
            if self.members.contains(element) {
                fields.insert(".".into(), Value::Object(Map::new()));
            }
            if let Value::Object(below) = set.to_fields() {
                fields.extend(below);
            }
            out.insert(element.0.to_string(), Value::Object(fields));
        }
        out.sort_keys();
        Value::Object(out)
    }

    /// Reads `fieldsV1`; None when it is malformed.
    pub(super) fn from_fields(fields: &Value) -> Option<Self> {
        let mut out = Self::default();
        for (key, value) in fields.as_object()? {
            if key == "." {
                continue;
            }
            let element = Element::parse(key)?;
            let below = value.as_object()?;
            if below.is_empty() || below.contains_key(".") {
                out.insert(element.clone());
            }
            out.insert_below(element, Self::from_fields(value)?);
        }
        Some(out)
    }
}

impl FromIterator<Element> for Set {
    fn from_iter<I: IntoIterator<Item = Element>>(elements: I) -> Self {
        Self {
            members: elements.into_iter().collect(),
            children: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(fields: &Value) -> Set {
        Set::from_fields(fields).unwrap()
    }

    #[test]
    fn fields_go_round() {
        let fields = json!({
            "f:metadata": {"f:labels": {".": {}, "f:a.b/c": {}}},
            "f:spec": {
                "f:list": {"k:{\"name\":\"x\",\"port\":1}": {".": {}, "f:v": {}}, "v:\"y\"": {}},
            },
        });
        assert_eq!(set(&fields).to_fields(), fields);
        assert_eq!(
            set(&fields).paths(),
            [
                ".metadata.labels",
                ".metadata.labels.a.b/c",
                ".spec.list[name=\"x\",port=1]",
                ".spec.list[=\"y\"]",
                ".spec.list[name=\"x\",port=1].v",
            ]
        );
        assert_eq!(Set::from_fields(&json!({"x:a": {}})), None);
        assert_eq!(Set::from_fields(&json!({"k:{": {}})), None);
    }

    #[test]
    fn keys_are_equal_whatever_their_spelling() {
        let a = set(&json!({"k:{\"b\":1,\"a\":\"x\"}": {}}));
        let b = set(&json!({"k:{\"a\":\"x\",\"b\":1.0}": {}}));
        assert_eq!(a, b);
    }

    #[test]
    fn operations_work_on_members_and_not_on_prefixes() {
        let parent = set(&json!({"f:a": {}}));
        let child = set(&json!({"f:a": {"f:b": {}}}));
        assert_eq!(parent.difference(&child), parent);
        assert_eq!(child.difference(&parent), child);
        assert!(parent.intersection(&child).is_empty());
        let both = parent.union(&child);
        assert_eq!(both, set(&json!({"f:a": {".": {}, "f:b": {}}})));
        assert_eq!(both.difference(&parent), child);
        assert_eq!(both.intersection(&child), child);
        assert!(both.difference(&both).is_empty());
    }
}
