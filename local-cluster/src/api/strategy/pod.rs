//! Defaults of Pods, as upstream sets them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::api::object::{child_mut, set_condition, text};

/// The fields of a spec that hold containers.
pub(super) const CONTAINER_LISTS: &[&str] = &["initContainers", "containers"];

pub(super) fn prepare_create(object: &mut Value) {
    set_defaults(object);
    let qos = qos_class(object);
    object["status"] = json!({"phase": "Pending", "qosClass": qos});
}

/// Fills in what a Pod leaves out.
pub(super) fn set_defaults(object: &mut Value) {
    let spec = child_mut(object, "spec");
    default_all(
        spec,
        &[
            ("restartPolicy", json!("Always")),
            ("terminationGracePeriodSeconds", json!(30)),
            ("dnsPolicy", json!("ClusterFirst")),
            ("securityContext", json!({})),
            ("schedulerName", json!("default-scheduler")),
            ("enableServiceLinks", json!(true)),
            ("preemptionPolicy", json!("PreemptLowerPriority")),
            ("priority", json!(0)),
        ],
    );
    let grace = spec
        .get("terminationGracePeriodSeconds")
        .and_then(Value::as_i64);
    if grace.is_some_and(|seconds| seconds < 0) {
        // As upstream: the shortest that is not immediate.
        spec.insert("terminationGracePeriodSeconds".into(), json!(1));
    }
    for field in CONTAINER_LISTS {
        for container in maps(spec, field) {
            default_container(container);
        }
    }
    for volume in maps(spec, "volumes") {
        default_volume(volume);
    }
}

fn maps<'a>(
    parent: &'a mut Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    parent
        .get_mut(field)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

fn default_all(map: &mut Map<String, Value>, defaults: &[(&str, Value)]) {
    for (key, value) in defaults {
        if map.get(*key).is_none_or(Value::is_null) {
            map.insert((*key).to_owned(), value.clone());
        }
    }
}

fn default_container(container: &mut Map<String, Value>) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or("");
    let name = image.rsplit('/').next().unwrap_or(image);
    let latest = !image.contains('@') && (name.ends_with(":latest") || !name.contains(':'));
    let pull = if latest { "Always" } else { "IfNotPresent" };
    default_all(
        container,
        &[
            ("resources", json!({})),
            ("terminationMessagePath", json!("/dev/termination-log")),
            ("terminationMessagePolicy", json!("File")),
            ("imagePullPolicy", json!(pull)),
        ],
    );
    for port in maps(container, "ports") {
        default_all(port, &[("protocol", json!("TCP"))]);
    }
    for env in maps(container, "env") {
        if let Some(field) = env
            .get_mut("valueFrom")
            .and_then(|v| v.get_mut("fieldRef"))
            .and_then(Value::as_object_mut)
        {
            default_all(field, &[("apiVersion", json!("v1"))]);
        }
    }
    // What is limited and not requested is requested up to the limit.
    if let Some(resources) = container
        .get_mut("resources")
        .and_then(Value::as_object_mut)
        && let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned()
    {
        let requests = resources.entry("requests").or_insert_with(|| json!({}));
        if let Some(requests) = requests.as_object_mut() {
            for (key, value) in limits {
                requests.entry(key).or_insert(value);
            }
        }
    }
}

fn default_volume(volume: &mut Map<String, Value>) {
    for (source, key, value) in [
        ("secret", "defaultMode", json!(420)),
        ("configMap", "defaultMode", json!(420)),
        ("projected", "defaultMode", json!(420)),
        ("downwardAPI", "defaultMode", json!(420)),
        ("hostPath", "type", json!("")),
    ] {
        if let Some(source) = volume.get_mut(source).and_then(Value::as_object_mut) {
            default_all(source, &[(key, value)]);
        }
    }
    let known = volume.keys().any(|k| k != "name");
    if !known {
        volume.insert("emptyDir".into(), json!({}));
    }
}

fn qos_class(pod: &Value) -> &'static str {
    let containers: Vec<&Value> = CONTAINER_LISTS
        .iter()
        .flat_map(|f| pod["spec"][*f].as_array().into_iter().flatten())
        .collect();
    let quantity = |c: &Value, kind: &str, name: &str| c["resources"][kind][name].clone();
    let relevant = ["cpu", "memory"];
    let any = containers.iter().any(|c| {
        relevant
            .iter()
            .any(|n| !quantity(c, "limits", n).is_null() || !quantity(c, "requests", n).is_null())
    });
    let all = containers.iter().all(|c| {
        relevant.iter().all(|n| {
            let limit = quantity(c, "limits", n);
            !limit.is_null() && limit == quantity(c, "requests", n)
        })
    });
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// Puts a Pod on a node.
pub(crate) fn bind(pod: &mut Value, node: &str, now: Timestamp) {
    child_mut(pod, "spec").insert("nodeName".into(), json!(node));
    let scheduled = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null});
    set_condition(pod, scheduled, now);
    if text(pod, "/status/phase").is_empty() {
        child_mut(pod, "status").insert("phase".into(), json!("Pending"));
    }
}
