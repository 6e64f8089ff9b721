//! Paths that are about no object: discovery, OpenAPI, health, version.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::dispatch::Call;
use super::error::ApiError;
use super::negotiate::{Format, media_types};
use super::resources::{Kind, Resource, Served, group_version};
use super::{Api, response};

/// The version of Kubernetes whose API this is.
const VERSION: &str = "v1.33.0";

pub(crate) fn respond(api: &Api, path: &str, call: &Call) -> Result<Response<Body>, ApiError> {
    if call.method != Method::GET && call.method != Method::HEAD {
        return Err(if known(api, path) {
            ApiError::MethodNotAllowed
        } else {
            ApiError::NoSuchPath
        });
    }
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    match parts.as_slice() {
        ["healthz"] | ["livez" | "readyz", ..] => {
            let text = HeaderValue::from_static("text/plain; charset=utf-8");
            Ok(response::body(StatusCode::OK, text, "ok"))
        }
        ["version"] => Ok(json_body(&version())),
        ["api" | "apis"] => root(&api.catalog.served(), parts[0], &call.headers),
        ["api", version] => resource_list(api, "", version),
        ["apis", group] => Ok(json_body(&api_group(&api.catalog.served(), group)?)),
        ["apis", group, version] => resource_list(api, group, version),
        ["openapi", "v2"] => openapi_v2(api, &call.headers),
        ["openapi", "v3"] => Ok(json_body(&api.schemas.openapi_v3_index())),
        ["openapi", "v3", rest @ ..] => openapi_v3(api, &rest.join("/"), call),
        [] => Ok(json_body(&json!({"paths": [
            "/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version",
        ]}))),
        _ => Err(ApiError::NoSuchPath),
    }
}

fn known(api: &Api, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    match parts.as_slice() {
        ["version" | "healthz" | "livez" | "readyz" | "api" | "apis"] => true,
        ["api", v] => has_version(&api.catalog.served(), "", v),
        ["apis", g, v] => has_version(&api.catalog.served(), g, v),
        _ => false,
    }
}

fn has_version(served: &Served, group: &str, version: &str) -> bool {
    served
        .resources
        .iter()
        .any(|r| r.group == group && r.version == version)
}

fn json_body(value: &Value) -> Response<Body> {
    response::value(StatusCode::OK, false, value)
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "33",
        "emulationMajor": "1",
        "emulationMinor": "33",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "32",
        "gitVersion": format!("{VERSION}+codex-local-cluster.{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, go_arch()),
    })
}

fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `/api` and `/apis`: aggregated when the client can read that, else the older lists of names.
fn root(served: &Served, root: &str, headers: &HeaderMap) -> Result<Response<Body>, ApiError> {
    for media in media_types(headers) {
        let aggregated = media.essence == "application/json"
            && media.get("g") == Some("apidiscovery.k8s.io")
            && media.get("as") == Some("APIGroupDiscoveryList");
        match media.get("v") {
            Some(v @ ("v2" | "v2beta1")) if aggregated => {
                return aggregated_root(served, root, v, headers);
            }
            _ => {}
        }
        if matches!(
            media.essence.as_str(),
            "application/json" | "*/*" | "application/*"
        ) && media.get("as").is_none()
        {
            break;
        }
    }
    Format::negotiate(headers)?;
    Ok(json_body(&if root == "api" {
        json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
    } else {
        let groups: Vec<Value> = groups(served)
            .iter()
            .filter(|g| !g.is_empty())
            .filter_map(|g| api_group(served, g).ok())
            .map(without_type)
            .collect();
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    }))
}

fn without_type(mut group: Value) -> Value {
    if let Some(map) = group.as_object_mut() {
        map.shift_remove("kind");
        map.shift_remove("apiVersion");
    }
    group
}

fn groups(served: &Served) -> Vec<&str> {
    let mut groups: Vec<&str> = served.resources.iter().map(|r| r.group.as_str()).collect();
    groups.dedup();
    groups
}

