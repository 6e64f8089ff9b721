//! What is special about each kind: defaults, what updates may change, checks.

mod config;
mod crd;
mod pod;
mod pod_fields;
mod pod_rules;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Api;
use super::object::{child_mut, text};
use super::resources::{Kind, Resource};
use super::write::Part;
use crate::schema::FieldError;

pub(crate) use pod::bind;

/// Whether a status in a create request is dropped. Kubelets register nodes with theirs.
pub(crate) fn drops_status_on_create(kind: Kind) -> bool {
    kind != Kind::Node
}

/// Defaults of a new object.
pub(crate) fn prepare_create(resource: &Resource, object: &mut Value, now: Timestamp) {
    match resource.kind {
        Kind::Namespace => {
            child_mut(object, "spec").insert("finalizers".into(), json!(["kubernetes"]));
            child_mut(object, "status").insert("phase".into(), json!("Active"));
            set_namespace_label(object);
        }
        Kind::Pod => pod::prepare_create(object),
        Kind::Secret => {
            config::prepare_secret(object);
            config::drop_empty(object);
        }
        Kind::ConfigMap => config::drop_empty(object),
        Kind::Crd => crd::prepare(object, None, now),
        Kind::PersistentVolume => {
            let spec = child_mut(object, "spec");
            spec.entry("persistentVolumeReclaimPolicy")
                .or_insert_with(|| json!("Retain"));
            spec.entry("volumeMode")
                .or_insert_with(|| json!("Filesystem"));
            child_mut(object, "status").insert("phase".into(), json!("Available"));
        }
        Kind::PersistentVolumeClaim => {
            child_mut(object, "spec")
                .entry("volumeMode")
                .or_insert_with(|| json!("Filesystem"));
            child_mut(object, "status").insert("phase".into(), json!("Pending"));
        }
        Kind::NetworkPolicy => default_policy_types(object),
        Kind::Event
        | Kind::Node
        | Kind::ServiceAccount
        | Kind::Lease
        | Kind::Custom
        | Kind::SelfSubjectAccessReview
        | Kind::SelfSubjectRulesReview
        | Kind::SelfSubjectReview => {}
    }
}

/// Defaults of a changed object, and what follows from the change.
pub(crate) fn prepare_update(
    resource: &Resource,
    object: &mut Value,
    old: &Value,
    part: Part,
    now: Timestamp,
) {
    match resource.kind {
        Kind::Namespace => set_namespace_label(object),
        Kind::Pod if part == Part::Main => pod::set_defaults(object),
        Kind::Secret => {
            config::prepare_secret(object);
            config::drop_empty(object);
        }
        Kind::ConfigMap => config::drop_empty(object),
        Kind::Crd if part == Part::Main => crd::prepare(object, Some(old), now),
        Kind::NetworkPolicy => default_policy_types(object),
        _ => {}
    }
}

/// Checks beyond the schema.
pub(crate) fn validate(
    api: &Api,
    resource: &Resource,
    new: &Value,
    old: Option<&Value>,
    internal: bool,
) -> Vec<FieldError> {
    match (resource.kind, old) {
        // The server's own changes of running Pods (binding) are not bound by the rules for users.
        (Kind::Pod, Some(old)) if !internal => pod_rules::validate_update(new, old),
        (Kind::Pod, None) => pod_rules::validate_create(new),
        (Kind::Secret | Kind::ConfigMap, old) => config::validate(resource.kind, new, old),
        (Kind::Lease, _) => config::validate_lease(new),
        (Kind::Crd, old) => crd::validate(api, new, old),
        (Kind::PersistentVolumeClaim, Some(old)) if !internal => {
            config::validate_claim_update(new, old)
        }
        _ => Vec::new(),
    }
}

fn set_namespace_label(object: &mut Value) {
    let name = text(object, "/metadata/name").to_owned();
    child_mut(object, "metadata");
    child_mut(&mut object["metadata"], "labels")
        .insert("kubernetes.io/metadata.name".into(), json!(name));
}

fn default_policy_types(object: &mut Value) {
    let spec = child_mut(object, "spec");
    if !spec.contains_key("policyTypes") {
        let egress = spec
            .get("egress")
            .and_then(Value::as_array)
            .is_some_and(|e| !e.is_empty());
        let types = if egress {
            json!(["Ingress", "Egress"])
        } else {
            json!(["Ingress"])
        };
        spec.insert("policyTypes".into(), types);
    }
}
