//! The error of one field, as it stands in `Status.details.causes`.

use std::fmt;

use serde_json::Value;

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field, such as `spec.containers[0].name`.
    pub field: String,
    /// The cause, such as `FieldValueInvalid`.
    pub reason: &'static str,
    /// The message without the path, such as `Required value`.
    pub message: String,
}

impl FieldError {
    pub(crate) const INVALID: &'static str = "FieldValueInvalid";
    pub(crate) const REQUIRED: &'static str = "FieldValueRequired";
    pub(crate) const FORBIDDEN: &'static str = "FieldValueForbidden";
    pub(crate) const DUPLICATE: &'static str = "FieldValueDuplicate";
    pub(crate) const NOT_SUPPORTED: &'static str = "FieldValueNotSupported";
    pub(crate) const TYPE_INVALID: &'static str = "FieldValueTypeInvalid";
    pub(crate) const TOO_LONG: &'static str = "FieldValueTooLong";
    pub(crate) const TOO_MANY: &'static str = "FieldValueTooMany";

    fn new(field: impl fmt::Display, reason: &'static str, message: String) -> Self {
        Self {
            field: field.to_string(),
            reason,
            message,
        }
    }

    fn with_detail(head: String, detail: &str) -> String {
        if detail.is_empty() {
            head
        } else {
            format!("{head}: {detail}")
        }
    }

    /// A value that is wrong for the reason that `detail` gives.
    pub(crate) fn invalid(field: impl fmt::Display, value: &Value, detail: &str) -> Self {
        let head = format!("Invalid value: {}", shown(value));
        Self::new(field, Self::INVALID, Self::with_detail(head, detail))
    }

    /// A value of another type than the schema asks for.
    pub(crate) fn type_invalid(field: impl fmt::Display, value: &Value, detail: &str) -> Self {
        let head = format!("Invalid value: {}", shown(value));
        Self::new(field, Self::TYPE_INVALID, Self::with_detail(head, detail))
    }

    /// A value that is missing.
    pub(crate) fn required(field: impl fmt::Display, detail: &str) -> Self {
        let message = Self::with_detail("Required value".into(), detail);
        Self::new(field, Self::REQUIRED, message)
    }

    /// A value that must not be there.
    pub(crate) fn forbidden(field: impl fmt::Display, detail: &str) -> Self {
        let message = Self::with_detail("Forbidden".into(), detail);
        Self::new(field, Self::FORBIDDEN, message)
    }

    /// A value that may stand only once.
    pub(crate) fn duplicate(field: impl fmt::Display, value: &Value) -> Self {
        let message = format!("Duplicate value: {}", shown(value));
        Self::new(field, Self::DUPLICATE, message)
    }

    /// A value outside of an enumeration.
    pub(crate) fn not_supported(field: impl fmt::Display, value: &Value, valid: &[Value]) -> Self {
        let list: Vec<String> = valid
            .iter()
            .map(|v| match v {
                Value::String(s) => format!("{s:?}"),
                other => format!("\"{other}\""),
            })
            .collect();
        let message = format!(
            "Unsupported value: {}: supported values: {}",
            shown(value),
            list.join(", ")
        );
        Self::new(field, Self::NOT_SUPPORTED, message)
    }

    /// A string that is longer than `max`.
    pub(crate) fn too_long(field: impl fmt::Display, max: u64) -> Self {
        let unit = if max == 1 { "byte" } else { "bytes" };
        let message = format!("Too long: may not be more than {max} {unit}");
        Self::new(field, Self::TOO_LONG, message)
    }

    /// A list or map with more than `max` items.
    pub(crate) fn too_many(field: impl fmt::Display, actual: usize, max: u64) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        let message = format!("Too many: {actual}: must have at most {max} {unit}");
        Self::new(field, Self::TOO_MANY, message)
    }
}

/// A value as upstream prints it: strings quoted, null as `null`.
fn shown(value: &Value) -> String {
    match value {
        Value::String(s) => format!("{s:?}"),
        Value::Null => "null".into(),
        other => other.to_string(),
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for FieldError {}
