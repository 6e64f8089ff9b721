//! ConfigMaps, Secrets and claims.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::api::object::{child_mut, text};
use crate::api::resources::Kind;
use crate::schema::FieldError;

/// etcd takes objects of up to 1.5 MiB; upstream caps these two kinds at 1 MiB.
const MAX_BYTES: usize = 1 << 20;

/// Moves `stringData` into `data` and fills in the type.
pub(super) fn prepare_secret(object: &mut Value) {
    let plain = object
        .as_object_mut()
        .and_then(|m| m.shift_remove("stringData"))
        .and_then(|v| match v {
            Value::Object(map) => Some(map),
            _ => None,
        });
    for (key, value) in plain.into_iter().flatten() {
        if let Value::String(value) = value {
            child_mut(object, "data").insert(key, json!(STANDARD.encode(value)));
        }
    }
    if text(object, "/type").is_empty() {
        object["type"] = json!("Opaque");
    }
}

/// Leaves out empty maps, as upstream's encoder does.
pub(super) fn drop_empty(object: &mut Value) {
    let Some(map) = object.as_object_mut() else {
        return;
    };
    for field in ["data", "binaryData"] {
        if map
            .get(field)
            .and_then(Value::as_object)
            .is_some_and(serde_json::Map::is_empty)
        {
            map.shift_remove(field);
        }
    }
}

/// How long a Lease holds, and how often it changed hands.
pub(super) fn validate_lease(new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut check = |field: &str, min: i64, rule: &str| {
        let value = &new["spec"][field];
        if value.as_i64().is_some_and(|number| number < min) {
            errors.push(FieldError::invalid(format!("spec.{field}"), value, rule));
        }
    };
    check("leaseDurationSeconds", 1, "must be greater than 0");
    check("leaseTransitions", 0, "must be greater than or equal to 0");
    errors
}

pub(super) fn validate(kind: Kind, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut size = 0;
    for field in ["data", "binaryData"] {
        let Some(map) = new.get(field).and_then(Value::as_object) else {
            continue;
        };
        for (key, value) in map {
            let encoded = kind == Kind::Secret || field == "binaryData";
            let value = value.as_str().unwrap_or("");
            if encoded {
                match STANDARD.decode(value) {
                    Ok(bytes) => size += bytes.len(),
                    // Upstream reads bytes here, so that this is another type.
                    Err(e) => errors.push(FieldError::type_invalid(
                        format!("{field}[{key}]"),
                        &json!(value),
                        &format!("illegal base64 data: {e}"),
                    )),
                }
            } else {
                size += value.len();
            }
            if !is_config_key(key) {
                errors.push(invalid(
                    format!("{field}[{key}]"),
                    format!(
                        "Invalid value: {key:?}: a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
                    ),
                ));
            }
        }
    }
    if size > MAX_BYTES {
        errors.push(FieldError {
            field: "data".into(),
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {MAX_BYTES} bytes"),
        });
    }
    if let Some(old) = old {
        validate_immutable(kind, new, old, &mut errors);
    }
    errors
}

fn validate_immutable(kind: Kind, new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let forbid = |field: &str, what: &str| FieldError {
        field: field.into(),
        reason: "FieldValueForbidden",
        message: format!("Forbidden: {what}"),
    };
    if kind == Kind::Secret && new["type"] != old["type"] {
        errors.push(invalid(
            "type".into(),
            format!("Invalid value: {}: field is immutable", new["type"]),
        ));
    }
    if old["immutable"] != json!(true) {
        return;
    }
    if new["immutable"] != json!(true) {
        errors.push(forbid(
            "immutable",
            "field is immutable when `immutable` is set",
        ));
    }
    for field in ["data", "binaryData"] {
        if new.get(field) != old.get(field) {
            errors.push(forbid(field, "field is immutable when `immutable` is set"));
        }
    }
}

/// A claim may grow and be bound; the rest of its spec stays.
pub(super) fn validate_claim_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let fixed = |claim: &Value, unbound: bool| {
        let mut spec = claim["spec"].clone();
        if let Some(map) = spec.as_object_mut() {
            map.shift_remove("resources");
            if unbound {
                map.shift_remove("volumeName");
            }
        }
        spec
    };
    let unbound = text(old, "/spec/volumeName").is_empty();
    if fixed(new, unbound) == fixed(old, unbound) {
        return Vec::new();
    }
    vec![FieldError {
        field: "spec".into(),
        reason: "FieldValueForbidden",
        message: "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims".into(),
    }]
}

fn is_config_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 253
        && key != "."
        && !key.starts_with("..")
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn invalid(field: String, message: String) -> FieldError {
    FieldError {
        field,
        reason: "FieldValueInvalid",
        message,
    }
}
