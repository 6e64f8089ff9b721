//! The schema of one kind.

use std::sync::Arc;

use serde_json::Value;

use super::FieldError;
use super::arena::{Arena, NodeId};
use super::default::Defaulter;
use super::json::Path;
use super::validate::Validator;

/// Where a schema comes from; the API server treats the two slightly differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A Go type upstream: null means absent, zero values of status fields are filled in.
    Builtin,
    /// A structural schema of a CustomResourceDefinition.
    Custom,
}

/// The schema of one kind. Cheap to share, immutable.
#[derive(Clone, Debug)]
pub struct Schema {
    pub(crate) arena: Arc<Arena>,
    pub(crate) root: NodeId,
    pub(crate) origin: Origin,
    /// Whether status is a resource of its own, so that other writes leave it alone.
    pub(crate) has_status: bool,
}

impl Schema {
    /// Fills in defaults and removes fields that the schema does not know.
    ///
    /// Returns the paths of the removed fields (`spec.containers[0].nam`), sorted.
    pub fn default_and_prune(&self, obj: &mut Value) -> Vec<String> {
        Defaulter::new(self).run(obj)
    }

    /// Checks an object; `old` is the stored object of an update, for transition rules and so
    /// that what was invalid before and did not change is let through (ratcheting).
    ///
    /// Rules in CEL run only when the rest of the object fits the schema.
    pub fn validate(&self, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let mut errors = Vec::new();
        Validator::new(&self.arena, &mut errors).check(self.root, new, old, &Path::ROOT);
        let blocking = errors.iter().any(|e| {
            [
                FieldError::REQUIRED,
                FieldError::NOT_SUPPORTED,
                FieldError::TOO_LONG,
                FieldError::TOO_MANY,
                FieldError::TYPE_INVALID,
            ]
            .contains(&e.reason)
        });
        if !blocking {
            super::cel::validate(&self.arena, self.root, new, old, &mut errors);
        } else if super::cel::has_rules(&self.arena) {
            errors.push(FieldError::invalid(
                "<nil>",
                &Value::Null,
                "some validation rules were not checked because the object was invalid; \
                 correct the existing errors to complete validation",
            ));
        }
        errors
    }
}
