//! What a shim is told to run. The node writes it to the shim's standard input as JSON, so that the secrets in it
//! (environment, files) never reach the disk.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::node::config::ServiceConfig;

/// One run of one container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ContainerPlan {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Working directory in the container.
    pub working_dir: String,
    /// Host name in the container.
    pub hostname: String,
    /// uid in the container.
    pub uid: u32,
    /// gid in the container.
    pub gid: u32,
    /// Whose rights on the host the container has.
    pub host: HostIdentity,
    /// How the process is confined.
    pub confinement: Confinement,
    /// In the order in which they are made.
    pub mounts: Vec<Mount>,
    /// Control groups that the process joins.
    pub cgroup: CgroupPlan,
    /// Where the output goes.
    pub log: LogPlan,
    /// SIGTERM to SIGKILL, when the stop request names no other time.
    pub grace_seconds: u64,
}

/// How the process is confined.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confinement {
    /// By bubblewrap, in the namespaces of the Pod.
    Bubblewrap {
        /// Path of the program on the host.
        program: PathBuf,
        /// Namespaces of the Pod, which its network process holds.
        namespaces: PodNamespaces,
    },
    /// Not at all.
    None,
}

/// The identity on the host that a container's processes run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostIdentity {
    /// uid on the host.
    pub uid: u32,
    /// gid on the host.
    pub gid: u32,
    /// Whether the shim has to change to it (it runs as root).
    pub change: bool,
}

/// The user and network namespace that the containers of a Pod share: descriptors of the process that keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodNamespaces {
    /// The process.
    pub process: ProcessId,
    /// Its descriptor of the user namespace.
    pub user_fd: i32,
    /// Its descriptor of the network namespace.
    pub net_fd: i32,
    /// What to hold as long as the network is needed. A process that was started before there were lifelines has none, and
    /// lives until the node ends it.
    #[serde(default)]
    pub lifeline: Option<PathBuf>,
}

/// A process, told apart from a later one with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Number on the host.
    pub pid: i32,
    /// Clock ticks from boot to its start, field 22 of `/proc/<pid>/stat`.
    pub start_time: u64,
    /// Which boot.
    pub boot_id: String,
}

/// A step in making the container's file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mount {
    /// A file or folder of the host.
    Bind {
        /// Absolute path on the host.
        source: PathBuf,
        /// Path below `source` that is meant, resolved so that it cannot leave `source`.
        sub_path: Option<PathBuf>,
        /// Absolute path in the container.
        target: String,
        /// Whether it can be written.
        read_only: bool,
    },
    /// A file system in memory.
    Tmpfs {
        /// Absolute path in the container.
        target: String,
        /// Most bytes that it holds.
        size: Option<u64>,
        /// Permissions of its root.
        mode: u32,
    },
    /// Makes what is mounted at `target` read-only, not what is mounted below it.
    Seal {
        /// Absolute path in the container.
        target: String,
    },
    /// A folder.
    Dir {
        /// Absolute path in the container.
        target: String,
        /// Permissions.
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// Where it leads.
        to: String,
        /// Absolute path in the container.
        target: String,
    },
    /// A file with this content.
    File {
        /// Absolute path in the container.
        target: String,
        /// Content.
        #[serde(with = "base64_bytes")]
        content: Vec<u8>,
        /// Permissions.
        mode: u32,
    },
    /// A new `/proc` of the container's own processes.
    Proc,
    /// A minimal `/dev`.
    Dev,
}

/// Control groups of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupPlan {
    /// Created, written and joined in this order.
    pub groups: Vec<CgroupDir>,
    /// Processes allowed by RLIMIT_NPROC, where no control group can count them.
    pub process_limit: Option<u64>,
}

/// One control group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupDir {
    /// Its folder.
    pub path: PathBuf,
    /// Files below it, and what is written into them.
    pub writes: Vec<(String, String)>,
    /// Where the kernel counts out-of-memory kills: `memory.events` (v2) or `memory.oom_control` (v1).
    pub oom_events: Option<String>,
}

/// Where the output of a container goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogPlan {
    /// The present file; rotated ones stand beside it with a number appended.
    pub path: PathBuf,
    /// Bytes after which the file is rotated.
    pub max_bytes: u64,
    /// Files kept, the present one included.
    pub max_files: usize,
}

/// The network process of a Pod: what it listens on inside, and where to it forwards.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NetworkPlan {
    /// Addresses that the Pod reaches.
    pub services: Vec<ServiceConfig>,
    /// Owner of the user namespace.
    pub host: HostIdentity,
}

mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}
