//! What the API server knows about the shape of objects: structural schemas, patches and
//! server-side apply, over plain JSON values.

pub mod apply;
mod error;
pub mod patch;
mod registry;
mod structural;

pub use error::FieldError;
pub use registry::{Gvk, SchemaRegistry};
pub use structural::Schema;
