//! Definitions of custom resources.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::Api;
use crate::api::object::{child_mut, is_deleting, list, set_condition, text};
use crate::api::resources::{CRDS, is_established};
use crate::schema::{FieldError, SchemaRegistry};

/// Defaults, and the status that upstream's controllers would set a moment later. Names are checked
/// at admission here, so a stored definition is always accepted and established.
pub(super) fn prepare(object: &mut Value, old: Option<&Value>, now: Timestamp) {
    let kind = text(object, "/spec/names/kind").to_owned();
    child_mut(object, "spec")
        .entry("conversion")
        .or_insert_with(|| json!({"strategy": "None"}));
    let names = {
        child_mut(object, "spec");
        let names = child_mut(&mut object["spec"], "names");
        names
            .entry("singular")
            .or_insert_with(|| json!(kind.to_lowercase()));
        names
            .entry("listKind")
            .or_insert_with(|| json!(format!("{kind}List")));
        names.clone()
    };
    let storage = list(object, "/spec/versions")
        .iter()
        .find(|v| v["storage"] == json!(true))
        .map(|v| text(v, "/name").to_owned())
        .unwrap_or_default();
    if let Some(old) = old {
        object["status"] = old["status"].clone();
    }
    let mut stored: Vec<Value> = list(object, "/status/storedVersions").to_vec();
    if !stored.iter().any(|v| *v == json!(storage)) {
        stored.push(json!(storage));
    }
    let status = child_mut(object, "status");
    status.insert("acceptedNames".into(), Value::Object(names));
    status.insert("storedVersions".into(), json!(stored));
    for (kind, reason, message) in [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        (
            "Established",
            "InitialNamesAccepted",
            "the initial names have been accepted",
        ),
    ] {
        let condition =
            json!({"type": kind, "status": "True", "reason": reason, "message": message});
        set_condition(object, condition, now);
    }
}

pub(super) fn validate(api: &Api, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut invalid = |field: &str, message: String| {
        errors.push(FieldError {
            field: field.into(),
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {message}"),
        });
    };
    let (group, plural) = (text(new, "/spec/group"), text(new, "/spec/names/plural"));
    let wanted = format!("{plural}.{group}");
    if text(new, "/metadata/name") != wanted {
        invalid(
            "metadata.name",
            format!(
                "{:?}: must be spec.names.plural+\".\"+spec.group",
                text(new, "/metadata/name")
            ),
        );
    }
    if !group.contains('.') {
        invalid(
            "spec.group",
            format!("{group:?}: should be a domain with at least one dot"),
        );
    }
    let versions = list(new, "/spec/versions");
    let stored = versions
        .iter()
        .filter(|v| v["storage"] == json!(true))
        .count();
    if stored != 1 {
        invalid(
            "spec.versions",
            "must have exactly one version marked as storage version".into(),
        );
    }
    for (i, version) in versions.iter().enumerate() {
        if version.pointer("/schema/openAPIV3Schema").is_none() {
            invalid(
                &format!("spec.versions[{i}].schema.openAPIV3Schema"),
                "schemas are required".into(),
            );
        }
        if version.pointer("/subresources/scale").is_some() {
            invalid(
                &format!("spec.versions[{i}].subresources.scale"),
                "the scale subresource is not supported by this cluster".into(),
            );
        }
    }
    if text(new, "/spec/conversion/strategy") == "Webhook" {
        invalid(
            "spec.conversion.strategy",
            "\"Webhook\": this cluster has no webhooks; use None".into(),
        );
    }
    if let Some(old) = old {
        for pointer in [
            "/spec/group",
            "/spec/scope",
            "/spec/names/plural",
            "/spec/names/kind",
        ] {
            if new.pointer(pointer) != old.pointer(pointer) {
                invalid(&pointer[1..].replace('/', "."), "field is immutable".into());
            }
        }
        if is_deleting(new) {
            return errors;
        }
    }
    errors.extend(conflicting_names(api, new));
    if errors.is_empty()
        // The registry of the server must not see a definition that is not stored yet.
        && let Err(found) = SchemaRegistry::builtin().set_crd(new)
    {
        errors.extend(found);
    }
    errors
}

/// Two definitions of one group may not claim the same kind.
fn conflicting_names(api: &Api, new: &Value) -> Vec<FieldError> {
    let name = text(new, "/metadata/name");
    api.store
        .list(CRDS, None)
        .items
        .iter()
        .map(|s| &s.value)
        .filter(|other| {
            text(other, "/metadata/name") != name
                && is_established(other)
                && text(other, "/spec/group") == text(new, "/spec/group")
                && text(other, "/spec/names/kind") == text(new, "/spec/names/kind")
        })
        .map(|other| FieldError {
            field: "spec.names.kind".into(),
            reason: "FieldValueInvalid",
            message: format!(
                "Invalid value: {:?} is already in use by {}",
                text(new, "/spec/names/kind"),
                text(other, "/metadata/name")
            ),
        })
        .collect()
}
