//! `CodexRepository`: one entry of the allow-list, and the defaults for tasks that run there.

#![expect(
    clippy::duplicated_attributes,
    reason = "every printer column repeats the keys of the others"
)]

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A folder that tasks may work on.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[kube(
    group = "codexrunner.io",
    version = "v1alpha1",
    kind = "CodexRepository",
    plural = "codexrepositories",
    singular = "codexrepository",
    shortname = "crepo",
    category = "codex",
    namespaced,
    derive = "PartialEq",
    derive = "Default",
    doc = "A CodexRepository is a folder that tasks may work on: the allow-list of what a task's cwd may be.",
    printcolumn(name = "Path", type_ = "string", json_path = ".spec.path"),
    printcolumn(name = "Model", type_ = "string", json_path = ".spec.model"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[x_kube(validation = ("has(self.source.persistentVolumeClaim) != has(self.source.hostPath)",
    "source must name exactly one of persistentVolumeClaim and hostPath"))]
#[serde(rename_all = "camelCase")]
pub struct CodexRepositorySpec {
    /// Where tasks see the repository: a folder directly or deeper under `/srv/repos`.
    #[schemars(
        length(min = 12, max = 512),
        regex(pattern = r"^/srv/repos(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$")
    )]
    pub path: String,
    /// What is mounted there, always read-only.
    pub source: RepositorySource,
    /// A sentence for the people who choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// The model of tasks that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub model: Option<String>,
    /// The time limit of tasks that name none, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub timeout_seconds: Option<i64>,
    /// Environment variables of every task here; a task's own win.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub env: BTreeMap<String, String>,
    /// Text that goes before every prompt here, for example the rules of the house.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65_536))]
    pub pre_prompt: Option<String>,
    /// MCP servers for Codex, by name. They run inside the task's Pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub mcp_servers: BTreeMap<String, McpServer>,
    /// Limits of the Pods of tasks here; what is absent comes from the operator's configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<RepositoryResources>,
}

/// Exactly one of the fields is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositorySource {
    /// A claim in the namespace of the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<PersistentVolumeClaimSource>,
    /// A folder of the node. Only where the operator permits it: the Pod security level `restricted` refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_path: Option<HostPathSource>,
}

/// A claim, and a folder in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersistentVolumeClaimSource {
    /// The name of the claim.
    #[schemars(length(min = 1, max = 253))]
    pub claim_name: String,
    /// A folder inside the volume; without it the whole volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub sub_path: Option<String>,
}

/// A folder of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostPathSource {
    /// The absolute path on the node.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
}

/// How Codex starts an MCP server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpServer {
    /// The program, looked up inside the Pod.
    #[schemars(length(min = 1, max = 1024))]
    pub command: String,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 64))]
    pub args: Vec<String>,
    /// Its environment. No secrets: whoever may read the repository object reads them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub env: BTreeMap<String, String>,
}

/// Limits in the notation of Kubernetes quantities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryResources {
    /// CPU, for example `2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Memory, for example `4Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Disk for the workspace, for example `10Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<String>,
}
