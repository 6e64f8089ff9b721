//! A Kubernetes API and node for one machine.

pub mod api;
pub mod node;
pub mod schema;
pub mod serve;
pub mod signals;
pub mod testing;
