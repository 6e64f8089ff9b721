//! What a Pod may be, and what may be changed in one.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::pod::CONTAINER_LISTS;
use crate::api::object::{list, text};
use crate::api::validation::{dns_label, dns_subdomain};
use crate::schema::FieldError;

fn error(field: impl Into<String>, reason: &'static str, message: impl Into<String>) -> FieldError {
    FieldError {
        field: field.into(),
        reason,
        message: message.into(),
    }
}

fn required(field: impl Into<String>) -> FieldError {
    error(field, "FieldValueRequired", "Required value")
}

fn duplicate(field: impl Into<String>, value: &str) -> FieldError {
    error(
        field,
        "FieldValueDuplicate",
        format!("Duplicate value: {value:?}"),
    )
}

fn unsupported(field: impl Into<String>, value: &str, known: &[&str]) -> FieldError {
    let known: Vec<String> = known.iter().map(|k| format!("{k:?}")).collect();
    error(
        field,
        "FieldValueNotSupported",
        format!(
            "Unsupported value: {value:?}: supported values: {}",
            known.join(", ")
        ),
    )
}

pub(super) fn validate_create(pod: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let volumes = validate_volumes(pod, &mut errors);
    super::pod_fields::validate(pod, &mut errors);
    if list(pod, "/spec/containers").is_empty() {
        errors.push(required("spec.containers"));
    }
    let mut names = HashSet::new();
    for field in CONTAINER_LISTS {
        for (i, container) in list(pod, &format!("/spec/{field}")).iter().enumerate() {
            let path = format!("spec.{field}[{i}]");
            validate_container(container, &path, &volumes, &mut errors);
            let name = text(container, "/name");
            if !name.is_empty() && !names.insert(name) {
                errors.push(duplicate(format!("{path}.name"), name));
            }
        }
    }
    for (pointer, known) in [
        ("/spec/restartPolicy", &["Always", "OnFailure", "Never"][..]),
        (
            "/spec/dnsPolicy",
            &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
        ),
    ] {
        let value = text(pod, pointer);
        if !known.contains(&value) {
            errors.push(unsupported(pointer[1..].replace('/', "."), value, known));
        }
    }
    let number = |pointer: &str| pod.pointer(pointer).and_then(Value::as_i64);
    if number("/spec/activeDeadlineSeconds").is_some_and(|s| s < 1) {
        errors.push(error(
            "spec.activeDeadlineSeconds",
            "FieldValueInvalid",
            "Invalid value: must be between 1 and 2147483647, inclusive",
        ));
    }
    if number("/spec/terminationGracePeriodSeconds").is_some_and(|s| s < 0) {
        errors.push(error(
            "spec.terminationGracePeriodSeconds",
            "FieldValueInvalid",
            "Invalid value: must be greater than or equal to 0",
        ));
    }
    let node = text(pod, "/spec/nodeName");
    if !node.is_empty() && !dns_subdomain(node) {
        errors.push(error(
            "spec.nodeName",
            "FieldValueInvalid",
            format!("Invalid value: {node:?}"),
        ));
    }
    errors
}

fn validate_volumes<'a>(pod: &'a Value, errors: &mut Vec<FieldError>) -> HashSet<&'a str> {
    let mut names = HashSet::new();
    for (i, volume) in list(pod, "/spec/volumes").iter().enumerate() {
        let path = format!("spec.volumes[{i}]");
        let name = text(volume, "/name");
        if name.is_empty() {
            errors.push(required(format!("{path}.name")));
        } else if !dns_label(name) {
            errors.push(error(format!("{path}.name"), "FieldValueInvalid", format!("Invalid value: {name:?}: a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character")));
        } else if !names.insert(name) {
            errors.push(duplicate(format!("{path}.name"), name));
        }
        let sources = volume
            .as_object()
            .map_or(0, |m| m.keys().filter(|k| *k != "name").count());
        if sources > 1 {
            errors.push(error(
                path,
                "FieldValueForbidden",
                "Forbidden: may not specify more than 1 volume type",
            ));
        }
    }
    names
}

