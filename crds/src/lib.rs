//! The custom resources of Codex Remote Runner, and the rules that every part of it shares about them.
//!
//! `task` and `repository` hold one resource each; `phase`, `conditions` and `reasons` the words of a task's status;
//! `allow_list` and `env_policy` decide what a task may name, and `admission` tells it to the API server. The two policies know nothing of Kubernetes, so that
//! the gateway can refuse early what the operator would refuse later, with the same text.

pub mod admission;
pub mod allow_list;
pub mod conditions;
pub mod env_policy;
pub mod limits;
pub mod meta;
pub mod phase;
pub mod reasons;
mod repository;
mod task;

pub use phase::Phase;
pub use repository::{
    CodexRepository, CodexRepositorySpec, HostPathSource, McpServer, PersistentVolumeClaimSource,
    RepositoryResources, RepositorySource,
};
pub use task::{CodexTask, CodexTaskSpec, CodexTaskStatus, Usage};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// All definitions of this API group, in the order in which they are installed.
#[must_use]
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![CodexRepository::crd(), CodexTask::crd()]
}
