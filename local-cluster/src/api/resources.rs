//! The resources that are served: the built-in ones and those of custom resource definitions.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Value, json};

use super::error::{ApiError, Subject};
use super::object::{list, text};
use super::store::Store;
use crate::schema::Gvk;

/// The collection that definitions of custom resources are stored in.
pub const CRDS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// The kinds whose behaviour differs. Custom resources all behave alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Namespace,
    Node,
    Pod,
    Event,
    ConfigMap,
    Secret,
    ServiceAccount,
    PersistentVolume,
    PersistentVolumeClaim,
    Lease,
    NetworkPolicy,
    Crd,
    Custom,
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
    SelfSubjectReview,
}

/// A column of `kubectl get` for a custom resource.
#[derive(Clone, Debug)]
pub struct Column {
    /// The heading.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: String,
    /// For instance `password`.
    pub format: String,
    /// What it means.
    pub description: String,
    /// 0 is shown always, more only with `-o wide`.
    pub priority: i64,
    /// Where in the object the value is.
    pub json_path: String,
}

/// One resource in one version.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The API group, empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The plural, as in paths.
    pub plural: String,
    /// The singular.
    pub singular: String,
    /// The kind.
    pub kind_name: String,
    /// The kind of lists.
    pub list_kind: String,
    /// Short names for kubectl.
    pub short_names: Vec<String>,
    /// Categories for kubectl.
    pub categories: Vec<String>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// How it behaves.
    pub kind: Kind,
    /// The collection that it is stored in.
    pub collection: String,
    /// The `apiVersion` that it is stored in.
    pub stored_as: String,
    /// Whether it has a status subresource.
    pub has_status: bool,
    /// Columns of custom resources.
    pub columns: Vec<Column>,
    /// Fields that may be selected besides name and namespace (`spec.nodeName`).
    pub selectable: Vec<String>,
    /// Shown to clients as a warning on every request.
    pub deprecation: Option<String>,
}

impl Resource {
    /// `v1` or `group/version`.
    pub fn api_version(&self) -> String {
        group_version(&self.group, &self.version)
    }

    /// The group, version and kind.
    pub fn gvk(&self) -> Gvk {
        Gvk {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind_name.clone(),
        }
    }

    /// The subject of errors about one object.
    pub fn subject(&self, name: &str) -> Box<Subject> {
        Box::new(Subject {
            group: self.group.clone(),
            resource: self.plural.clone(),
            kind: self.kind_name.clone(),
            name: name.to_owned(),
        })
    }

    /// The object does not exist.
    pub fn not_found(&self, name: &str) -> ApiError {
        ApiError::NotFound(self.subject(name))
    }

    /// Whether the kind only answers to `create` and is not stored.
    pub fn is_review(&self) -> bool {
        matches!(
            self.kind,
            Kind::SelfSubjectAccessReview | Kind::SelfSubjectRulesReview | Kind::SelfSubjectReview
        )
    }

    /// The verbs, as in discovery.
    pub fn verbs(&self) -> &'static [&'static str] {
        if self.is_review() {
            &["create"]
        } else if self.kind == Kind::Namespace {
            &[
                "create", "delete", "get", "list", "patch", "update", "watch",
            ]
        } else {
            &[
                "create",
                "delete",
                "deletecollection",
                "get",
                "list",
                "patch",
                "update",
                "watch",
            ]
        }
    }

    /// Whether `metadata.generation` is kept.
    pub fn has_generation(&self) -> bool {
        matches!(
            self.kind,
            Kind::Pod | Kind::NetworkPolicy | Kind::Crd | Kind::Custom
        )
    }
}

/// `v1` or `group/version`.
pub fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

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

fn built_in(row: &Row) -> Resource {
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
    }
}

/// The resources of one definition, one per served version.
fn custom(crd: &Value) -> Vec<Resource> {
    let group = text(crd, "/spec/group");
    let names = |key: &str| text(crd, &format!("/status/acceptedNames/{key}")).to_owned();
    let strings = |key: &str| -> Vec<String> {
        list(crd, &format!("/status/acceptedNames/{key}"))
            .iter()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect()
    };
    let versions = list(crd, "/spec/versions");
    let stored = versions
        .iter()
        .find(|v| v["storage"] == json!(true))
        .map(|v| text(v, "/name"))
        .unwrap_or_default();
    let stored_as = group_version(group, stored);
    versions
        .iter()
        .filter(|v| v["served"] == json!(true))
        .map(|v| {
            let version = text(v, "/name").to_owned();
            Resource {
                group: group.to_owned(),
                plural: names("plural"),
                singular: names("singular"),
                kind_name: names("kind"),
                list_kind: names("listKind"),
                short_names: strings("shortNames"),
                categories: strings("categories"),
                namespaced: text(crd, "/spec/scope") == "Namespaced",
                kind: Kind::Custom,
                collection: text(crd, "/metadata/name").to_owned(),
                stored_as: stored_as.clone(),
                has_status: v.pointer("/subresources/status").is_some(),
                columns: columns(v),
                selectable: list(v, "/selectableFields")
                    .iter()
                    .map(|f| text(f, "/jsonPath").trim_start_matches('.').to_owned())
                    .collect(),
                deprecation: (v["deprecated"] == json!(true)).then(|| {
                    match text(v, "/deprecationWarning") {
                        "" => format!("{group}/{version} {} is deprecated", names("kind")),
                        warning => warning.to_owned(),
                    }
                }),
                version,
            }
        })
        .collect()
}

