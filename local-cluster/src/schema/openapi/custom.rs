//! The document of one group and version of custom resources.

use serde_json::{Map, Value, json};

use super::builtin;
use crate::schema::Gvk;
use crate::schema::crd::OBJECT_META;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// One custom resource in one version.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) gvk: Gvk,
    pub(crate) plural: String,
    pub(crate) list_kind: String,
    pub(crate) namespaced: bool,
    pub(crate) has_status: bool,
    pub(crate) has_scale: bool,
    pub(crate) schema: Value,
}

/// The document of all resources of one group and version.
pub(crate) fn document(resources: &[Resource]) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for resource in resources {
        resource.paths(&mut paths);
        let name = resource.definition();
        schemas.insert(name.clone(), resource.schema());
        schemas.insert(format!("{name}List"), resource.list());
    }
    // What they refer to comes along, from the documents of the built-in kinds.
    let mut todo: Vec<String> = super::references(&Value::Object(paths.clone()));
    todo.extend(super::references(&Value::Object(schemas.clone())));
    while let Some(name) = todo.pop() {
        if schemas.contains_key(&name) {
            continue;
        }
        let documents = builtin().documents.values();
        let found = documents
            .filter_map(super::definitions)
            .find_map(|definitions| definitions.get(&name));
        if let Some(schema) = found {
            todo.extend(super::references(schema));
            schemas.insert(name, schema.clone());
        }
    }
    schemas.sort_keys();
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

impl Resource {
    /// `io.codexrunner.v1alpha1.CodexTask`
    fn definition(&self) -> String {
        let group: Vec<&str> = self.gvk.group.rsplit('.').collect();
        format!("{}.{}.{}", group.join("."), self.gvk.version, self.gvk.kind)
    }

    fn kind(&self) -> Value {
        json!({
            "group": self.gvk.group, "version": self.gvk.version, "kind": self.gvk.kind,
        })
    }

    fn schema(&self) -> Value {
        let mut schema = self.schema.clone();
        let Value::Object(map) = &mut schema else {
            return schema;
        };
        let properties = map.entry("properties").or_insert_with(|| json!({}));
        if let Value::Object(properties) = properties {
            for (name, text) in [("apiVersion", API_VERSION), ("kind", KIND)] {
                properties.insert(name.into(), json!({"description": text, "type": "string"}));
            }
            let metadata = json!({
                "allOf": [{"$ref": reference(OBJECT_META)}],
                "description": "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
            });
            properties.insert("metadata".into(), metadata);
            properties.sort_keys();
        }
        map.insert(
            "x-kubernetes-group-version-kind".into(),
            json!([self.kind()]),
        );
        schema
    }

