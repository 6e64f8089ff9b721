//! The Node object, and telling the API server regularly that the node lives.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{
    DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeStatus,
    NodeSystemInfo,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::status::time;
use crate::node::plan::fields::{POD_IP, machine};
use crate::node::preflight::PreflightReport;

/// Namespace of the heartbeats.
const LEASE_NAMESPACE: &str = "kube-node-lease";
/// Time between heartbeats, as kubelet has it.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Heartbeats from one refresh of the Node's conditions to the next.
const HEARTBEATS_PER_STATUS: u32 = 30;
/// Pods that the node takes.
const MOST_PODS: u32 = 250;
/// First pause after a failed registration; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What is told about a node.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The name of the Node object.
    pub name: String,
    /// Where the API server finds the node's own endpoint, unless it is in the same process.
    pub endpoint: Option<SocketAddr>,
    /// What the machine can do.
    pub found: PreflightReport,
}

/// Registers the node, and keeps it registered until dropped.
pub async fn keep(client: Client, identity: Identity) {
    let nodes: Api<Node> = Api::all(client.clone());
    let name = &identity.name;
    let mut pause = FIRST_PAUSE;
    while let Err(error) = register(&nodes, &identity).await {
        tracing::warn!(error = %error, node.name = name, "cannot register the node; will try again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(HEARTBEAT);
    }
    tracing::info!(node.name = name, "the node is registered");
    let leases: Api<Lease> = Api::namespaced(client, LEASE_NAMESPACE);
    for beat in 1_u32.. {
        if let Err(error) = renew(&leases, name).await {
            tracing::debug!(error = %error, "cannot renew the node's lease");
        }
        tokio::time::sleep(HEARTBEAT).await;
        if beat.is_multiple_of(HEARTBEATS_PER_STATUS)
            && let Err(error) = register(&nodes, &identity).await
        {
            tracing::warn!(error = %error, "cannot refresh the node's status");
        }
    }
}

async fn register(nodes: &Api<Node>, identity: &Identity) -> kube::Result<()> {
    let name = identity.name.as_str();
    let labels = [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", architecture()),
    ];
    let node = Node {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(
                labels
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .collect(),
            ),
            ..ObjectMeta::default()
        },
        ..Node::default()
    };
    match nodes.create(&PostParams::default(), &node).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        result => drop(result?),
    }
    let present = nodes
        .get(name)
        .await?
        .status
        .and_then(|status| status.conditions)
        .unwrap_or_default();
    let patch = json!({"status": status(identity, &present)});
    nodes
        .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .map(drop)
}

fn status(identity: &Identity, present: &[NodeCondition]) -> NodeStatus {
    let quantity = |value: u64| Quantity(value.to_string());
    let capacity = BTreeMap::from([
        ("cpu".to_owned(), quantity(machine("cpu").unwrap_or(1))),
        (
            "memory".to_owned(),
            quantity(machine("memory").unwrap_or(0)),
        ),
        ("pods".to_owned(), quantity(u64::from(MOST_PODS))),
    ]);
    let address = |kind: &str, address: &str| NodeAddress {
        type_: kind.to_owned(),
        address: address.to_owned(),
    };
    let addresses = match identity.endpoint {
        // An API server that has to connect prefers a host name, and this one need not resolve.
        Some(endpoint) => vec![address("InternalIP", &endpoint.ip().to_string())],
        None => vec![
            address("InternalIP", POD_IP),
            address("Hostname", &identity.name),
        ],
    };
    NodeStatus {
        capacity: Some(capacity.clone()),
        allocatable: Some(capacity),
        conditions: Some(conditions(&identity.found, present)),
        addresses: Some(addresses),
        daemon_endpoints: identity.endpoint.map(|endpoint| NodeDaemonEndpoints {
            kubelet_endpoint: Some(DaemonEndpoint {
                port: endpoint.port().into(),
            }),
        }),
        node_info: Some(node_info()),
        ..NodeStatus::default()
    }
}

fn conditions(found: &PreflightReport, present: &[NodeCondition]) -> Vec<NodeCondition> {
    let now = time(Timestamp::now());
    let sandboxed = found.bwrap.is_some();
    let limited = found.cgroups.limits_memory();
    let warnings = found.warnings.join(" ");
    let list = [
        (
            "Ready",
            true,
            "KubeletReady",
            if warnings.is_empty() {
                "The node runs Pods.".to_owned()
            } else {
                warnings.clone()
            },
        ),
        (
            "MemoryPressure",
            false,
            "KubeletHasSufficientMemory",
            String::new(),
        ),
        (
            "DiskPressure",
            false,
            "KubeletHasNoDiskPressure",
            String::new(),
        ),
        (
            "PIDPressure",
            false,
            "KubeletHasSufficientPID",
            String::new(),
        ),
        (
            "PodsSandboxed",
            sandboxed,
            if sandboxed {
                "Bubblewrap"
            } else {
                "SandboxDisabled"
            },
            if sandboxed {
                String::new()
            } else {
                warnings.clone()
            },
        ),
        (
            "ResourceLimits",
            limited,
            if limited {
                "ControlGroups"
            } else {
                "NoControlGroups"
            },
            if limited { String::new() } else { warnings },
        ),
    ];
    let condition = |(kind, holds, reason, message): (&str, bool, &str, String)| {
        let status = if holds { "True" } else { "False" };
        let before = present
            .iter()
            .find(|condition| condition.type_ == kind && condition.status == status);
        NodeCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message),
            last_heartbeat_time: Some(now.clone()),
            last_transition_time: before
                .and_then(|before| before.last_transition_time.clone())
                .or_else(|| Some(now.clone())),
        }
    };
    list.into_iter().map(condition).collect()
}

fn node_info() -> NodeSystemInfo {
    let read = |path: &str| {
        std::fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    let os = read("/etc/os-release").lines().find_map(|line| {
        line.strip_prefix("PRETTY_NAME=")
            .map(|name| name.trim_matches('"').to_owned())
    });
    NodeSystemInfo {
        architecture: architecture().to_owned(),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        container_runtime_version: format!("bubblewrap://{}", env!("CARGO_PKG_VERSION")),
        kernel_version: read("/proc/sys/kernel/osrelease"),
        kubelet_version: format!("v1.33.0+codex-local-cluster-{}", env!("CARGO_PKG_VERSION")),
        machine_id: read("/etc/machine-id"),
        operating_system: "linux".to_owned(),
        os_image: os.unwrap_or_else(|| "Linux".to_owned()),
        ..NodeSystemInfo::default()
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

async fn renew(leases: &Api<Lease>, name: &str) -> kube::Result<()> {
    let now = MicroTime(Timestamp::now());
    let lease = Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(name.to_owned()),
            lease_duration_seconds: Some(40),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }),
    };
    let patch = Patch::Merge(json!({"spec": lease.spec}));
    match leases.patch(name, &PatchParams::default(), &patch).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => leases
            .create(&PostParams::default(), &lease)
            .await
            .map(drop),
        result => result.map(drop),
    }
}
