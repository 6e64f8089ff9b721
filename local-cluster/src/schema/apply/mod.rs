//! Server-side apply and the book-keeping of `metadata.managedFields`.
//!
//! A port of what sigs.k8s.io/structured-merge-diff v4 and the field manager of apimachinery do.
//! One thing is simpler: there is no conversion between versions, because custom resources here
//! have the same fields in all their versions.

mod managers;
mod merge;
mod request;
mod set;
mod typed;
mod walk;

use std::fmt;

use jiff::Timestamp;
use serde_json::{Value, json};

use self::managers::{Entry, ManagerId, Managers, Operation};
use self::request::{Apply, Ignored, Refused, conflicts};
use self::set::{Element, Set};
use self::typed::{Type, reconciled};
use self::walk::compare;
use super::json::equal;
use super::{FieldError, Schema};

/// Where kubectl keeps what it applied on the client side.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Who applies, and how.
#[derive(Clone, Debug)]
pub struct ApplyRequest<'a> {
    /// Field manager of the request.
    pub manager: &'a str,
    /// Take fields over from other managers.
    pub force: bool,
    /// Subresource of the request, such as `status`.
    pub subresource: Option<&'a str>,
    /// Time that is written into managedFields.
    pub now: Timestamp,
}

/// A field that another manager owns with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The other manager, quoted and with what upstream says of it, such as
    /// `"kubectl-edit" using v1`. The message of the cause is `conflict with <this>`.
    pub manager: String,
    /// Path of the field, such as `.spec.replicas`.
    pub field: String,
}

/// Why an apply was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Other managers own some of the fields: 409 Conflict with causes `FieldManagerConflict`.
    /// Printing the error gives the message of upstream.
    #[error("{}", Conflicts(.0))]
    Conflicts(Vec<Conflict>),
    /// The applied object does not fit the schema: 422 Invalid.
    #[error("the applied object is invalid")]
    Invalid(Vec<FieldError>),
    /// The applied object is no object of its type.
    #[error("failed to create typed patch object: {0}")]
    NotTyped(String),
    /// The request is malformed, such as one that sets managedFields: 400 BadRequest.
    #[error("{0}")]
    BadRequest(String),
}

struct Conflicts<'a>(&'a [Conflict]);

impl fmt::Display for Conflicts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0 {
            return write!(
                f,
                "Apply failed with 1 conflict: conflict with {}: {}",
                only.manager, only.field
            );
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut last = None;
        for conflict in self.0 {
            if last != Some(&conflict.manager) {
                if last.is_some() {
                    f.write_str("\n")?;
                }
                write!(f, "conflicts with {}:", conflict.manager)?;
                last = Some(&conflict.manager);
            }
            write!(f, "\n- {}", conflict.field)?;
        }
        Ok(())
    }
}

/// Applies a configuration to the live object (none: it is created).
///
/// `applied` is what the client sent, before defaulting: who applies owns exactly what is in it.
/// The result has managedFields; when nothing changed it equals `live`. Fill in defaults and
/// validate afterwards, and see [`is_same`] for whether a write is needed.
///
/// # Errors
/// See [`ApplyError`].
pub fn apply(
    schema: Option<&Schema>,
    live: Option<&Value>,
    applied: &Value,
    req: &ApplyRequest<'_>,
) -> Result<Value, ApplyError> {
    let apply = Apply::new(schema, live, applied, req)?;
    let mut result = match apply.run(req.force) {
        Err(Refused::Conflicts(found)) if req.manager == "kubectl" => {
            // kubectl upgrades from client-side apply: what it applied there is its own.
            let allowed = apply.last_applied().unwrap_or_default();
            let rest = conflicts(&found, |set| set.difference(&allowed));
            if !rest.is_empty() {
                return Err(ApplyError::Conflicts(rest));
            }
            apply.run(true)
        }
        other => other,
    }
    .map_err(|Refused::Conflicts(found)| ApplyError::Conflicts(conflicts(&found, Set::clone)))?;
    if req.manager == "kubectl" {
        refresh_last_applied(&mut result, applied);
    }
    Ok(result)
}

