//! Fields of a Pod that its containers may ask for (downward API).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::quantity;

/// The address that a Pod reports: its loopback, because it has no other.
pub const POD_IP: &str = "127.0.0.1";

/// The value of a `fieldRef`.
pub fn field(pod: &Pod, path: &str) -> Option<String> {
    let metadata = &pod.metadata;
    let spec = pod.spec.as_ref();
    let text = |value: Option<&String>| Some(value.cloned().unwrap_or_default());
    match path {
        "metadata.name" => text(metadata.name.as_ref()),
        "metadata.namespace" => text(metadata.namespace.as_ref()),
        "metadata.uid" => text(metadata.uid.as_ref()),
        "metadata.labels" => Some(lines(metadata.labels.as_ref())),
        "metadata.annotations" => Some(lines(metadata.annotations.as_ref())),
        "spec.nodeName" => text(spec.and_then(|spec| spec.node_name.as_ref())),
        "spec.serviceAccountName" => text(spec.and_then(|spec| spec.service_account_name.as_ref())),
        "status.podIP" | "status.podIPs" | "status.hostIP" | "status.hostIPs" => {
            Some(POD_IP.to_owned())
        }
        _ => {
            let key = |prefix: &str| {
                path.strip_prefix(prefix)?
                    .strip_prefix("['")?
                    .strip_suffix("']")
            };
            if let Some(key) = key("metadata.labels") {
                return text(metadata.labels.as_ref().and_then(|labels| labels.get(key)));
            }
            let key = key("metadata.annotations")?;
            text(
                metadata
                    .annotations
                    .as_ref()
                    .and_then(|annotations| annotations.get(key)),
            )
        }
    }
}

fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let line = |(key, value): (&String, &String)| format!("{key}={value:?}");
    map.into_iter()
        .flatten()
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The value of a `resourceFieldRef`. A resource without a limit is the whole machine.
pub fn resource(container: &Container, selector: &ResourceFieldSelector) -> Option<String> {
    let (kind, resource) = selector.resource.split_once('.')?;
    let resources = container.resources.as_ref();
    let limits = resources.and_then(|resources| resources.limits.as_ref());
    let requests = resources.and_then(|resources| resources.requests.as_ref());
    let quantity = match kind {
        "limits" => limits.and_then(|limits| limits.get(resource)),
        "requests" => requests
            .and_then(|requests| requests.get(resource))
            .or_else(|| limits.and_then(|limits| limits.get(resource))),
        _ => return None,
    };
    let millis = match quantity {
        Some(quantity) => quantity::millis(quantity)?,
        None => machine(resource)?.saturating_mul(1000),
    };
    let divisor = selector
        .divisor
        .as_ref()
        .and_then(quantity::millis)
        .filter(|divisor| *divisor > 0)
        .unwrap_or(1000);
    Some(millis.div_ceil(divisor).to_string())
}

/// What the machine has of a resource, in whole units.
pub fn machine(resource: &str) -> Option<u64> {
    match resource {
        "cpu" => Some(std::thread::available_parallelism().map_or(1, |count| count.get() as u64)),
        "memory" => {
            let text = std::fs::read_to_string("/proc/meminfo").ok()?;
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("MemTotal:"))?;
            line.trim()
                .strip_suffix(" kB")?
                .parse::<u64>()
                .ok()
                .map(|kib| kib * 1024)
        }
        _ => None,
    }
}

/// A limit of a container in thousandths.
pub fn limit_millis(container: &Container, resource: &str) -> Option<u64> {
    let quantity: &Quantity = container
        .resources
        .as_ref()?
        .limits
        .as_ref()?
        .get(resource)?;
    quantity::millis(quantity)
}
