//! Configuration of the node. The API server's configuration embeds it, so that one file describes a cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the node runs Pods with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeConfig {
    /// Name of the Node object, and of the node that Pods are bound to.
    pub node_name: String,
    /// Images by reference. A Pod that names another image waits with `ErrImagePull`.
    pub images: BTreeMap<String, ImageConfig>,
    /// Addresses that Pods reach. Nothing else can be reached from inside a Pod.
    pub services: Vec<ServiceConfig>,
    /// Path of bubblewrap. Without it: `CODEX_BWRAP` from the environment, then `PATH`, then the codex npm package.
    pub bwrap: Option<PathBuf>,
    /// Whether Pods are sandboxed.
    pub sandbox: SandboxMode,
    /// The host uid (and gid) of all Pod processes when the node runs as root, 65532 without it. Ignored otherwise:
    /// then Pods run as the user of the node. One uid for all Pods, so that a persistent volume stays readable from Pod
    /// to Pod; what separates Pods from each other is their namespaces.
    pub runtime_uid: Option<u32>,
    /// The program that is started as `<program> shim ...`; the present executable without it.
    pub shim: Option<PathBuf>,
    /// Bytes after which a container's log is rotated.
    pub container_log_max_size: u64,
    /// Log files kept for each container, the present one included.
    pub container_log_max_files: usize,
    /// Processes and threads that one container may have at a time.
    pub pod_pids_limit: u64,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            node_name: "local".to_owned(),
            images: BTreeMap::new(),
            services: Vec::new(),
            bwrap: None,
            sandbox: SandboxMode::Enforced,
            runtime_uid: None,
            shim: None,
            container_log_max_size: 10 * 1024 * 1024,
            container_log_max_files: 5,
            pod_pids_limit: 4096,
        }
    }
}

/// Whether Pods are sandboxed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxMode {
    /// Each container runs in its own namespaces, and the node refuses to start where the kernel forbids that.
    #[default]
    Enforced,
    /// Containers are plain processes of the node's user. For kernels that forbid namespaces, and trusted tasks only.
    None,
}

/// An "image": host files that are mounted read-only over the node's base file system.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// Files and folders of the host.
    pub binds: Vec<ImageBind>,
    /// Environment that a container starts from; the Pod's own variables win.
    pub env: BTreeMap<String, String>,
    /// Command of containers that name none.
    pub entrypoint: Vec<String>,
    /// Working directory of containers that name none.
    pub working_dir: Option<String>,
}

/// A read-only bind of an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageBind {
    /// Absolute path on the host.
    pub source: PathBuf,
    /// Absolute path in the container.
    pub target: String,
}

/// An address that Pods may reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceConfig {
    /// `ip:port` on the Pod's own loopback.
    pub listen: std::net::SocketAddr,
    /// `ip:port` on the host that connections are forwarded to.
    pub target: std::net::SocketAddr,
}