fn versions<'a>(served: &'a Served, group: &str) -> Vec<&'a str> {
    let mut versions: Vec<&str> = served
        .resources
        .iter()
        .filter(|r| r.group == group)
        .map(|r| r.version.as_str())
        .collect();
    versions.dedup();
    versions
}

fn api_group(served: &Served, group: &str) -> Result<Value, ApiError> {
    let versions: Vec<Value> = versions(served, group)
        .iter()
        .map(|v| json!({"groupVersion": group_version(group, v), "version": v}))
        .collect();
    let preferred = versions.first().ok_or(ApiError::NoSuchPath)?;
    Ok(json!({
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": group,
        "versions": versions,
        "preferredVersion": preferred,
    }))
}

fn aggregated_root(
    served: &Served,
    root: &str,
    version: &str,
    headers: &HeaderMap,
) -> Result<Response<Body>, ApiError> {
    let items: Vec<Value> = groups(served)
        .into_iter()
        .filter(|g| g.is_empty() == (root == "api"))
        .map(|g| aggregated_group(served, g))
        .collect();
    let list = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {},
        "items": items,
    });
    let bytes = list.to_string();
    let etag = format!(
        "\"{}\"",
        hex::encode_upper(Sha256::digest(bytes.as_bytes()))
    );
    let content_type =
        format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
    let header_value =
        |text: &str| HeaderValue::from_str(text).map_err(|e| ApiError::Internal(e.to_string()));
    let unchanged = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|v| v.as_bytes() == etag.as_bytes());
    let mut answer = if unchanged {
        response::body(
            StatusCode::NOT_MODIFIED,
            header_value(&content_type)?,
            Body::empty(),
        )
    } else {
        response::body(StatusCode::OK, header_value(&content_type)?, bytes)
    };
    answer
        .headers_mut()
        .insert(header::ETAG, header_value(&etag)?);
    answer
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("Accept"));
    Ok(answer)
}

fn aggregated_group(served: &Served, group: &str) -> Value {
    let versions: Vec<Value> = versions(served, group)
        .into_iter()
        .map(|v| {
            let resources: Vec<Value> = served
                .resources
                .iter()
                .filter(|r| r.group == group && r.version == v)
                .map(|r| aggregated_resource(r))
                .collect();
            json!({"version": v, "resources": resources, "freshness": "Current"})
        })
        .collect();
    let mut out = json!({"metadata": {"creationTimestamp": null}, "versions": versions});
    if !group.is_empty() {
        out["metadata"]["name"] = json!(group);
    }
    out
}

/// Name, kind with its group and version if that differs, verbs.
struct Sub {
    name: &'static str,
    kind: Option<(&'static str, &'static str, &'static str)>,
    verbs: &'static [&'static str],
}

fn subresources(resource: &Resource) -> Vec<Sub> {
    let mut subs = Vec::new();
    let mut add = |name, kind, verbs| subs.push(Sub { name, kind, verbs });
    match resource.kind {
        Kind::Pod => {
            add("binding", Some(("", "v1", "Binding")), &["create"]);
            add("eviction", Some(("policy", "v1", "Eviction")), &["create"]);
            add("log", None, &["get"]);
        }
        Kind::Namespace => add("finalize", None, &["update"]),
        _ => {}
    }
    if resource.has_status {
        add("status", None, &["get", "patch", "update"]);
    }
    subs
}

fn scope(resource: &Resource) -> &'static str {
    if resource.namespaced {
        "Namespaced"
    } else {
        "Cluster"
    }
}

fn aggregated_resource(r: &Resource) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let subs: Vec<Value> = subresources(r)
        .iter()
        .map(|s| {
            let (g, v, k) = s.kind.unwrap_or((&r.group, &r.version, &r.kind_name));
            json!({"subresource": s.name, "responseKind": kind(g, v, k), "verbs": s.verbs})
        })
        .collect();
    let mut out = json!({
        "resource": r.plural,
        "responseKind": kind(&r.group, &r.version, &r.kind_name),
        "scope": scope(r),
        "singularResource": r.singular,
        "verbs": r.verbs(),
    });
    for (key, list) in [
        ("shortNames", json!(r.short_names)),
        ("categories", json!(r.categories)),
        ("subresources", json!(subs)),
    ] {
        if list.as_array().is_some_and(|l| !l.is_empty()) {
            out[key] = list;
        }
    }
    out
}

