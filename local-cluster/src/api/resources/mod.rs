//! The resources that are served: the built-in ones and those of custom resource definitions.

mod built_in;
mod custom;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

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
    /// Whether the definition is being deleted: nothing new may be made then.
    pub is_terminating: bool,
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
        } else if self.kind == Kind::Custom {
            // In upstream's order, which people see in `kubectl api-resources`.
            &[
                "delete",
                "deletecollection",
                "get",
                "list",
                "patch",
                "create",
                "update",
                "watch",
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
        let mut resources: Vec<Resource> = built_in::resources().collect();
        for crd in store.list(CRDS, None).items {
            if is_established(&crd.value) {
                resources.extend(custom::resources(&crd.value));
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
