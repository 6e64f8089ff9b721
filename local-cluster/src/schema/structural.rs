//! The schema of one kind.

use serde_json::Value;

use super::FieldError;

/// The schema of one kind.
#[derive(Debug)]
pub struct Schema;

impl Schema {
    /// Fills in defaults and removes fields that the schema does not know.
    /// Returns the paths of the removed fields.
    pub fn default_and_prune(&self, _obj: &mut Value) -> Vec<String> {
        Vec::new()
    }

    /// Checks an object; `old` is the stored object of an update, for transition rules.
    pub fn validate(&self, _new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
        Vec::new()
    }
}
