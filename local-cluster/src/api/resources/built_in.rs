//! The built-in resources.

use super::{Kind, Resource, group_version};

/// Group, plural, kind, short names, whether namespaced, whether with status, behaviour.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    bool,
    bool,
    Kind,
);

/// All built-in resources.
pub(super) fn resources() -> impl Iterator<Item = Resource> {
    BUILT_IN.iter().map(resource)
}

const BUILT_IN: &[Row] = &[
    (
        "",
        "configmaps",
        "ConfigMap",
        &["cm"],
        true,
        false,
        Kind::ConfigMap,
    ),
    ("", "events", "Event", &["ev"], true, false, Kind::Event),
    (
        "",
        "namespaces",
        "Namespace",
        &["ns"],
        false,
        true,
        Kind::Namespace,
    ),
    ("", "nodes", "Node", &["no"], false, true, Kind::Node),
    (
        "",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        &["pvc"],
        true,
        true,
        Kind::PersistentVolumeClaim,
    ),
    (
        "",
        "persistentvolumes",
        "PersistentVolume",
        &["pv"],
        false,
        true,
        Kind::PersistentVolume,
    ),
    ("", "pods", "Pod", &["po"], true, true, Kind::Pod),
    ("", "secrets", "Secret", &[], true, false, Kind::Secret),
    (
        "",
        "serviceaccounts",
        "ServiceAccount",
        &["sa"],
        true,
        false,
        Kind::ServiceAccount,
    ),
    (
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        &["crd", "crds"],
        false,
        true,
        Kind::Crd,
    ),
    (
        "authentication.k8s.io",
        "selfsubjectreviews",
        "SelfSubjectReview",
        &[],
        false,
        false,
        Kind::SelfSubjectReview,
    ),
    (
        "authorization.k8s.io",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        &[],
        false,
        false,
        Kind::SelfSubjectAccessReview,
    ),
    (
        "authorization.k8s.io",
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
        &[],
        false,
        false,
        Kind::SelfSubjectRulesReview,
    ),
    (
        "coordination.k8s.io",
        "leases",
        "Lease",
        &[],
        true,
        false,
        Kind::Lease,
    ),
    (
        "events.k8s.io",
        "events",
        "Event",
        &["ev"],
        true,
        false,
        Kind::Event,
    ),
    (
        "networking.k8s.io",
        "networkpolicies",
        "NetworkPolicy",
        &["netpol"],
        true,
        false,
        Kind::NetworkPolicy,
    ),
];

fn resource(row: &Row) -> Resource {
    let (group, plural, kind_name, short, namespaced, has_status, kind) = *row;
    // Both groups of events are views of one collection, which is kept in the core version.
    let stored_group = if kind == Kind::Event { "" } else { group };
    let selectable: &[&str] = match kind {
        Kind::Pod => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        Kind::Event if group.is_empty() => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        Kind::Event => &[
            "reason",
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reportingController",
            "type",
        ],
        Kind::Secret => &["type"],
        Kind::Namespace => &["status.phase"],
        Kind::Node => &["spec.unschedulable"],
        _ => &[],
    };
    Resource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        plural: plural.to_owned(),
        singular: kind_name.to_lowercase(),
        kind_name: kind_name.to_owned(),
        list_kind: format!("{kind_name}List"),
        short_names: short.iter().map(ToString::to_string).collect(),
        categories: if kind == Kind::Pod {
            vec!["all".to_owned()]
        } else if kind == Kind::Crd {
            vec!["api-extensions".to_owned()]
        } else {
            Vec::new()
        },
        namespaced,
        kind,
        collection: if stored_group.is_empty() {
            plural.to_owned()
        } else {
            format!("{plural}.{stored_group}")
        },
        stored_as: group_version(stored_group, "v1"),
        has_status,
        columns: Vec::new(),
        selectable: selectable.iter().map(ToString::to_string).collect(),
        deprecation: None,
        is_terminating: false,
    }
}
