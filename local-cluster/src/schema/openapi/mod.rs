//! OpenAPI documents: those of the built-in kinds, which come from upstream, and those made from
//! CustomResourceDefinitions.

mod custom;
mod v2;

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::{Arc, LazyLock};

use flate2::read::GzDecoder;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::Gvk;
use super::arena::Builder;
use super::crd::OBJECT_META;
use super::structural::{Origin, Schema};

pub(crate) use custom::{Resource, document};
pub(crate) use v2::from_v3;

static COMPRESSED: &[u8] = include_bytes!("../../../openapi/kubernetes.json.gz");

static BUILTIN: LazyLock<Builtin> = LazyLock::new(Builtin::load);

/// The documents of the built-in kinds and what was made from them, once for a process.
pub(crate) struct Builtin {
    /// `api/v1` and the like, in the order of the file.
    pub(crate) documents: Map<String, Value>,
    pub(crate) served: HashMap<String, Served>,
    pub(crate) schemas: HashMap<Gvk, Arc<Schema>>,
    /// The definitions that [`OBJECT_META`] needs, without defaults: the documents give the zero
    /// value of every field there, which is not what a custom resource shall be filled with.
    pub(crate) metadata: Map<String, Value>,
}

/// A document as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) body: Arc<[u8]>,
    /// Hash of the body, upper-case hexadecimal, which clients use to cache.
    pub(crate) hash: String,
}

impl Served {
    pub(crate) fn new(document: &Value) -> Self {
        let body = document.to_string().into_bytes();
        let hash = hex::encode_upper(Sha256::digest(&body));
        Self {
            body: body.into(),
            hash,
        }
    }
}

/// The built-in documents.
pub(crate) fn builtin() -> &'static Builtin {
    &BUILTIN
}

/// The schemas of a document.
pub(crate) fn definitions(document: &Value) -> Option<&Map<String, Value>> {
    document.pointer("/components/schemas")?.as_object()
}

impl Builtin {
    fn load() -> Self {
        let mut text = String::new();
        GzDecoder::new(COMPRESSED)
            .read_to_string(&mut text)
            .expect("the checked-in file is gzip");
        let documents: Map<String, Value> =
            serde_json::from_str(&text).expect("the checked-in file is a JSON object");
        let served = documents
            .iter()
            .map(|(path, document)| (path.clone(), Served::new(document)))
            .collect();
        let schemas = documents.values().flat_map(schemas).collect();
        let metadata = documents.values().next().map(metadata).unwrap_or_default();
        Self {
            documents,
            served,
            schemas,
            metadata,
        }
    }
}

/// The schemas of all kinds of a document, over one shared arena.
fn schemas(document: &Value) -> Vec<(Gvk, Arc<Schema>)> {
    let Some(definitions) = definitions(document) else {
        return Vec::new();
    };
    let paths = document.get("paths").and_then(Value::as_object);
    let with_status: Vec<Gvk> = paths
        .into_iter()
        .flatten()
        .filter(|(path, _)| path.ends_with("/status"))
        .filter_map(|(_, item)| gvk(item.pointer("/put/x-kubernetes-group-version-kind")?))
        .collect();
    let mut builder = Builder::new(definitions);
    let mut roots = Vec::new();
    for (name, schema) in definitions {
        // DeleteOptions and Status have the group and version of every group in their lists.
        let kinds = schema.get("x-kubernetes-group-version-kind");
        if let Some([kind]) = kinds.and_then(Value::as_array).map(Vec::as_slice)
            && let Some(gvk) = gvk(kind)
        {
            roots.push((gvk, builder.definition(name)));
        }
    }
    let arena = Arc::new(builder.finish());
    roots
        .into_iter()
        .map(|(gvk, root)| {
            let schema = Schema {
                arena: Arc::clone(&arena),
                root,
                origin: Origin::Builtin,
                has_status: with_status.contains(&gvk),
            };
            (gvk, Arc::new(schema))
        })
        .collect()
}

fn gvk(value: &Value) -> Option<Gvk> {
    let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
    Some(Gvk {
        group: text("group")?,
        version: text("version")?,
        kind: text("kind")?,
    })
}

fn metadata(document: &Value) -> Map<String, Value> {
    let mut found = Map::new();
    let mut todo = vec![OBJECT_META.to_owned()];
    let Some(definitions) = definitions(document) else {
        return found;
    };
    while let Some(name) = todo.pop() {
        if let Some(schema) = definitions.get(&name)
            && !found.contains_key(&name)
        {
            todo.extend(references(schema));
            found.insert(name, without_defaults(schema));
        }
    }
    found
}

/// Names of the definitions that a value refers to.
pub(crate) fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value) {
                ("$ref", Value::String(target)) => target
                    .rsplit('/')
                    .next()
                    .map(|name| vec![name.to_owned()])
                    .unwrap_or_default(),
                _ => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn without_defaults(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| *key != "default")
            .map(|(key, value)| (key.clone(), without_defaults(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_defaults).collect(),
        other => other.clone(),
    }
}
