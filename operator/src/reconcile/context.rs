//! What every pass uses.

use std::sync::Arc;

use codex_crds::{CodexRepository, CodexTask};
use codex_telemetry::Tracer;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;
use kube::api::ListParams;
use kube::runtime::reflector::Store;

use super::Memories;
use crate::admission::Admission;
use crate::checkpoint::{Checkpoint, Checkpoints};
use crate::config::Config;
use crate::error::Error;
use crate::events::EventSink;
use crate::follow::Logs;
use crate::keys::{Nonces, TokenSigner};
use crate::metrics::Metrics;
use crate::preflight::Preflight;

/// What every pass uses.
pub struct Context {
    /// The configuration.
    pub config: Arc<Config>,
    /// Tasks, without prompts.
    pub tasks: Store<CodexTask>,
    /// Pods of tasks.
    pub pods: Store<Pod>,
    /// Repositories.
    pub repositories: Store<CodexRepository>,
    /// Tasks in the API.
    pub task_api: Api<CodexTask>,
    /// Pods in the API.
    pub pod_api: Api<Pod>,
    /// Secrets in the API; they are written and deleted, never read.
    pub secret_api: Api<Secret>,
    /// Repositories in the API.
    pub repository_api: Api<CodexRepository>,
    /// The queue.
    pub admission: Arc<Admission>,
    /// Readers and archivers.
    pub logs: Logs,
    /// What passes remember.
    pub memories: Memories,
    /// Kubernetes events.
    pub events: EventSink,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What was found out about the cluster.
    pub preflight: Arc<Preflight>,
    /// Where spans go.
    pub tracer: Tracer,
    /// Signs tokens.
    pub signer: TokenSigner,
    /// Makes nonces.
    pub nonces: Nonces,
    /// Where tests let the operator die.
    pub checkpoints: Arc<dyn Checkpoints>,
}

impl Context {
    /// All repositories, straight from the API: the cache may be a moment behind somebody who made a repository and a task there
    /// in one go.
    pub(super) async fn fresh_repositories(&self) -> Result<Vec<Arc<CodexRepository>>, Error> {
        let list = self.repository_api.list(&ListParams::default()).await?;
        Ok(list.items.into_iter().map(Arc::new).collect())
    }

    pub(super) async fn reached(&self, point: Checkpoint, task: &str) {
        self.checkpoints.reached(point, task).await;
    }
}

/// Removes what no decision needs and what would fill the memory: ten thousand tasks take a quarter of the space without it.
#[must_use]
pub fn strip(mut task: CodexTask) -> CodexTask {
    task.metadata.managed_fields = None;
    task.spec.prompt = String::new();
    task
}
