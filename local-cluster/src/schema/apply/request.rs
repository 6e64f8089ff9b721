//! One apply request: merge, prune, and take ownership.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::managers::{Entry, ManagerId, Managers, Operation};
use super::merge::merge;
use super::set::Set;
use super::typed::{Type, reconciled, with_named_fields};
use super::walk::{Comparison, compare, fields, problems, removed, without_emptied};
use super::{
    ApplyError, ApplyRequest, Conflict, LAST_APPLIED, api_version, named, stripped, time, update,
    without_managed_fields,
};
use crate::schema::Schema;
use crate::schema::json::equal;

/// Fields of the root that a request does not write: the status, or all but the status.
#[derive(Clone, Copy)]
pub(super) enum Ignored {
    Nothing,
    Status,
    AllButStatus,
}

impl Ignored {
    pub(super) fn new(schema: Option<&Schema>, subresource: Option<&str>) -> Self {
        match subresource {
            Some("status") => Self::AllButStatus,
            None if schema.is_some_and(|schema| schema.has_status) => Self::Status,
            _ => Self::Nothing,
        }
    }

    pub(super) fn has(self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Status => name == "status",
            Self::AllButStatus => name == "spec" || name == "metadata",
        }
    }
}

pub(super) enum Refused {
    Conflicts(Vec<(ManagerId, Set)>),
}

pub(super) fn conflicts(found: &[(ManagerId, Set)], of: impl Fn(&Set) -> Set) -> Vec<Conflict> {
    found
        .iter()
        .flat_map(|(id, set)| {
            let manager = id.to_string();
            of(set).paths().into_iter().map(move |field| Conflict {
                manager: manager.clone(),
                field,
            })
        })
        .collect()
}

/// One apply request, ready to run, with or without force.
pub(super) struct Apply<'a> {
    of: Type<'a>,
    live: Value,
    applied: Value,
    managers: Managers,
    ignored: Ignored,
    id: ManagerId,
    api_version: String,
    now: Timestamp,
}

impl<'a> Apply<'a> {
    pub(super) fn new(
        schema: Option<&'a Schema>,
        live: Option<&Value>,
        applied: &Value,
        req: &ApplyRequest<'_>,
    ) -> Result<Self, ApplyError> {
        let refuse = |text: String| Err(ApplyError::BadRequest(text));
        if !applied.is_object() {
            return refuse("the applied configuration must be an object".into());
        }
        if applied
            .pointer("/metadata/managedFields")
            .is_some_and(|fields| !fields.is_null())
        {
            return refuse("metadata.managedFields must be nil".into());
        }
        if let Some(live) = live {
            for key in ["apiVersion", "kind"] {
                let (wanted, given) = (live.get(key), applied.get(key));
                if wanted.is_some() && given != wanted {
                    let given = given.and_then(Value::as_str).unwrap_or_default();
                    return refuse(format!("invalid object type: {key} is {given:?}"));
                }
            }
        }
        let of = Type::of(schema);
        let found = problems(of, applied);
        if !found.is_empty() {
            return Err(ApplyError::NotTyped(found.join("; ")));
        }
        let ignored = Ignored::new(schema, req.subresource);
        let mut managers = live.map(Managers::of).unwrap_or_default();
        let live_object = live.map_or_else(|| json!({}), without_managed_fields);
        let api_version = api_version(applied);
        if managers.0.is_empty() && live.is_some() {
            // Fields from before the first apply get an owner, so that they can conflict.
            let id = ManagerId {
                manager: "before-first-apply".into(),
                operation: Operation::Update,
                api_version: api_version.clone(),
                subresource: req.subresource.unwrap_or_default().to_owned(),
            };
            let empty = json!({});
            update(
                &mut managers,
                of,
                &empty,
                &live_object,
                ignored,
                &id,
                req.now,
            );
        }
        for entry in managers.0.values_mut() {
            entry.set = reconciled(&entry.set, of);
        }
        Ok(Self {
            of,
            live: live_object,
            applied: without_ignored(applied, ignored),
            managers,
            ignored,
            id: ManagerId {
                manager: named(req.manager),
                operation: Operation::Apply,
                api_version: String::new(),
                subresource: req.subresource.unwrap_or_default().to_owned(),
            },
            api_version,
            now: req.now,
        })
    }

