//! All schemas that the server has: the built-in kinds and the custom resource definitions.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Map, Value, json};

use super::crd::{self, Version};
use super::openapi::{self, Resource, Served, builtin};
use super::{FieldError, Schema};

/// Group, version and kind of an object. The core group is the empty string.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gvk {
    /// API group; empty for the core group.
    pub group: String,
    /// API version, such as `v1`.
    pub version: String,
    /// Kind, such as `Pod`.
    pub kind: String,
}

/// The schemas of built-in kinds and of custom resources. Clones share their content.
#[derive(Clone, Debug, Default)]
pub struct SchemaRegistry {
    custom: Arc<RwLock<Custom>>,
}

#[derive(Debug, Default)]
struct Custom {
    /// Versions and resources of each definition, by its name.
    definitions: BTreeMap<String, Definition>,
    /// Documents by `apis/<group>/<version>`.
    documents: BTreeMap<String, (Value, Served)>,
    /// The joined document, made when it is asked for.
    v2: Option<Arc<[u8]>>,
}

#[derive(Debug)]
struct Definition {
    versions: Vec<Version>,
    resources: Vec<Resource>,
}

impl SchemaRegistry {
    /// The schemas of the built-in kinds.
    pub fn builtin() -> Self {
        Self::default()
    }

    /// Adds or replaces the schemas of a CustomResourceDefinition.
    ///
    /// # Errors
    /// Every reason why its schemas are not structural or its CEL rules do not compile; the
    /// registry is unchanged then.
    pub fn set_crd(&self, crd: &Value) -> Result<(), Vec<FieldError>> {
        let versions = crd::parse(crd, &builtin().metadata)?;
        let resources = resources(crd, &versions);
        let mut custom = self.write();
        custom.definitions.insert(
            name(crd),
            Definition {
                versions,
                resources,
            },
        );
        custom.rebuild();
        Ok(())
    }

    /// Removes the schemas of the CustomResourceDefinition with this name (`<plural>.<group>`).
    pub fn remove_crd(&self, name: &str) {
        let mut custom = self.write();
        if custom.definitions.remove(name).is_some() {
            custom.rebuild();
        }
    }

    /// The schema of a kind.
    pub fn schema(&self, gvk: &Gvk) -> Option<Arc<Schema>> {
        if let Some(schema) = builtin().schemas.get(gvk) {
            return Some(Arc::clone(schema));
        }
        let custom = self.read();
        let mut versions = custom.definitions.values().flat_map(|d| &d.versions);
        versions
            .find(|version| version.gvk == *gvk)
            .map(|version| Arc::clone(&version.schema))
    }

    /// Body of `/openapi/v3`.
    pub fn openapi_v3_index(&self) -> Value {
        let custom = self.read();
        let builtin = builtin().served.iter();
        let mut documents: Vec<(&String, &Served)> = builtin
            .chain(
                custom
                    .documents
                    .iter()
                    .map(|(path, (_, served))| (path, served)),
            )
            .collect();
        documents.sort_by_key(|(path, _)| *path);
        let paths: Map<String, Value> = documents
            .into_iter()
            .map(|(path, served)| {
                let url = format!("/openapi/v3/{path}?hash={}", served.hash);
                (path.clone(), json!({"serverRelativeURL": url}))
            })
            .collect();
        json!({"paths": paths})
    }

    /// The OpenAPI v3 document of `api/v1` or `apis/<group>/<version>`.
    pub fn openapi_v3(&self, path: &str) -> Option<Arc<[u8]>> {
        if let Some(served) = builtin().served.get(path) {
            return Some(Arc::clone(&served.body));
        }
        let custom = self.read();
        let (_, served) = custom.documents.get(path)?;
        Some(Arc::clone(&served.body))
    }

    /// The OpenAPI v2 document (JSON).
    pub fn openapi_v2(&self) -> Arc<[u8]> {
        if let Some(body) = &self.read().v2 {
            return Arc::clone(body);
        }
        let mut custom = self.write();
        let documents = builtin().documents.values();
        let documents = documents.chain(custom.documents.values().map(|(document, _)| document));
        let body: Arc<[u8]> = openapi::from_v3(documents).to_string().into_bytes().into();
        custom.v2 = Some(Arc::clone(&body));
        body
    }

    // A panic under the lock leaves whole definitions behind, because they are replaced at once.
    fn read(&self) -> RwLockReadGuard<'_, Custom> {
        self.custom.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Custom> {
        self.custom.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Custom {
    fn rebuild(&mut self) {
        let mut groups: BTreeMap<String, Vec<Resource>> = BTreeMap::new();
        for resource in self.definitions.values().flat_map(|d| &d.resources) {
            let path = format!("apis/{}/{}", resource.gvk.group, resource.gvk.version);
            groups.entry(path).or_default().push(resource.clone());
        }
        self.documents = groups
            .into_iter()
            .map(|(path, resources)| {
                let document = openapi::document(&resources);
                let served = Served::new(&document);
                (path, (document, served))
            })
            .collect();
        self.v2 = None;
    }
}

fn name(crd: &Value) -> String {
    let text = |pointer: &str| crd.pointer(pointer).and_then(Value::as_str);
    text("/metadata/name").map_or_else(
        || {
            let part = |pointer| text(pointer).unwrap_or_default();
            format!("{}.{}", part("/spec/names/plural"), part("/spec/group"))
        },
        str::to_owned,
    )
}

fn resources(crd: &Value, versions: &[Version]) -> Vec<Resource> {
    let text = |pointer: &str| crd.pointer(pointer).and_then(Value::as_str);
    let kind = text("/spec/names/kind").unwrap_or_default();
    versions
        .iter()
        .filter(|version| version.served)
        .map(|version| Resource {
            gvk: version.gvk.clone(),
            plural: text("/spec/names/plural").unwrap_or_default().to_owned(),
            list_kind: text("/spec/names/listKind")
                .map_or_else(|| format!("{kind}List"), str::to_owned),
            namespaced: text("/spec/scope") == Some("Namespaced"),
            has_status: version.has_status,
            has_scale: version.has_scale,
            schema: version.source.clone(),
        })
        .collect()
}
