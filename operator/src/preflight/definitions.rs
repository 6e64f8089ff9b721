//! Whether the custom resources are there, and know every field that this operator was built with.
//!
//! A field that the cluster does not know is dropped from what is written, without an error. The document of the API itself says what it
//! knows, and everybody may read it, so no right to read definitions is needed.

use std::collections::BTreeSet;

use http::Request;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use serde_json::{Map, Value};

use super::{Finding, Problem, ask};

/// How many fields are named.
const SHOWN: usize = 5;

/// Checks the definitions.
pub(super) async fn check(client: &Client, findings: &mut Vec<Finding>) {
    for definition in codex_crds::definitions() {
        let Some(version) = definition.spec.versions.first() else {
            continue;
        };
        let (group, kind) = (&definition.spec.group, &definition.spec.names.kind);
        let group_version = format!("{group}/{}", version.name);
        let served = match ask(client.list_api_group_resources(&group_version)).await {
            Ok(list) => list
                .resources
                .iter()
                .any(|resource| &resource.kind == kind && !resource.name.contains('/')),
            Err(problem) if problem.is_not_found() => false,
            Err(problem) => {
                findings.push(Finding::warns(format!(
                    "whether the cluster has {kind} cannot be found out: {problem}."
                )));
                continue;
            }
        };
        if !served {
            findings.push(Finding::stops(format!(
                "the cluster does not serve {kind} in {group_version}. Install the custom resources: `helm upgrade` with crds.enabled=true, or `kubectl apply --server-side -f crds/generated/crds.yaml` from this version."
            )));
            continue;
        }
        match published(client, &group_version).await {
            Ok(document) => compare(&definition, &version.name, &document, findings),
            // Servers publish a group a moment after they serve it; the next look compares.
            Err(problem) if problem.is_not_found() => {}
            Err(problem) => findings.push(Finding::warns(format!(
                "whether the definition of {kind} is that of this version cannot be found out: {problem}."
            ))),
        }
    }
}

async fn published(client: &Client, group_version: &str) -> Result<Value, Problem> {
    let request = Request::get(format!("/openapi/v3/apis/{group_version}"))
        .body(Vec::new())
        .map_err(|error| Problem::Away(error.to_string()))?;
    ask(client.request(request)).await
}

fn compare(
    definition: &CustomResourceDefinition,
    version: &str,
    document: &Value,
    findings: &mut Vec<Finding>,
) {
    let names = &definition.spec.names;
    let (group, kind) = (&definition.spec.group, &names.kind);
    let Some(theirs) = schema_of(document, group, version, kind) else {
        // Servers publish a definition a moment after they serve it.
        return;
    };
    let ours = definition
        .spec
        .versions
        .first()
        .and_then(|version| version.schema.as_ref())
        .and_then(|schema| serde_json::to_value(schema.open_api_v3_schema.as_ref()?).ok())
        .unwrap_or_default();
    let unknown: Vec<String> = fields(&ours).difference(&fields(theirs)).cloned().collect();
    if !unknown.is_empty() {
        let mut shown = unknown[..unknown.len().min(SHOWN)].join(", ");
        if unknown.len() > SHOWN {
            shown.push_str(", ...");
        }
        findings.push(Finding::warns(format!(
            "the definition {}.{group} in the cluster is older than this operator and drops {shown}. Update it: `helm upgrade` with crds.enabled=true, or `kubectl apply --server-side -f crds/generated/crds.yaml` from this version.",
            names.plural
        )));
    }
}

fn schema_of<'a>(document: &'a Value, group: &str, version: &str, kind: &str) -> Option<&'a Value> {
    let is_it = |schema: &Value| {
        schema["x-kubernetes-group-version-kind"]
            .as_array()
            .is_some_and(|all| {
                all.iter().any(|is| {
                    is["group"] == group && is["version"] == version && is["kind"] == kind
                })
            })
    };
    document["components"]["schemas"]
        .as_object()?
        .values()
        .find(|schema| is_it(schema))
}

/// The paths of all fields below `spec` and `status`.
fn fields(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in ["spec", "status"] {
        collect(&schema["properties"][part], part, &mut found);
    }
    found
}

fn collect(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let nothing = Map::new();
    for (name, inner) in schema["properties"].as_object().unwrap_or(&nothing) {
        let path = format!("{path}.{name}");
        collect(inner, &path, found);
        found.insert(path);
    }
    for inside in ["items", "additionalProperties"] {
        if schema[inside].is_object() {
            collect(&schema[inside], path, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_that_the_cluster_does_not_know_is_named() {
        let definition = codex_crds::definitions().remove(1);
        let schema = definition.spec.versions[0].schema.as_ref().unwrap();
        let mut schema = serde_json::to_value(schema.open_api_v3_schema.as_ref().unwrap()).unwrap();
        schema["x-kubernetes-group-version-kind"] =
            json!([{"group": "codexrunner.io", "version": "v1alpha1", "kind": "CodexTask"}]);
        let told = |schema: &Value| {
            let document = json!({"components": {"schemas": {"io.codexrunner": schema}}});
            let mut findings = Vec::new();
            compare(&definition, "v1alpha1", &document, &mut findings);
            super::super::list(&findings)
        };
        assert_eq!(told(&schema), "");
        let spec = schema["properties"]["spec"]["properties"].as_object_mut();
        spec.unwrap().remove("queueName");
        let status =
            schema["properties"]["status"]["properties"]["usage"]["properties"].as_object_mut();
        status.unwrap().remove("outputTokens");
        let told = told(&schema);
        assert!(
            told.contains("drops spec.queueName, status.usage.outputTokens."),
            "{told}"
        );
        assert!(told.contains("kubectl apply --server-side"), "{told}");
    }
}
