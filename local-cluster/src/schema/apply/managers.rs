//! `metadata.managedFields`: who owns what.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use super::set::Set;

/// Updates by more managers than this are joined, the oldest first.
const MAX_UPDATERS: usize = 10;

/// What a manager did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// What makes an entry of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ManagerId {
    pub(super) manager: String,
    pub(super) operation: Operation,
    /// Empty for Apply: an applier keeps its fields over versions.
    pub(super) api_version: String,
    pub(super) subresource: String,
}

impl fmt::Display for ManagerId {
    /// As in conflicts: `"kubectl-edit" using v1`, `"x" with subresource "status"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.manager)?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.subresource)?;
        }
        if self.operation == Operation::Update {
            write!(f, " using {}", self.api_version)?;
        }
        Ok(())
    }
}

/// One entry of managedFields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) set: Set,
    pub(super) api_version: String,
    pub(super) time: Option<String>,
}

/// All entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Managers(pub(super) BTreeMap<ManagerId, Entry>);

impl Managers {
    /// Reads managedFields; None when an entry is malformed.
    pub(super) fn decode(list: &Value) -> Option<Self> {
        let mut out = BTreeMap::new();
        for entry in list.as_array()? {
            let text = |key: &str| {
                let text = entry.get(key).and_then(Value::as_str);
                text.unwrap_or_default().to_owned()
            };
            let operation = match text("operation").as_str() {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return None,
            };
            let api_version = text("apiVersion");
            if api_version.is_empty() || text("fieldsType") != "FieldsV1" {
                return None;
            }
            let set = match entry.get("fieldsV1") {
                None | Some(Value::Null) => Set::default(),
                Some(fields) => Set::from_fields(fields)?,
            };
            let id = ManagerId {
                manager: text("manager"),
                operation,
                api_version: match operation {
                    Operation::Apply => String::new(),
                    Operation::Update => api_version.clone(),
                },
                subresource: text("subresource"),
            };
            let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
            let entry = Entry {
                set,
                api_version,
                time,
            };
            out.insert(id, entry);
        }
        Some(Self(out))
    }

    /// The managedFields of an object; empty when there are none or they are malformed.
    pub(super) fn of(object: &Value) -> Self {
        object
            .pointer("/metadata/managedFields")
            .and_then(Self::decode)
            .unwrap_or_default()
    }

    /// Writes managedFields, in the order of upstream: Apply first, then by time and name.
    pub(super) fn write(&self, object: &mut Value) {
        let mut entries: Vec<(&ManagerId, &Entry)> = self.0.iter().collect();
        entries.sort_by(|(a, x), (b, y)| {
            (
                a.operation,
                &x.time,
                &a.manager,
                &x.api_version,
                &a.subresource,
            )
                .cmp(&(
                    b.operation,
                    &y.time,
                    &b.manager,
                    &y.api_version,
                    &b.subresource,
                ))
        });
        let list: Vec<Value> = entries.into_iter().map(|(id, e)| e.encode(id)).collect();
        let Some(object) = object.as_object_mut() else {
            return;
        };
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        if let Value::Object(metadata) = metadata {
            if list.is_empty() {
                metadata.remove("managedFields");
            } else {
                metadata.insert("managedFields".into(), Value::Array(list));
            }
        }
    }

    pub(super) fn drop_empty(&mut self) {
        self.0.retain(|_, entry| !entry.set.is_empty());
    }

    /// Joins the oldest updates of a version into `ancient-changes` until few enough are left.
    pub(super) fn cap(&mut self) {
        let updates = |id: &ManagerId| id.operation == Operation::Update;
        let mut updaters: Vec<(Option<String>, ManagerId)> = self
            .0
            .iter()
            .filter(|(id, _)| updates(id))
            .map(|(id, entry)| (entry.time.clone(), id.clone()))
            .collect();
        if updaters.len() <= MAX_UPDATERS {
            return;
        }
        updaters.sort();
        let mut surplus = updaters.len() - MAX_UPDATERS;
        let mut first: BTreeMap<String, ManagerId> = BTreeMap::new();
        for (_, id) in updaters {
            if surplus == 0 {
                break;
            }
            let Some(entry) = self.0.get(&id).cloned() else {
                continue;
            };
            let version = entry.api_version.clone();
            let Some(oldest) = first.get(&version) else {
                first.insert(version, id);
                continue;
            };
            let bucket = ManagerId {
                manager: "ancient-changes".into(),
                operation: Operation::Update,
                api_version: version,
                subresource: String::new(),
            };
            let present = self.0.remove(oldest).or_else(|| self.0.remove(&bucket));
            let set = present.map(|p| p.set).unwrap_or_default().union(&entry.set);
            self.0.remove(&id);
            self.0.insert(bucket.clone(), Entry { set, ..entry });
            first.insert(bucket.api_version.clone(), bucket);
            surplus -= 1;
        }
    }
}

impl Entry {
    fn encode(&self, id: &ManagerId) -> Value {
        let mut out = Map::new();
        let mut put = |key: &str, value: Value| {
            out.insert(key.into(), value);
        };
        put("manager", id.manager.as_str().into());
        let operation = match id.operation {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        };
        put("operation", operation.into());
        put("apiVersion", self.api_version.as_str().into());
        if let Some(time) = &self.time {
            put("time", time.as_str().into());
        }
        put("fieldsType", "FieldsV1".into());
        put("fieldsV1", self.set.to_fields());
        if !id.subresource.is_empty() {
            put("subresource", id.subresource.as_str().into());
        }
        Value::Object(out)
    }
}
