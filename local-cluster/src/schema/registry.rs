//! All schemas that the server has: the built-in kinds and the custom resource definitions.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{FieldError, Schema};

/// Group, version and kind of an object. The core group is the empty string.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gvk {
    /// API group; empty for the core group.
    pub group: String,
    /// API version, such as `v1`.
    pub version: String,
    /// Kind, such as `Pod`.
    pub kind: String,
}

/// The schemas of built-in kinds and of custom resources. Clones share their content.
#[derive(Clone, Debug)]
pub struct SchemaRegistry;

impl SchemaRegistry {
    /// The schemas of the built-in kinds.
    pub fn builtin() -> Self {
        Self
    }

    /// Adds or replaces the schemas of a CustomResourceDefinition.
    ///
    /// # Errors
    /// Every reason why its schemas are not structural or its CEL rules do not compile; the
    /// registry is unchanged then.
    pub fn set_crd(&self, _crd: &Value) -> Result<(), Vec<FieldError>> {
        Ok(())
    }

    /// Removes the schemas of the CustomResourceDefinition with this name (`<plural>.<group>`).
    pub fn remove_crd(&self, _name: &str) {}

    /// The schema of a kind.
    pub fn schema(&self, _gvk: &Gvk) -> Option<Arc<Schema>> {
        None
    }

    /// Body of `/openapi/v3`.
    pub fn openapi_v3_index(&self) -> Value {
        json!({"paths": {}})
    }

    /// The OpenAPI v3 document of `api/v1` or `apis/<group>/<version>`.
    pub fn openapi_v3(&self, _path: &str) -> Option<Arc<[u8]>> {
        None
    }

    /// The OpenAPI v2 document (JSON).
    pub fn openapi_v2(&self) -> Arc<[u8]> {
        Arc::from(&b"{}"[..])
    }
}
