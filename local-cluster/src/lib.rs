//! A Kubernetes API and node for one machine.
//!
//! Operator, gateway and kubectl see a cluster of one node, so that everything runs unchanged
//! without Kubernetes: on a laptop, and in tests.
//!
//! | module | what it is |
//! |---|---|
//! | [`api`] | the API server: storage, resources, watches, and the controllers that belong to it |
//! | [`schema`] | structural schemas, patches, server-side apply, OpenAPI documents |
//! | [`node`] | the node: runs Pods in sandboxes, as a client of the API |
//! | [`serve`] | both as one process: `codex-local-cluster serve --config FILE` |
//! | [`join`] | the node alone, in a cluster of somebody else's: `codex-local-cluster node --config FILE` |
//! | [`https`] | serving over TLS, for both |
//! | [`testing`] | an API server in the process of a test |
//!
//! What it is not: it has no Services, no webhooks, no RBAC objects (policies are fixed), no other
//! versions of built-in kinds than `v1`, and one machine. Past that it is Kubernetes.

pub mod api;
pub mod https;
pub mod join;
pub mod node;
pub mod schema;
pub mod serve;
pub mod signals;
pub mod testing;
