//! Writing answers.

use axum::body::Body;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use super::convert::{from_stored, partial};
use super::error::ApiError;
use super::negotiate::{Format, Shape};
use super::read::Page;
use super::resources::Resource;
use super::tables::{IncludeObject, Table};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const YAML: HeaderValue = HeaderValue::from_static("application/yaml");

/// An answer with a body.
pub(crate) fn body(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, private"),
    );
    response
}

/// An answer as JSON or YAML.
pub(crate) fn value(status: StatusCode, yaml: bool, value: &Value) -> Response<Body> {
    if yaml && let Ok(text) = serde_norway::to_string(value) {
        return body(status, YAML, text);
    }
    body(status, JSON, value.to_string())
}

/// An error as a Status object.
pub(crate) fn error(error: &ApiError) -> Response<Body> {
    let (code, _) = error.code();
    let mut response = value(code, false, &error.to_status());
    if matches!(
        code,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    ) {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// A `Success` Status about an object.
pub(crate) fn success(resource: &Resource, object: &Value) -> Value {
    let mut details = Map::new();
    details.insert("name".into(), object["metadata"]["name"].clone());
    if !resource.group.is_empty() {
        details.insert("group".into(), json!(resource.group));
    }
    details.insert("kind".into(), json!(resource.plural));
    details.insert("uid".into(), object["metadata"]["uid"].clone());
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}

/// One object in the shape that was asked for.
pub(crate) fn object(
    status: StatusCode,
    format: Format,
    include: IncludeObject,
    resource: &Resource,
    object: &Value,
) -> Response<Body> {
    let shaped = match format.shape {
        Shape::Whole => return value(status, format.yaml, object),
        Shape::Metadata => partial(object),
        Shape::Table => {
            let mut table = Table::new(resource, include);
            table.add(object);
            table.finish(&json!({"resourceVersion": object["metadata"]["resourceVersion"]}))
        }
    };
    value(status, format.yaml, &shaped)
}

/// A list in the shape that was asked for.
pub(crate) fn list(
    format: Format,
    include: IncludeObject,
    resource: &Resource,
    page: &Page,
) -> Response<Body> {
    let metadata = Value::Object(page.metadata.clone());
    match format.shape {
        Shape::Whole if !format.yaml && resource.api_version() == resource.stored_as => {
            body(StatusCode::OK, JSON, joined(resource, page, &metadata))
        }
        Shape::Table => {
            let mut table = Table::new(resource, include);
            for item in &page.items {
                table.add(&from_stored(resource, &item.value));
            }
            value(StatusCode::OK, format.yaml, &table.finish(&metadata))
        }
        Shape::Whole | Shape::Metadata => {
            let whole = format.shape == Shape::Whole;
            let items: Vec<Value> = page
                .items
                .iter()
                .map(|o| {
                    let object = from_stored(resource, &o.value);
                    if whole {
                        object.into_owned()
                    } else {
                        partial(&object)
                    }
                })
                .collect();
            let (kind, version) = if whole {
                (resource.list_kind.clone(), resource.api_version())
            } else {
                (
                    "PartialObjectMetadataList".to_owned(),
                    "meta.k8s.io/v1".to_owned(),
                )
            };
            let list =
                json!({"kind": kind, "apiVersion": version, "metadata": metadata, "items": items});
            value(StatusCode::OK, format.yaml, &list)
        }
    }
}

/// The list out of objects that are encoded already.
fn joined(resource: &Resource, page: &Page, metadata: &Value) -> Bytes {
    let size: usize = page.items.iter().map(|o| o.json.len() + 1).sum();
    let mut out = BytesMut::with_capacity(size + 256);
    let head = format!(
        "{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{metadata},\"items\":[",
        resource.list_kind,
        resource.api_version()
    );
    out.put_slice(head.as_bytes());
    for (i, object) in page.items.iter().enumerate() {
        if i > 0 {
            out.put_u8(b',');
        }
        out.put_slice(&object.json);
    }
    out.put_slice(b"]}\n");
    out.freeze()
}

/// Adds `Warning` headers, which kubectl prints.
pub(crate) fn with_warnings(mut response: Response<Body>, warnings: &[String]) -> Response<Body> {
    for warning in warnings {
        let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(header) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.headers_mut().append(header::WARNING, header);
        }
    }
    response
}
