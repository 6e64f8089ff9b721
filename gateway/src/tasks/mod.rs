//! What a task is to the gateway, without HTTP and without Kubernetes.

pub mod states;
pub mod validate;
