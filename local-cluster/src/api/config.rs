//! Settings of the API server.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::store::Durability;

/// Settings of the API server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiConfig {
    /// Everything that the cluster keeps: state, certificates, tokens, kubeconfigs, volumes.
    pub data_dir: PathBuf,
    /// Where to listen. With port 0 a free port is chosen once and kept in the data folder.
    #[serde(default = "loopback")]
    pub listen: SocketAddr,
    /// What an acknowledged write survives.
    #[serde(default)]
    pub durability: Durability,
    /// How many changes of each resource are kept; watches and pages older than that get 410.
    #[serde(default = "history")]
    pub history: usize,
    /// The namespaces in which the operator and the gateway may work.
    #[serde(default = "task_namespaces")]
    pub task_namespaces: Vec<String>,
}

impl ApiConfig {
    /// The defaults for a data folder.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: loopback(),
            durability: Durability::default(),
            history: history(),
            task_namespaces: task_namespaces(),
        }
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn history() -> usize {
    8192
}

fn task_namespaces() -> Vec<String> {
    vec!["codex-tasks".to_owned()]
}