fn validate_container(
    container: &Value,
    path: &str,
    volumes: &HashSet<&str>,
    errors: &mut Vec<FieldError>,
) {
    let name = text(container, "/name");
    if name.is_empty() {
        errors.push(required(format!("{path}.name")));
    } else if !dns_label(name) {
        errors.push(error(
            format!("{path}.name"),
            "FieldValueInvalid",
            format!("Invalid value: {name:?}: a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character"),
        ));
    }
    if text(container, "/image").is_empty() {
        errors.push(required(format!("{path}.image")));
    }
    for (i, env) in list(container, "/env").iter().enumerate() {
        let at = format!("{path}.env[{i}]");
        if text(env, "/name").is_empty() {
            errors.push(required(format!("{at}.name")));
        }
        if env.get("valueFrom").is_some() && !text(env, "/value").is_empty() {
            errors.push(error(
                format!("{at}.valueFrom"),
                "FieldValueInvalid",
                "Invalid value: \"\": may not be specified when `value` is not empty",
            ));
        }
    }
    let mut mounts = HashSet::new();
    for (i, mount) in list(container, "/volumeMounts").iter().enumerate() {
        let at = format!("{path}.volumeMounts[{i}]");
        let (volume, target) = (text(mount, "/name"), text(mount, "/mountPath"));
        if !volumes.contains(volume) {
            errors.push(error(
                format!("{at}.name"),
                "FieldValueNotFound",
                format!("Not found: {volume:?}"),
            ));
        }
        if target.is_empty() {
            errors.push(required(format!("{at}.mountPath")));
        } else if !mounts.insert(target) {
            errors.push(error(
                format!("{at}.mountPath"),
                "FieldValueInvalid",
                format!("Invalid value: {target:?}: must be unique"),
            ));
        }
        let sub = text(mount, "/subPath");
        if sub.starts_with('/') || sub.split('/').any(|p| p == "..") {
            errors.push(error(
                format!("{at}.subPath"),
                "FieldValueInvalid",
                format!("Invalid value: {sub:?}: must be a relative path without '..'"),
            ));
        }
    }
}

const IMMUTABLE: &str = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

pub(super) fn validate_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = validate_deadline(new, old);
    errors.extend(validate_gates(new, old));
    let tolerations = list(new, "/spec/tolerations");
    let kept = list(old, "/spec/tolerations")
        .iter()
        .all(|t| tolerations.contains(t));
    if !kept || fixed_part(new) != fixed_part(old) {
        errors.push(error("spec", "FieldValueForbidden", IMMUTABLE));
    }
    errors
}

fn validate_deadline(new: &Value, old: &Value) -> Vec<FieldError> {
    let get = |v: &Value| {
        v.pointer("/spec/activeDeadlineSeconds")
            .and_then(Value::as_i64)
    };
    let message = match (get(old), get(new)) {
        (Some(_), None) => "must not update from a positive integer to nil value".to_owned(),
        (_, Some(new)) if new < 1 => format!("{new}: must be between 1 and 2147483647, inclusive"),
        (Some(old), Some(new)) if new > old => {
            format!("{new}: must be less than or equal to previous value")
        }
        _ => return Vec::new(),
    };
    vec![error(
        "spec.activeDeadlineSeconds",
        "FieldValueInvalid",
        format!("Invalid value: {message}"),
    )]
}

/// Whoever holds a Pod back lets go of it by removing the gate; nobody can hold it back later.
fn validate_gates(new: &Value, old: &Value) -> Vec<FieldError> {
    let before = list(old, "/spec/schedulingGates");
    let gates = list(new, "/spec/schedulingGates").iter().enumerate();
    gates
        .filter(|(_, gate)| !before.contains(gate))
        .map(|(i, gate)| {
            let name = text(gate, "/name");
            error(
                format!("spec.schedulingGates[{i}].name"),
                "FieldValueForbidden",
                format!(
                    "Forbidden: only deletion is allowed, but found new scheduling gate '{name}'"
                ),
            )
        })
        .collect()
}

/// The spec without what may change.
fn fixed_part(pod: &Value) -> Value {
    let mut spec = pod["spec"].clone();
    if let Some(map) = spec.as_object_mut() {
        map.shift_remove("activeDeadlineSeconds");
        map.shift_remove("tolerations");
        map.shift_remove("schedulingGates");
    }
    for field in CONTAINER_LISTS {
        for container in spec[*field].as_array_mut().into_iter().flatten() {
            container["image"] = json!("");
        }
        // Indexing for writing makes a null where nothing was.
        if spec[*field].is_null()
            && let Some(map) = spec.as_object_mut()
        {
            map.shift_remove(*field);
        }
    }
    spec
}
