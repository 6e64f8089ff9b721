//! The resources of definitions.

use serde_json::{Value, json};

use super::{Column, Kind, Resource, group_version};
use crate::api::object::{is_deleting, list, text};

/// The resources of one definition, one per served version.
pub(super) fn resources(crd: &Value) -> Vec<Resource> {
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
                is_terminating: is_deleting(crd),
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
