//! The cells of the built-in kinds, as upstream's printers fill them.

use serde_json::{Value, json};

use super::duration::age;
use crate::api::object::{is_deleting, list, name, text};
use crate::api::resources::Kind;

pub(super) fn cells(kind: Kind, o: &Value) -> Vec<Value> {
    let age = created(o);
    match kind {
        Kind::Pod => pod(o, age),
        Kind::Node => node(o, age),
        Kind::Namespace => vec![json!(name(o)), json!(text(o, "/status/phase")), age],
        Kind::Event => event(o),
        Kind::ConfigMap => {
            let count = entries(o, "data") + entries(o, "binaryData");
            vec![json!(name(o)), json!(count), age]
        }
        Kind::Secret => vec![
            json!(name(o)),
            json!(text(o, "/type")),
            json!(entries(o, "data")),
            age,
        ],
        Kind::ServiceAccount => vec![json!(name(o)), json!(list(o, "/secrets").len()), age],
        Kind::PersistentVolume => volume(o, age),
        Kind::PersistentVolumeClaim => claim(o, age),
        Kind::Lease => vec![json!(name(o)), json!(text(o, "/spec/holderIdentity")), age],
        Kind::NetworkPolicy => vec![json!(name(o)), json!(label_selector(o)), age],
        Kind::Crd => vec![
            json!(name(o)),
            json!(text(o, "/spec/scope")),
            json!(versions(o)),
            json!(text(o, "/metadata/creationTimestamp")),
        ],
        Kind::Custom
        | Kind::SelfSubjectAccessReview
        | Kind::SelfSubjectRulesReview
        | Kind::SelfSubjectReview => {
            vec![
                json!(name(o)),
                json!(text(o, "/metadata/creationTimestamp")),
            ]
        }
    }
}

/// The served versions of a definition, with the one that is stored marked.
fn versions(o: &Value) -> String {
    let names = list(o, "/spec/versions").iter().map(|version| {
        let stored = if version["storage"] == true {
            "(storage)"
        } else {
            ""
        };
        format!("{}{stored}", text(version, "/name"))
    });
    names.collect::<Vec<_>>().join(",")
}