    fn list(&self) -> Value {
        let list = json!({
            "group": self.gvk.group, "version": self.gvk.version, "kind": self.list_kind,
        });
        json!({
            "description": format!("{} is a list of {}", self.list_kind, self.gvk.kind),
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"description": API_VERSION, "type": "string"},
                "items": {
                    "description": format!("List of {}.", self.plural),
                    "type": "array",
                    "items": {"$ref": reference(&self.definition())},
                },
                "kind": {"description": KIND, "type": "string"},
                "metadata": {
                    "allOf": [{"$ref": reference(&format!("{META}ListMeta"))}],
                    "description": "Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds",
                },
            },
            "x-kubernetes-group-version-kind": [list],
        })
    }

    fn paths(&self, paths: &mut Map<String, Value>) {
        let root = format!("/apis/{}/{}", self.gvk.group, self.gvk.version);
        let plural = &self.plural;
        let collection = if self.namespaced {
            let all = json!({
                "get": self.operation("list", "ForAllNamespaces"),
                "parameters": list_parameters(),
            });
            paths.insert(format!("{root}/{plural}"), all);
            format!("{root}/namespaces/{{namespace}}/{plural}")
        } else {
            format!("{root}/{plural}")
        };
        let mut scope = vec![json!({
            "name": "pretty", "in": "query", "schema": {"type": "string", "uniqueItems": true},
            "description": "If 'true', then the output is pretty printed.",
        })];
        if self.namespaced {
            scope.insert(
                0,
                path_parameter(
                    "namespace",
                    "object name and auth scope, such as for teams and projects",
                ),
            );
        }
        let item = json!({
            "get": self.operation("list", ""),
            "post": self.operation("post", ""),
            "delete": self.operation("deletecollection", ""),
            "parameters": scope,
        });
        paths.insert(collection.clone(), item);
        let text = format!("name of the {}", self.gvk.kind);
        scope.insert(0, path_parameter("name", &text));
        let item = json!({
            "get": self.operation("get", ""),
            "put": self.operation("put", ""),
            "patch": self.operation("patch", ""),
            "delete": self.operation("delete", ""),
            "parameters": scope,
        });
        paths.insert(format!("{collection}/{{name}}"), item);
        for (has, name) in [(self.has_status, "status"), (self.has_scale, "scale")] {
            if has {
                let suffix = if name == "status" { "Status" } else { "Scale" };
                let item = json!({
                    "get": self.operation("get", suffix),
                    "put": self.operation("put", suffix),
                    "patch": self.operation("patch", suffix),
                    "parameters": scope,
                });
                paths.insert(format!("{collection}/{{name}}/{name}"), item);
            }
        }
    }

    fn operation(&self, action: &str, suffix: &str) -> Value {
        let name = self.definition();
        let kind = &self.gvk.kind;
        let (verb, text, returned) = match action {
            "list" => (
                "list",
                format!("list objects of kind {kind}"),
                format!("{name}List"),
            ),
            "get" => ("read", format!("read the specified {kind}"), name.clone()),
            "post" => ("create", format!("create a {kind}"), name.clone()),
            "put" => (
                "replace",
                format!("replace the specified {kind}"),
                name.clone(),
            ),
            "patch" => (
                "patch",
                format!("partially update the specified {kind}"),
                name.clone(),
            ),
            "delete" => (
                "delete",
                format!("delete a {kind}"),
                format!("{META}Status"),
            ),
            _ => (
                "deleteCollection",
                format!("delete collection of {kind}"),
                format!("{META}Status"),
            ),
        };
        let scope = if self.namespaced && suffix != "ForAllNamespaces" {
            "Namespaced"
        } else {
            ""
        };
        let group: String = self.gvk.group.split('.').map(capital).collect();
        let version = capital(&self.gvk.version);
        let mut operation = json!({
            "description": text,
            "operationId": format!("{verb}{group}{version}{scope}{kind}{suffix}"),
            "responses": {
                "200": {"description": "OK", "content": content(&returned, &RESPONSES)},
                "401": {"description": "Unauthorized"},
            },
            "tags": [format!("{}_{}", lower_camel(&self.gvk.group), self.gvk.version)],
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": self.kind(),
        });
        let body = match action {
            "post" | "put" => Some((content(&name, &["*/*"]), write_parameters(false))),
            "patch" => Some((
                content(&format!("{META}Patch"), &PATCHES),
                write_parameters(true),
            )),
            "delete" => Some((
                content(&format!("{META}DeleteOptions"), &["*/*"]),
                delete_parameters(),
            )),
            _ => None,
        };
        if let Some((body, parameters)) = body {
            operation["requestBody"] = json!({"content": body});
            operation["parameters"] = parameters;
        } else if matches!(action, "list" | "deletecollection") {
            operation["parameters"] = list_parameters();
        }
        operation
    }
}

const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const RESPONSES: [&str; 2] = ["application/json", "application/yaml"];
const PATCHES: [&str; 3] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
];

fn reference(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

fn content(name: &str, types: &[&str]) -> Value {
    let schema = json!({"schema": {"$ref": reference(name)}});
    types
        .iter()
        .map(|media| ((*media).to_owned(), schema.clone()))
        .collect()
}

fn path_parameter(name: &str, text: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true, "description": text,
        "schema": {"type": "string", "uniqueItems": true},
    })
}

/// The parameters of the same operations of built-in resources: one source for their texts.
fn borrowed(path: &str, operation: &str) -> Value {
    builtin()
        .documents
        .get("apis/coordination.k8s.io/v1")
        .and_then(|document| {
            document
                .get("paths")?
                .get(path)?
                .get(operation)?
                .get("parameters")
        })
        .cloned()
        .unwrap_or_else(|| json!([]))
}

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}";

fn list_parameters() -> Value {
    borrowed(LEASES, "get")
}

fn delete_parameters() -> Value {
    borrowed(LEASE, "delete")
}

/// `dryRun`, `fieldManager`, `fieldValidation`, and `force` for patches. kubectl looks for
/// `fieldValidation` there before it asks for it.
fn write_parameters(patch: bool) -> Value {
    borrowed(LEASE, if patch { "patch" } else { "put" })
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

fn lower_camel(group: &str) -> String {
    let mut parts = group.split('.');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| name + &capital(part))
}
