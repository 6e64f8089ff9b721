//! Checks of the metadata that all objects have.

use serde_json::Value;

use super::object::{is_deleting, list, text};
use super::resources::{Kind, Resource};
use crate::schema::FieldError;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/// All annotations together.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// Whether a text is a DNS label (RFC 1123).
pub(crate) fn dns_label(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether a text is a DNS subdomain (RFC 1123) as Kubernetes takes it.
pub(crate) fn dns_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|part| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        })
}

fn word(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().last())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// `prefix/name` or `name`, the form of label keys.
pub(crate) fn qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => dns_subdomain(prefix) && word(name),
        None => word(text),
    }
}

fn invalid(field: impl Into<String>, value: &str, rule: &str) -> FieldError {
    FieldError {
        field: field.into(),
        reason: "FieldValueInvalid",
        message: format!("Invalid value: {value:?}: {rule}"),
    }
}

/// Checks the metadata of an object that is to be stored.
pub(crate) fn metadata(resource: &Resource, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if old.is_none() {
        let name = text(new, "/metadata/name");
        match resource.kind {
            Kind::Namespace if !dns_label(name) => {
                errors.push(invalid("metadata.name", name, LABEL));
            }
            // Names of events are made from times and may hold what others may not.
            Kind::Event if !name.contains('/') => {}
            _ if !dns_subdomain(name) => errors.push(invalid("metadata.name", name, SUBDOMAIN)),
            _ => {}
        }
    }
    for (key, value) in entries(new, "/metadata/labels") {
        if !qualified_name(key) {
            errors.push(invalid("metadata.labels", key, QUALIFIED));
        }
        match value.as_str() {
            Some(value) if value.is_empty() || word(value) => {}
            other => errors.push(invalid(
                "metadata.labels",
                other.unwrap_or("not a string"),
                VALUE,
            )),
        }
    }
    let mut size = 0;
    for (key, value) in entries(new, "/metadata/annotations") {
        if !qualified_name(&key.to_lowercase()) {
            errors.push(invalid("metadata.annotations", key, QUALIFIED));
        }
        match value.as_str() {
            Some(value) => size += key.len() + value.len(),
            None => errors.push(invalid("metadata.annotations", key, "must be a string")),
        }
    }
    if size > MAX_ANNOTATIONS {
        errors.push(FieldError {
            field: "metadata.annotations".into(),
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {MAX_ANNOTATIONS} bytes"),
        });
    }
    finalizers(resource, new, old, &mut errors);
    owners(new, &mut errors);
    errors
}

fn entries<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object
        .pointer(pointer)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// Finalizers without a domain are Kubernetes' own.
const OWN_FINALIZERS: &[&str] = &["orphan", "foregroundDeletion", "kubernetes"];

fn finalizers(resource: &Resource, new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let given = list(new, "/metadata/finalizers");
    let needs_domain = !matches!(resource.kind, Kind::Custom | Kind::Crd);
    for (i, finalizer) in given.iter().enumerate() {
        match finalizer.as_str() {
            Some(f) if needs_domain && !f.contains('/') && !OWN_FINALIZERS.contains(&f) => {
                errors.push(invalid(
                    format!("metadata.finalizers[{i}]"),
                    f,
                    "name is neither a standard finalizer name nor is it fully qualified",
                ));
            }
            Some(f) if qualified_name(f) => {}
            other => errors.push(invalid(
                "metadata.finalizers",
                other.unwrap_or("not a string"),
                QUALIFIED,
            )),
        }
    }
    let Some(old) = old else { return };
    let before = list(old, "/metadata/finalizers");
    if is_deleting(old) && given.iter().any(|f| !before.contains(f)) {
        errors.push(FieldError {
            field: "metadata.finalizers".into(),
            reason: "FieldValueForbidden",
            message: "Forbidden: no new finalizers can be added if the object is being deleted"
                .into(),
        });
    }
}

fn owners(new: &Value, errors: &mut Vec<FieldError>) {
    let mut controllers = 0;
    for (i, owner) in list(new, "/metadata/ownerReferences").iter().enumerate() {
        for key in ["apiVersion", "kind", "name", "uid"] {
            if text(owner, &format!("/{key}")).is_empty() {
                errors.push(FieldError {
                    field: format!("metadata.ownerReferences[{i}].{key}"),
                    reason: "FieldValueRequired",
                    message: format!("Required value: {key} must not be empty"),
                });
            }
        }
        controllers += i32::from(owner["controller"] == serde_json::json!(true));
    }
    if controllers > 1 {
        errors.push(invalid(
            "metadata.ownerReferences",
            "",
            "Only one reference can have Controller set to true",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(dns_subdomain("a.b-c.0") && dns_label("a-0"));
        for bad in ["", "A", "-a", "a-", "a_b", "a/b", "a..b"] {
            assert!(!dns_subdomain(bad), "{bad}");
        }
        assert!(!dns_label("a.b"));
        assert!(qualified_name("x.io/Y_z") && qualified_name("y"));
        assert!(!qualified_name("x.io/") && !qualified_name("/y") && !qualified_name("x_y.io/z"));
    }
}