    pub(super) fn run(&self, force: bool) -> Result<Value, Refused> {
        let of = self.of;
        let mut managers = self.managers.clone();
        let last = managers.0.remove(&self.id);
        let merged = merge(of, Some(&self.live), Some(&self.applied));
        let merged = merged.unwrap_or_else(|| self.live.clone());
        let set = fields(of, &self.applied).without_fields(|name| self.ignored.has(name));
        let mut entry = Entry {
            set,
            api_version: self.api_version.clone(),
            time: last.as_ref().and_then(|last| last.time.clone()),
        };
        let result = match &last {
            Some(last) if !last.set.is_empty() => self.prune(&merged, &managers, &entry, &last.set),
            _ => merged.clone(),
        };
        let changes = compare(of, &self.live, &result);
        let changes = changes.without_fields(|name| self.ignored.has(name));
        take_over(&mut managers, &changes, force)?;
        entry.set = stripped(&entry.set);
        // Who only comes to own what was there already changed nothing, and has no time.
        if !equal(&self.live, &result) {
            entry.time = Some(time(self.now));
        }
        managers.0.insert(self.id.clone(), entry);
        managers.drop_empty();
        let mut result = without_emptied(result, &merged);
        managers.write(&mut result);
        Ok(result)
    }

    /// Removes what the manager applied last time, does not apply now, and nobody else owns.
    fn prune(&self, merged: &Value, others: &Managers, own: &Entry, last: &Set) -> Value {
        let of = self.of;
        let named = |set: &Set| with_named_fields(set, of);
        let last = named(last);
        let gone = |value: &Value, set: &Set| match removed(of, value, set) {
            Value::Null => json!({}),
            rest => rest,
        };
        let pruned = gone(merged, &last);
        // Back comes what others own, or this manager still applies.
        let managed = others
            .0
            .values()
            .fold(own.set.clone(), |all, entry| all.union(&entry.set));
        let all = named(&fields(of, merged));
        let kept = named(&fields(of, &pruned)).union(&named(&managed));
        let pruned = gone(merged, &all.difference(&kept));
        // And what was below a removed field without having been applied by this manager.
        let kept = named(&fields(of, &pruned));
        let pruned = gone(merged, &all.difference(&kept).intersection(&last));
        // Maps and lists that are applied empty are wanted, even when they just lost their content.
        merge(of, Some(&pruned), Some(&self.applied)).unwrap_or(pruned)
    }

    /// The fields that kubectl applied on the client side and that are still so.
    pub(super) fn last_applied(&self) -> Option<Set> {
        let text = self
            .live
            .pointer("/metadata/annotations")?
            .get(LAST_APPLIED)?;
        let last: Value = serde_json::from_str(text.as_str()?).ok()?;
        if api_version(&last) != self.api_version {
            return None;
        }
        let Comparison {
            removed,
            modified,
            added,
        } = compare(self.of, &last, &self.live);
        let set = fields(self.of, &last).difference(&modified);
        Some(set.difference(&added).difference(&removed))
    }
}

/// Takes changed fields from other managers.
fn take_over(managers: &mut Managers, changes: &Comparison, force: bool) -> Result<(), Refused> {
    let written = changes.modified.union(&changes.added);
    let found: Vec<(ManagerId, Set)> = managers
        .0
        .iter()
        .map(|(id, entry)| (id.clone(), entry.set.intersection(&written)))
        .filter(|(_, set)| !set.is_empty())
        .collect();
    if !force && !found.is_empty() {
        return Err(Refused::Conflicts(found));
    }
    for entry in managers.0.values_mut() {
        entry.set = entry.set.difference(&written).difference(&changes.removed);
    }
    Ok(())
}

/// The configuration without what the request does not write. The name stays.
fn without_ignored(applied: &Value, ignored: Ignored) -> Value {
    let Value::Object(fields) = applied else {
        return applied.clone();
    };
    let mut out = Map::new();
    for (name, value) in fields {
        if !ignored.has(name) {
            out.insert(name.clone(), value.clone());
        } else if name == "metadata" {
            let mut metadata = Map::new();
            for key in ["name", "namespace"] {
                if let Some(value) = value.get(key) {
                    metadata.insert(key.into(), value.clone());
                }
            }
            out.insert(name.clone(), Value::Object(metadata));
        }
    }
    Value::Object(out)
}
