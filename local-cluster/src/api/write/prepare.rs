//! What all writes do to an object before it is stored.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Part, Target};
use crate::api::Api;
use crate::api::error::ApiError;
use crate::api::object::{child_mut, finalizers, is_deleting, metadata_mut, set_or_remove, text};
use crate::api::request::FieldValidation;
use crate::api::resources::{Kind, Resource};
use crate::api::strategy;
use crate::schema::FieldError;

/// Metadata that only the server writes.
const SERVER_METADATA: &[&str] = &[
    "creationTimestamp",
    "uid",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "namespace",
    "name",
    "resourceVersion",
];

/// Checks the type of a body against the path, and fills it in when it is not said.
pub(super) fn check_type(resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    for (key, expected) in [
        ("apiVersion", resource.api_version()),
        ("kind", resource.kind_name.clone()),
    ] {
        match object.get(key).and_then(Value::as_str) {
            None | Some("") => object[key] = json!(expected),
            Some(given) if given == expected => {}
            Some(given) if key == "kind" && resource.kind == Kind::Custom => {
                return Err(wrong_type(resource, object, key, given, &expected));
            }
            Some(given) => {
                let what = if key == "kind" { "kind" } else { "API version" };
                return Err(ApiError::BadRequest(format!(
                    "the {what} in the data ({given}) does not match the expected {what} ({expected})"
                )));
            }
        }
    }
    if object
        .get("metadata")
        .is_some_and(|m| !m.is_object() && !m.is_null())
    {
        return Err(ApiError::BadRequest("metadata must be an object".into()));
    }
    Ok(())
}

/// Custom resources are checked against their definition, where the wrong type is a wrong value.
pub(super) fn check_patched_type(resource: &Resource, object: &Value) -> Result<(), ApiError> {
    if resource.kind != Kind::Custom {
        return Ok(());
    }
    let expected = resource.api_version();
    match text(object, "/apiVersion") {
        "" => Ok(()),
        given if given == expected => Ok(()),
        given => Err(wrong_type(resource, object, "apiVersion", given, &expected)),
    }
}

fn wrong_type(
    resource: &Resource,
    object: &Value,
    field: &str,
    given: &str,
    expected: &str,
) -> ApiError {
    let mut subject = resource.subject(text(object, "/metadata/name"));
    text(object, "/kind").clone_into(&mut subject.kind);
    ApiError::Invalid {
        subject,
        causes: vec![FieldError::invalid(
            field,
            &json!(given),
            &format!("must be {expected}"),
        )],
    }
}

/// The namespace in a body must be that of the path.
pub(super) fn check_namespace(target: &Target, object: &mut Value) -> Result<(), ApiError> {
    let given = text(object, "/metadata/namespace");
    if !target.resource.namespaced {
        metadata_mut(object).shift_remove("namespace");
        return Ok(());
    }
    if !given.is_empty() && given != target.key.namespace {
        return Err(ApiError::BadRequest(format!(
            "the namespace of the provided object does not match the namespace sent on the request ({given} vs {})",
            target.key.namespace
        )));
    }
    metadata_mut(object).insert("namespace".into(), json!(target.key.namespace));
    Ok(())
}

/// In a typed decoder `null` is the same as absent; built-in types are decoded that way.
pub(super) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Empty metadata is left out when objects are encoded upstream, so it is no difference.
fn drop_empty_metadata(object: &mut Value) {
    metadata_mut(object).retain(|_, v| match v {
        Value::Null => false,
        Value::Array(a) => !a.is_empty(),
        Value::Object(o) => !o.is_empty(),
        Value::String(s) => !s.is_empty(),
        _ => true,
    });
}

impl Api {
    /// Prunes, defaults and reports unknown fields.
    pub(super) fn decode(
        &self,
        resource: &Resource,
        object: &mut Value,
        validation: FieldValidation,
    ) -> Result<Vec<String>, ApiError> {
        if resource.kind != Kind::Custom && resource.kind != Kind::Crd {
            drop_nulls(object);
        }
        drop_empty_metadata(object);
        let Some(schema) = self.schemas.schema(&resource.gvk()) else {
            return Ok(Vec::new());
        };
        let unknown = schema.default_and_prune(object);
        let unknown: Vec<String> = unknown
            .into_iter()
            .map(|field| format!("unknown field \"{field}\""))
            .collect();
        match validation {
            FieldValidation::Ignore => Ok(Vec::new()),
            FieldValidation::Strict if !unknown.is_empty() => Err(ApiError::BadRequest(format!(
                "{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
                resource.kind_name,
                resource.version,
                resource.kind_name,
                unknown.join(", ")
            ))),
            FieldValidation::Warn | FieldValidation::Strict => Ok(unknown),
        }
    }

