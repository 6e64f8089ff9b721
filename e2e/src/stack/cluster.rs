//! The Kubernetes API of a stack: that of the local cluster, or a real one of its own.

use anyhow::{Result, ensure};

use super::Stack;
use crate::kubernetes::{self, ApiServer};
use crate::wait::until;

/// When it is set, each stack gets a real Kubernetes API of its own instead of that of the local cluster.
const KUBERNETES: &str = "CODEX_TEST_KUBERNETES";
/// The local cluster is one process, and so is the node in somebody else's.
const LOCAL_CLUSTER: &str = "local-cluster";
const NODE: &str = "node";

/// Whether stacks run on a real Kubernetes API.
#[must_use]
pub fn on_kubernetes() -> bool {
    std::env::var_os(KUBERNETES).is_some_and(|value| !value.is_empty() && value != "0")
}

/// The API server of a stack, where it is a real one.
pub(super) fn start() -> Result<Option<ApiServer>> {
    if !on_kubernetes() {
        return Ok(None);
    }
    let server = ApiServer::start()?;
    ensure!(
        !server.is_somebody_elses(),
        "each stack needs a Kubernetes API of its own, which it may kill: unset {}",
        kubernetes::KUBECONFIG
    );
    Ok(Some(server))
}

impl Stack {
    /// The part that runs Pods: the local cluster, or the node in a real one.
    #[must_use]
    pub const fn node(&self) -> &'static str {
        if self.kubernetes.is_some() {
            NODE
        } else {
            LOCAL_CLUSTER
        }
    }

    /// The process of the API server.
    ///
    /// # Errors
    /// When it does not run.
    pub fn api_server(&self) -> Result<i32> {
        match &self.kubernetes {
            Some(server) => server.pid(),
            None => self.pid(LOCAL_CLUSTER),
        }
    }

    /// Ends the API server with SIGKILL; a real one with its store, the local one with its node. It stays away until
    /// [`Self::bring_api_server_back`], but for the local one, which its supervisor starts again soon.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_9_api_server(&self) -> Result<()> {
        match &self.kubernetes {
            Some(server) => server.kill_9(),
            None => self.kill_9(LOCAL_CLUSTER),
        }
    }

    /// Starts a killed API server again, with what it had, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn bring_api_server_back(&self) -> Result<()> {
        if let Some(server) = &self.kubernetes {
            server.restart()?;
        }
        until("the API server to answer", || async {
            Ok(self.kubectl(&["get", "--raw=/readyz"]).ok())
        })
        .await?;
        Ok(())
    }
}