fn created(o: &Value) -> Value {
    json!(age(text(o, "/metadata/creationTimestamp")))
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

fn entries(o: &Value, field: &str) -> usize {
    o.get(field)
        .and_then(Value::as_object)
        .map_or(0, serde_json::Map::len)
}

fn pod(o: &Value, age_cell: Value) -> Vec<Value> {
    let total = list(o, "/spec/containers").len();
    let statuses = list(o, "/status/containerStatuses");
    let ready = statuses
        .iter()
        .filter(|s| s["ready"] == json!(true))
        .count();
    let restarts: i64 = statuses
        .iter()
        .chain(list(o, "/status/initContainerStatuses"))
        .filter_map(|s| s["restartCount"].as_i64())
        .sum();
    let last_restart = statuses
        .iter()
        .map(|s| text(s, "/lastState/terminated/finishedAt"))
        .max()
        .unwrap_or("");
    let restarts = if restarts > 0 && !last_restart.is_empty() {
        format!("{restarts} ({} ago)", age(last_restart))
    } else {
        restarts.to_string()
    };
    vec![
        json!(name(o)),
        json!(format!("{ready}/{total}")),
        json!(pod_status(o)),
        json!(restarts),
        age_cell,
        json!(or(text(o, "/status/podIP"), "<none>")),
        json!(or(text(o, "/spec/nodeName"), "<none>")),
        json!(or(text(o, "/status/nominatedNodeName"), "<none>")),
        json!("<none>"),
    ]
}

/// The most telling of phase, reasons of containers, and deletion.
fn pod_status(o: &Value) -> String {
    let mut reason = or(text(o, "/status/reason"), text(o, "/status/phase")).to_owned();
    let mut initializing = false;
    let init_total = list(o, "/spec/initContainers").len();
    for (i, status) in list(o, "/status/initContainerStatuses").iter().enumerate() {
        let terminated = status.pointer("/state/terminated");
        if terminated.is_some_and(|t| t["exitCode"] == json!(0)) {
            continue;
        }
        reason = match (terminated, text(status, "/state/waiting/reason")) {
            (Some(t), _) => format!("Init:{}", terminated_reason(t)),
            (None, waiting) if !matches!(waiting, "" | "PodInitializing") => {
                format!("Init:{waiting}")
            }
            _ => format!("Init:{i}/{init_total}"),
        };
        initializing = true;
        break;
    }
    if !initializing {
        let mut running = false;
        for status in list(o, "/status/containerStatuses").iter().rev() {
            let waiting = text(status, "/state/waiting/reason");
            if !waiting.is_empty() {
                reason = waiting.to_owned();
            } else if let Some(terminated) = status.pointer("/state/terminated") {
                reason = terminated_reason(terminated);
            } else if status["ready"] == json!(true) && status.pointer("/state/running").is_some() {
                running = true;
            }
        }
        if reason == "Completed" && running {
            reason = "Running".to_owned();
        }
    }
    if is_deleting(o) {
        return if text(o, "/status/reason") == "NodeLost" {
            "Unknown".to_owned()
        } else {
            "Terminating".to_owned()
        };
    }
    reason
}

fn terminated_reason(terminated: &Value) -> String {
    match (text(terminated, "/reason"), terminated["signal"].as_i64()) {
        ("", Some(signal)) if signal != 0 => format!("Signal:{signal}"),
        ("", _) => format!("ExitCode:{}", terminated["exitCode"]),
        (reason, _) => reason.to_owned(),
    }
}

fn node(o: &Value, age: Value) -> Vec<Value> {
    let condition = list(o, "/status/conditions")
        .iter()
        .find(|c| text(c, "/type") == "Ready");
    let mut status = match condition.map(|c| text(c, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if o.pointer("/spec/unschedulable") == Some(&json!(true)) {
        status.push_str(",SchedulingDisabled");
    }
    let roles: Vec<&str> = o
        .pointer("/metadata/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(k, _)| k.strip_prefix("node-role.kubernetes.io/"))
        .collect();
    let address = |kind: &str| {
        list(o, "/status/addresses")
            .iter()
            .find(|a| text(a, "/type") == kind)
            .map_or("<none>", |a| text(a, "/address"))
    };
    let info = |key: &str| or(text(o, &format!("/status/nodeInfo/{key}")), "<unknown>");
    vec![
        json!(name(o)),
        json!(status),
        json!(or(&roles.join(","), "<none>")),
        age,
        json!(text(o, "/status/nodeInfo/kubeletVersion")),
        json!(address("InternalIP")),
        json!(address("ExternalIP")),
        json!(info("osImage")),
        json!(info("kernelVersion")),
        json!(info("containerRuntimeVersion")),
    ]
}

fn first_of<'a>(o: &'a Value, pointers: &[&str]) -> &'a str {
    pointers
        .iter()
        .map(|p| text(o, p))
        .find(|t| !t.is_empty())
        .unwrap_or("")
}

/// In either version: both are printed the same.
fn event(o: &Value) -> Vec<Value> {
    let last = first_of(
        o,
        &[
            "/series/lastObservedTime",
            "/lastTimestamp",
            "/deprecatedLastTimestamp",
            "/eventTime",
            "/metadata/creationTimestamp",
        ],
    );
    let first = first_of(
        o,
        &[
            "/firstTimestamp",
            "/deprecatedFirstTimestamp",
            "/eventTime",
            "/metadata/creationTimestamp",
        ],
    );
    let about = if o.get("regarding").is_some() {
        "regarding"
    } else {
        "involvedObject"
    };
    let object = format!(
        "{}/{}",
        text(o, &format!("/{about}/kind")).to_lowercase(),
        text(o, &format!("/{about}/name"))
    );
    let component = first_of(
        o,
        &[
            "/source/component",
            "/deprecatedSource/component",
            "/reportingComponent",
            "/reportingController",
        ],
    );
    let host = first_of(
        o,
        &[
            "/source/host",
            "/deprecatedSource/host",
            "/reportingInstance",
        ],
    );
    let source = if host.is_empty() {
        component.to_owned()
    } else {
        format!("{component}, {host}")
    };
    let count = ["/series/count", "/count", "/deprecatedCount"]
        .iter()
        .find_map(|p| o.pointer(p).and_then(Value::as_i64))
        .unwrap_or(1);
    vec![
        json!(age(last)),
        json!(text(o, "/type")),
        json!(text(o, "/reason")),
        json!(object),
        json!(text(o, &format!("/{about}/fieldPath"))),
        json!(source),
        json!(first_of(o, &["/message", "/note"]).trim()),
        json!(age(first)),
        json!(count.to_string()),
        json!(name(o)),
    ]
}

fn access_modes(o: &Value, pointer: &str) -> String {
    list(o, pointer)
        .iter()
        .filter_map(Value::as_str)
        .map(|mode| match mode {
            "ReadWriteOnce" => "RWO",
            "ReadOnlyMany" => "ROX",
            "ReadWriteMany" => "RWX",
            "ReadWriteOncePod" => "RWOP",
            other => other,
        })
        .collect::<Vec<_>>()
        .join(",")
}

fn phase(o: &Value) -> &str {
    if is_deleting(o) {
        "Terminating"
    } else {
        text(o, "/status/phase")
    }
}

fn volume(o: &Value, age: Value) -> Vec<Value> {
    let claim = match text(o, "/spec/claimRef/name") {
        "" => String::new(),
        claim => format!("{}/{claim}", text(o, "/spec/claimRef/namespace")),
    };
    vec![
        json!(name(o)),
        json!(text(o, "/spec/capacity/storage")),
        json!(access_modes(o, "/spec/accessModes")),
        json!(text(o, "/spec/persistentVolumeReclaimPolicy")),
        json!(phase(o)),
        json!(claim),
        json!(text(o, "/spec/storageClassName")),
        json!(text(o, "/status/reason")),
        age,
        json!(or(text(o, "/spec/volumeMode"), "<unset>")),
    ]
}

fn claim(o: &Value, age: Value) -> Vec<Value> {
    vec![
        json!(name(o)),
        json!(phase(o)),
        json!(text(o, "/spec/volumeName")),
        json!(text(o, "/status/capacity/storage")),
        json!(access_modes(o, "/status/accessModes")),
        json!(text(o, "/spec/storageClassName")),
        age,
        json!(or(text(o, "/spec/volumeMode"), "<unset>")),
    ]
}

fn label_selector(o: &Value) -> String {
    let labels: Vec<String> = o
        .pointer("/spec/podSelector/matchLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or("")))
        .collect();
    or(&labels.join(","), "<none>").to_owned()
}