fn resource_list(api: &Api, group: &str, version: &str) -> Result<Response<Body>, ApiError> {
    let served = api.catalog.served();
    if !has_version(&served, group, version) {
        return Err(ApiError::NoSuchPath);
    }
    let mut resources = Vec::new();
    for r in &served.resources {
        if r.group != group || r.version != version {
            continue;
        }
        let mut entry = Map::new();
        entry.insert("name".into(), json!(r.plural));
        entry.insert("singularName".into(), json!(r.singular));
        entry.insert("namespaced".into(), json!(r.namespaced));
        entry.insert("kind".into(), json!(r.kind_name));
        entry.insert("verbs".into(), json!(r.verbs()));
        if !r.short_names.is_empty() {
            entry.insert("shortNames".into(), json!(r.short_names));
        }
        if !r.categories.is_empty() {
            entry.insert("categories".into(), json!(r.categories));
        }
        if !r.is_review() {
            entry.insert("storageVersionHash".into(), json!(storage_hash(r)));
        }
        resources.push(Value::Object(entry));
        for s in subresources(r) {
            let mut entry = json!({
                "name": format!("{}/{}", r.plural, s.name),
                "singularName": "",
                "namespaced": r.namespaced,
                "kind": s.kind.map_or(r.kind_name.as_str(), |(_, _, k)| k),
                "verbs": s.verbs,
            });
            if let Some((group, version, _)) = s.kind {
                entry["group"] = json!(group);
                entry["version"] = json!(version);
            }
            resources.push(entry);
        }
    }
    Ok(json_body(&json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version(group, version),
        "resources": resources,
    })))
}

/// Names the type that objects are stored as, so that clients notice when that changes.
fn storage_hash(resource: &Resource) -> String {
    // Both kinds of events are stored as the older one.
    let (group, version) = match resource.kind {
        Kind::Event => ("", "v1"),
        _ => (resource.group.as_str(), resource.version.as_str()),
    };
    let hash = Sha256::digest(format!("{group}/{version}/{}", resource.kind_name));
    STANDARD.encode(&hash[..8])
}

/// Only JSON: clients that insist on protobuf get 406 and ask again.
fn openapi_v2(api: &Api, headers: &HeaderMap) -> Result<Response<Body>, ApiError> {
    let accepted = media_types(headers);
    let json = accepted.is_empty()
        || accepted.iter().any(|m| {
            matches!(
                m.essence.as_str(),
                "application/json" | "application/*" | "*/*"
            )
        });
    if !json {
        return Err(ApiError::NotAcceptable);
    }
    let document = api.schemas.openapi_v2();
    Ok(response::body(
        StatusCode::OK,
        HeaderValue::from_static("application/json"),
        document.to_vec(),
    ))
}

fn openapi_v3(api: &Api, path: &str, call: &Call) -> Result<Response<Body>, ApiError> {
    let document = api.schemas.openapi_v3(path).ok_or(ApiError::NoSuchPath)?;
    let etag = format!("\"{}\"", hex::encode_upper(Sha256::digest(&document)));
    let mut answer = response::body(
        StatusCode::OK,
        HeaderValue::from_static("application/json"),
        document.to_vec(),
    );
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        answer.headers_mut().insert(header::ETAG, etag);
    }
    if call.query.get("hash").is_some() {
        // The hash in the address names the content, so it may be kept for ever.
        let forever = HeaderValue::from_static("public, immutable, max-age=31536000");
        answer.headers_mut().insert(header::CACHE_CONTROL, forever);
    }
    Ok(answer)
}
