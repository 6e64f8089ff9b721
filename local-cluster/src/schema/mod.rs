//! What the API server knows about the shape of objects: structural schemas, patches and
//! server-side apply, over plain JSON values.
//!
//! The schemas of built-in kinds come from the OpenAPI documents of Kubernetes (see
//! `openapi/NOTICE`), those of custom resources from their definitions. Where behaviour is not
//! obvious it follows kube-apiserver 1.33.

pub mod apply;
mod arena;
mod cel;
mod crd;
mod default;
mod error;
mod format;
mod json;
mod openapi;
pub mod patch;
mod registry;
mod structural;
mod validate;

pub use error::FieldError;
pub use registry::{Gvk, SchemaRegistry};
pub use structural::Schema;