    /// All checks of an object that is to be stored.
    pub(super) fn validate(
        &self,
        target: &Target,
        new: &Value,
        old: Option<&Value>,
    ) -> Result<(), ApiError> {
        let resource = &target.resource;
        let mut causes = crate::api::validation::metadata(resource, new, old);
        let schema = self.schemas.schema(&resource.gvk());
        if let Some(schema) = &schema {
            causes.extend(schema.validate(new, old));
        }
        // The rules for Pods say the same of the name.
        causes.retain(|cause| {
            resource.kind != Kind::Pod
                || cause.reason != FieldError::DUPLICATE
                || !cause.field.starts_with("spec.volumes[")
        });
        // Upstream reads the other kinds into types, which a wrong one does not even fit into.
        let wrong = causes
            .iter()
            .find(|cause| cause.reason == FieldError::TYPE_INVALID);
        if let Some(wrong) = wrong
            && resource.kind != Kind::Custom
            && resource.kind != Kind::Crd
        {
            return Err(ApiError::BadRequest(format!(
                "{} in version {:?} cannot be handled as a {}: {wrong}",
                resource.kind_name, resource.version, resource.kind_name
            )));
        }
        // A malformed definition cannot be compiled; the other checks read whatever is there.
        if causes.is_empty() || resource.kind != Kind::Crd {
            let internal = target.part == Part::Internal;
            causes.extend(strategy::validate(self, resource, new, old, internal));
        }
        invalid_unless_empty(resource, target, causes)
    }
}

pub(super) fn invalid_unless_empty(
    resource: &Resource,
    target: &Target,
    causes: Vec<FieldError>,
) -> Result<(), ApiError> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(ApiError::Invalid {
        subject: resource.subject(&target.key.name),
        causes,
    })
}

/// Brings back what this endpoint may not change.
pub(super) fn isolate(target: &Target, new: &mut Value, old: &Value) {
    let old_metadata = old["metadata"].as_object().cloned().unwrap_or_default();
    let managed = new.pointer("/metadata/managedFields").cloned();
    match target.part {
        Part::Main => {
            if target.resource.has_status {
                restore(new, old, "status");
            }
            if target.resource.kind == Kind::Namespace {
                restore(new, old, "spec");
            }
        }
        Part::Status => {
            let status = new.get("status").cloned();
            let identity = (new["apiVersion"].take(), new["kind"].take());
            *new = old.clone();
            new["apiVersion"] = identity.0;
            new["kind"] = identity.1;
            if let Some(map) = new.as_object_mut() {
                set_or_remove(map, "status", status);
            }
        }
        Part::Finalize => {
            let wanted = new.pointer("/spec/finalizers").cloned();
            *new = old.clone();
            set_or_remove(child_mut(new, "spec"), "finalizers", wanted);
        }
        Part::Internal => {}
    }
    let metadata = metadata_mut(new);
    set_or_remove(metadata, "managedFields", managed);
    for key in SERVER_METADATA {
        set_or_remove(metadata, key, old_metadata.get(*key).cloned());
    }
}

fn restore(new: &mut Value, old: &Value, key: &str) {
    if let Some(map) = new.as_object_mut() {
        set_or_remove(map, key, old.get(key).cloned());
    }
}

/// Whether two versions of an object differ in nothing but the times in `managedFields`.
pub(super) fn is_noop(new: &Value, old: &Value) -> bool {
    if new == old {
        return true;
    }
    without_times(new) == without_times(old)
}

fn without_times(object: &Value) -> Value {
    let mut out = object.clone();
    if let Some(list) = out
        .pointer_mut("/metadata/managedFields")
        .and_then(Value::as_array_mut)
    {
        for entry in list {
            if let Some(map) = entry.as_object_mut() {
                map.shift_remove("time");
            }
        }
    }
    if let Some(metadata) = out.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, v| v.as_array().is_none_or(|a| !a.is_empty()));
    }
    out
}

/// Whether what the generation counts has changed: everything but metadata and status.
pub(super) fn spec_changed(new: &Value, old: &Value) -> bool {
    let rest = |v: &Value| -> Map<String, Value> {
        v.as_object()
            .map(|m| {
                m.iter()
                    .filter(|(k, _)| {
                        !matches!(k.as_str(), "metadata" | "status" | "apiVersion" | "kind")
                    })
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect()
            })
            .unwrap_or_default()
    };
    rest(new) != rest(old)
}

/// Marks an object as deleted at `at`.
pub(super) fn mark_deleted(object: &mut Value, at: Timestamp, grace: i64, has_generation: bool) {
    let bump = has_generation && !is_deleting(object);
    let metadata = metadata_mut(object);
    metadata.insert(
        "deletionTimestamp".into(),
        json!(crate::api::object::time(at)),
    );
    metadata.insert("deletionGracePeriodSeconds".into(), json!(grace));
    if bump {
        let generation = metadata
            .get("generation")
            .and_then(Value::as_i64)
            .unwrap_or(0);
        metadata.insert("generation".into(), json!(generation + 1));
    }
}

/// Whether nothing keeps a deleted object any more.
pub(super) fn is_released(resource: &Resource, object: &Value) -> bool {
    is_deleting(object)
        && finalizers(object).is_empty()
        && object
            .pointer("/metadata/deletionGracePeriodSeconds")
            .and_then(Value::as_i64)
            .unwrap_or(0)
            == 0
        && (resource.kind != Kind::Namespace
            || object
                .pointer("/spec/finalizers")
                .and_then(Value::as_array)
                .is_none_or(Vec::is_empty))
}