fn columns(version: &Value) -> Vec<Column> {
    let declared: Vec<Column> = list(version, "/additionalPrinterColumns")
        .iter()
        .map(|c| Column {
            name: text(c, "/name").to_owned(),
            kind: text(c, "/type").to_owned(),
            format: text(c, "/format").to_owned(),
            description: text(c, "/description").to_owned(),
            priority: c["priority"].as_i64().unwrap_or(0),
            json_path: text(c, "/jsonPath").to_owned(),
        })
        .collect();
    if !declared.is_empty() {
        return declared;
    }
    vec![Column {
        name: "Age".to_owned(),
        kind: "date".to_owned(),
        format: String::new(),
        description: "When the object was created.".to_owned(),
        priority: 0,
        json_path: ".metadata.creationTimestamp".to_owned(),
    }]
}

/// Everything that is served at one moment.
#[derive(Debug, Default)]
pub struct Served {
    /// In the order of discovery: core first, then by group and version.
    pub resources: Vec<Arc<Resource>>,
    index: HashMap<(String, String, String), Arc<Resource>>,
}

impl Served {
    fn new(mut resources: Vec<Resource>) -> Self {
        resources.sort_by(|a, b| {
            (&a.group, version_order(&b.version), &a.plural).cmp(&(
                &b.group,
                version_order(&a.version),
                &b.plural,
            ))
        });
        let resources: Vec<Arc<Resource>> = resources.into_iter().map(Arc::new).collect();
        let index = resources
            .iter()
            .map(|r| {
                let key = (r.group.clone(), r.version.clone(), r.plural.clone());
                (key, Arc::clone(r))
            })
            .collect();
        Self { resources, index }
    }

    /// The resource of a path.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let key = (group.to_owned(), version.to_owned(), plural.to_owned());
        self.index.get(&key).cloned()
    }

    /// The resource of a collection, in its storage version where that is served.
    pub fn by_collection(&self, collection: &str) -> Option<Arc<Resource>> {
        let of = || self.resources.iter().filter(|r| r.collection == collection);
        of().find(|r| r.api_version() == r.stored_as)
            .or_else(|| of().next())
            .cloned()
    }

    /// The resource of a kind, in any version.
    pub fn by_kind(&self, group: &str, kind: &str) -> Option<Arc<Resource>> {
        self.resources
            .iter()
            .find(|r| r.group == group && r.kind_name == kind)
            .cloned()
    }

    /// One resource for each collection.
    pub fn collections(&self) -> impl Iterator<Item = Arc<Resource>> {
        let names: BTreeSet<&str> = self
            .resources
            .iter()
            .filter(|r| !r.is_review())
            .map(|r| r.collection.as_str())
            .collect();
        names
            .into_iter()
            .filter_map(|name| self.by_collection(name))
    }
}

/// Kubernetes' priority of versions: stable over beta over alpha, larger numbers first.
fn version_order(version: &str) -> (u8, u32, u32) {
    let parse = || {
        let rest = version.strip_prefix('v')?;
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let major: u32 = rest[..digits].parse().ok()?;
        match &rest[digits..] {
            "" => Some((3, major, 0)),
            s if s.starts_with("beta") => Some((2, major, s[4..].parse().ok()?)),
            s if s.starts_with("alpha") => Some((1, major, s[5..].parse().ok()?)),
            _ => None,
        }
    };
    parse().unwrap_or((0, 0, 0))
}

/// The resources that are served now; readers take a consistent snapshot.
#[derive(Debug)]
pub struct Catalog {
    served: RwLock<Arc<Served>>,
}

impl Catalog {
    /// The built-in resources and those of the definitions in the store.
    pub fn load(store: &Store) -> Self {
        let catalog = Self {
            served: RwLock::default(),
        };
        catalog.refresh(store);
        catalog
    }

    /// What is served now.
    pub fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the definitions again, after one of them was written.
    pub fn refresh(&self, store: &Store) {
        // The lock is taken before the store is read: of two refreshes at once, the one that
        // stores its result last has also read last.
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        let mut resources: Vec<Resource> = BUILT_IN.iter().map(built_in).collect();
        for crd in store.list(CRDS, None).items {
            if is_established(&crd.value) {
                resources.extend(custom(&crd.value));
            }
        }
        *served = Arc::new(Served::new(resources));
    }
}

/// Whether a definition is in effect.
pub fn is_established(crd: &Value) -> bool {
    list(crd, "/status/conditions")
        .iter()
        .any(|c| text(c, "/type") == "Established" && text(c, "/status") == "True")
}
