//! What a Pod may ask for. What the node cannot do is refused, never ignored.

use k8s_openapi::api::core::v1::{Container, Pod};

use super::PlanError;

/// uid and gid of containers that name none.
pub const DEFAULT_ID: u32 = 10001;

/// Says what in a Pod this node doesn't do, if anything.
pub fn refusal(pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    for (asked, name) in [
        (spec.host_network, "hostNetwork"),
        (spec.host_pid, "hostPID"),
        (spec.host_ipc, "hostIPC"),
        (spec.share_process_namespace, "shareProcessNamespace"),
    ] {
        if asked == Some(true) {
            return Some(format!(
                "{name} is not possible on this node; Pods always have namespaces of their own"
            ));
        }
    }
    if spec
        .ephemeral_containers
        .as_ref()
        .is_some_and(|containers| !containers.is_empty())
    {
        return Some("ephemeral containers are not supported on this node".to_owned());
    }
    spec.init_containers.iter().flatten().find(|container| container.restart_policy.is_some()).map_or_else(
        || spec.containers.iter().chain(spec.init_containers.iter().flatten()).find_map(container_refusal),
        |container| Some(format!("container {}: sidecars (init containers with a restartPolicy) are not supported on this node", container.name)),
    )
}

fn container_refusal(container: &Container) -> Option<String> {
    let name = &container.name;
    if container
        .ports
        .iter()
        .flatten()
        .any(|port| port.host_port.is_some())
    {
        return Some(format!(
            "container {name}: hostPort is not possible on this node"
        ));
    }
    if container.liveness_probe.is_some()
        || container.readiness_probe.is_some()
        || container.startup_probe.is_some()
    {
        return Some(format!(
            "container {name}: probes are not supported on this node"
        ));
    }
    if container.lifecycle.is_some() {
        return Some(format!(
            "container {name}: lifecycle hooks are not supported on this node"
        ));
    }
    if container
        .volume_devices
        .as_ref()
        .is_some_and(|devices| !devices.is_empty())
    {
        return Some(format!(
            "container {name}: volumeDevices are not supported on this node"
        ));
    }
    let security = container.security_context.as_ref()?;
    if security.privileged == Some(true) {
        return Some(format!(
            "container {name}: privileged containers are not possible on this node"
        ));
    }
    if security.allow_privilege_escalation == Some(true) {
        return Some(format!(
            "container {name}: allowPrivilegeEscalation is not possible on this node"
        ));
    }
    if security
        .capabilities
        .as_ref()
        .and_then(|capabilities| capabilities.add.as_ref())
        .is_some_and(|added| !added.is_empty())
    {
        return Some(format!(
            "container {name}: added capabilities are not possible on this node"
        ));
    }
    if security
        .seccomp_profile
        .as_ref()
        .is_some_and(|profile| profile.type_ == "Localhost")
    {
        return Some(format!(
            "container {name}: seccomp profiles of type Localhost are not supported on this node"
        ));
    }
    None
}

/// uid and gid that a container runs with.
///
/// # Errors
/// Refuses uid 0 where the Pod says runAsNonRoot.
pub fn identity(pod: &Pod, container: &Container) -> Result<(u32, u32), PlanError> {
    let of_pod = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.security_context.as_ref());
    let own = container.security_context.as_ref();
    let user = own
        .and_then(|own| own.run_as_user)
        .or_else(|| of_pod.and_then(|of_pod| of_pod.run_as_user));
    let group = own
        .and_then(|own| own.run_as_group)
        .or_else(|| of_pod.and_then(|of_pod| of_pod.run_as_group));
    let non_root = own
        .and_then(|own| own.run_as_non_root)
        .or_else(|| of_pod.and_then(|of_pod| of_pod.run_as_non_root));
    let number = |asked: Option<i64>, otherwise| match asked {
        None => Ok(otherwise),
        Some(number) => u32::try_from(number)
            .map_err(|_| PlanError::config(format!("{number} is not a uid or gid"))),
    };
    let uid = number(user, DEFAULT_ID)?;
    if uid == 0 && non_root == Some(true) {
        return Err(PlanError::config(
            "container has runAsNonRoot and image will run as root".to_owned(),
        ));
    }
    Ok((uid, number(group, uid)?))
}
