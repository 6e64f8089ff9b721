//! The node: a kubelet for one machine.
//!
//! A client of any Kubernetes API server: it registers a Node, watches the Pods that are bound to it, runs them in
//! sandboxes and reports. The parts, from the outside in:
//!
//! | module | what it is |
//! |---|---|
//! | [`sync`] | watches Pods; one worker for each decides what has to happen and publishes its status |
//! | [`plan`] | what a container needs, as pure functions of the Pod and the objects that it refers to |
//! | [`runtime`] | starts, finds and stops the processes of Pods, knowing nothing of the API server |
//! | [`shim`] | the processes that own Pods, so that these outlive the node |
//! | [`sandbox`] | namespaces, file system, system call filter and limits of a container |
//! | [`logs`] | reading and following what containers wrote |
//! | [`kubelet`] | serving them to an API server that is another process |
//! | [`binder`] | a scheduler for clusters that have none |
//! | [`preflight`](mod@preflight) | whether this machine can do all that |

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use kube::Client;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub mod binder;
pub mod config;
pub mod index;
pub mod kubelet;
pub mod logs;
pub mod plan;
pub mod preflight;
pub mod runtime;
pub mod sandbox;
pub mod shim;
pub mod sync;

pub use config::NodeConfig;
pub use preflight::{PreflightError, PreflightReport, preflight};

use self::index::PodIndex;
use self::runtime::dirs::PodDir;
use self::runtime::{Runtime, RuntimeError};

/// The node of one machine.
#[derive(Debug)]
pub struct Node {
    runtime: Runtime,
    index: PodIndex,
    endpoint: Option<SocketAddr>,
}

/// The node cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// This machine cannot run Pods as configured.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// The node's folder cannot be used.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A part of the node died.
    #[error(transparent)]
    Worker(#[from] sync::WorkerLost),
}

impl Node {
    /// A node that keeps its state in `folder`. Blocks for about 0.1 s, because it tries the sandbox first.
    ///
    /// # Errors
    /// Says why this machine cannot run Pods, and what to do.
    pub fn new(config: NodeConfig, folder: impl AsRef<Path>) -> Result<Self, NodeError> {
        let found = preflight(&config)?;
        for warning in &found.warnings {
            tracing::warn!("{warning}");
        }
        let runtime = Runtime::new(config, folder.as_ref(), found)?;
        let index = PodIndex::default();
        // Logs of Pods that ran before are there before the API server was asked.
        for (_, pod) in PodDir::all(runtime.root()) {
            index.insert(&pod);
        }
        Ok(Self {
            runtime,
            index,
            endpoint: None,
        })
    }

    /// The endpoint that the API server asks for logs: `/containerLogs/{namespace}/{pod}/{container}`, `/pods`, `/healthz`.
    pub fn kubelet_router(&self) -> axum::Router {
        logs::router(logs::Logs {
            index: self.index.clone(),
            root: self.runtime.root().to_owned(),
        })
    }

    /// The name of the Node object.
    pub fn name(&self) -> &str {
        &self.runtime.config().node_name
    }

    /// Tells the API server where it finds the node's endpoint, for one that is in another process.
    #[must_use]
    pub fn reached_at(mut self, endpoint: SocketAddr) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Runs Pods until told to stop. They go on then, and a later node with the same folder takes them over.
    ///
    /// # Errors
    /// Fails when a part of the node dies.
    pub async fn run(self, client: Client, shutdown: CancellationToken) -> Result<(), NodeError> {
        let name = self.runtime.config().node_name.clone();
        let found = self.runtime.found().clone();
        let (events, _sender) = sync::events::Events::new(client.clone(), &name);
        let _registration = AbortOnDropHandle::new(tokio::spawn(sync::registration::keep(
            client.clone(),
            sync::registration::Identity {
                name,
                endpoint: self.endpoint,
                found,
            },
        )));
        let shared = Arc::new(sync::worker::Shared {
            runtime: self.runtime,
            client,
            events,
        });
        sync::Manager::new(shared, self.index).run(shutdown).await?;
        Ok(())
    }
}