/// Records in `new` who owns what after a create, update or patch.
///
/// `old` is the stored object, none on create. Objects that were never tracked stay so, as
/// upstream has it.
pub fn track_update(
    schema: Option<&Schema>,
    old: Option<&Value>,
    new: &mut Value,
    manager: &str,
    subresource: Option<&str>,
    now: Timestamp,
) {
    let empty = json!({});
    let stored = old.unwrap_or(&empty);
    let requested = new.pointer("/metadata/managedFields").cloned();
    let mut managers = match &requested {
        _ if subresource.is_some() => Managers::of(stored),
        Some(list) if is_reset(list) => Managers::default(),
        // A client that does not know managedFields must not delete them by accident.
        Some(list) => match Managers::decode(list) {
            Some(managers) if !managers.0.is_empty() => managers,
            _ => Managers::of(stored),
        },
        None => Managers::of(stored),
    };
    let reset = requested.as_ref().is_some_and(is_reset) && subresource.is_none();
    if (reset || managers.0.is_empty()) && old.is_some() {
        Managers::default().write(new);
        return;
    }
    let of = Type::of(schema);
    let before = without_managed_fields(stored);
    let after = without_managed_fields(new);
    let id = ManagerId {
        manager: named(manager),
        operation: Operation::Update,
        api_version: api_version(new),
        subresource: subresource.unwrap_or_default().to_owned(),
    };
    let ignored = Ignored::new(schema, subresource);
    update(&mut managers, of, &before, &after, ignored, &id, now);
    managers.cap();
    managers.write(new);
}

/// Whether two objects are the same but for the times in managedFields: such a write is skipped,
/// so that it neither counts as a change nor wakes anyone up.
pub fn is_same(a: &Value, b: &Value) -> bool {
    let timeless = |object: &Value| {
        let mut managers = Managers::of(object);
        for entry in managers.0.values_mut() {
            entry.time = None;
        }
        managers
    };
    equal(&without_managed_fields(a), &without_managed_fields(b)) && timeless(a) == timeless(b)
}

/// Updates ownership for an update: what changed belongs to who changed it.
fn update(
    managers: &mut Managers,
    of: Type<'_>,
    before: &Value,
    after: &Value,
    ignored: Ignored,
    id: &ManagerId,
    now: Timestamp,
) {
    for entry in managers.0.values_mut() {
        entry.set = reconciled(&entry.set, of);
    }
    let changes = compare(of, before, after).without_fields(|name| ignored.has(name));
    let written = changes.modified.union(&changes.added);
    for entry in managers.0.values_mut() {
        entry.set = entry.set.difference(&written).difference(&changes.removed);
    }
    // The manager's own entry lost these too, and gets them back here.
    let own = stripped(&written);
    if !own.is_empty() {
        let present = managers.0.get(id).map(|entry| entry.set.clone());
        let entry = Entry {
            set: own.union(&present.unwrap_or_default()),
            api_version: id.api_version.clone(),
            time: Some(time(now)),
        };
        managers.0.insert(id.clone(), entry);
    }
    managers.drop_empty();
}

/// A set without the fields that nobody owns: what identifies the object, and what the server
/// sets.
fn stripped(set: &Set) -> Set {
    let mut unowned: Set = ["apiVersion", "kind", "metadata"]
        .map(Element::field)
        .into_iter()
        .collect();
    let metadata: Set = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ]
    .map(Element::field)
    .into_iter()
    .collect();
    unowned.insert_below(Element::field("metadata"), metadata);
    set.difference(&unowned)
}

/// `managedFields: []` or one empty entry asks to forget everything.
fn is_reset(list: &Value) -> bool {
    match list.as_array().map(Vec::as_slice) {
        Some([]) => true,
        Some([only]) => only.as_object().is_some_and(serde_json::Map::is_empty),
        _ => false,
    }
}

fn without_managed_fields(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("managedFields");
    }
    object
}

/// Brings the annotation of client-side apply up to date, where there is one.
fn refresh_last_applied(object: &mut Value, applied: &Value) {
    let annotations = object.pointer_mut("/metadata/annotations");
    let Some(Value::Object(annotations)) = annotations else {
        return;
    };
    if annotations.get(LAST_APPLIED).is_none_or(|text| text == "") {
        return;
    }
    let mut applied = applied.clone();
    if let Some(Value::Object(own)) = applied.pointer_mut("/metadata/annotations") {
        own.remove(LAST_APPLIED);
    }
    annotations.insert(LAST_APPLIED.into(), format!("{applied}\n").into());
}

fn api_version(object: &Value) -> String {
    let version = object.get("apiVersion").and_then(Value::as_str);
    version.unwrap_or_default().to_owned()
}

fn named(manager: &str) -> String {
    if manager.is_empty() {
        "unknown"
    } else {
        manager
    }
    .to_owned()
}

/// Whole seconds, as in all times of the API.
fn time(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
