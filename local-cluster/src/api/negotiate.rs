//! Content types: what the client accepts, and what it sends.

use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::Value;

use super::error::ApiError;
use super::protobuf::{self, DecodeError};

/// The shape in which objects are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As they are.
    Whole,
    /// `meta.k8s.io/v1` Table, as kubectl prints.
    Table,
    /// Only the metadata.
    Metadata,
}

/// How the answer is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) shape: Shape,
    pub(crate) yaml: bool,
}

impl Format {
    pub(crate) const JSON: Self = Self {
        shape: Shape::Whole,
        yaml: false,
    };

    /// The first acceptable form that we have.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Result<Self, ApiError> {
        let accepted = media_types(headers);
        if accepted.is_empty() {
            return Ok(Self::JSON);
        }
        for media in &accepted {
            let yaml = match media.essence.as_str() {
                "application/json" | "application/*" | "*/*" => false,
                "application/yaml" => true,
                _ => continue,
            };
            let shape = match (media.get("as"), media.get("g"), media.get("v")) {
                (None, ..) => Shape::Whole,
                (Some("Table"), Some("meta.k8s.io"), Some("v1")) => Shape::Table,
                (
                    Some("PartialObjectMetadata" | "PartialObjectMetadataList"),
                    Some("meta.k8s.io"),
                    Some("v1"),
                ) => Shape::Metadata,
                _ => continue,
            };
            return Ok(Self { shape, yaml });
        }
        Err(ApiError::NotAcceptable)
    }
}

/// One element of an Accept header.
#[derive(Debug)]
pub(crate) struct MediaType {
    pub(crate) essence: String,
    params: Vec<(String, String)>,
    quality: u16,
}

impl MediaType {
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }
}

/// What the client accepts, best first.
pub(crate) fn media_types(headers: &HeaderMap) -> Vec<MediaType> {
    let mut found: Vec<MediaType> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .filter_map(parse_media_type)
        .collect();
    found.sort_by_key(|m| std::cmp::Reverse(m.quality));
    found
}

fn parse_media_type(text: &str) -> Option<MediaType> {
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().filter(|e| !e.is_empty())?.to_ascii_lowercase();
    let mut quality = 1000;
    let mut params = Vec::new();
    for (k, v) in parts.filter_map(|p| p.split_once('=')) {
        if k == "q" {
            let q: f32 = v.parse().unwrap_or(1.0);
            // Three decimals are all that HTTP allows.
            quality = (q.clamp(0.0, 1.0) * 1000.0) as u16;
        } else {
            params.push((k.to_owned(), v.trim_matches('"').to_owned()));
        }
    }
    Some(MediaType {
        essence,
        params,
        quality,
    })
}

/// The media type of the body, without parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split(';').next())
        .unwrap_or("application/json")
        .trim()
        .to_ascii_lowercase()
}

/// Reads an object from a body in JSON or YAML.
pub(crate) fn decode_object(headers: &HeaderMap, body: &Bytes) -> Result<Value, ApiError> {
    let media = content_type(headers);
    let value: Value = match media.as_str() {
        "application/json" | "*/*" | "" => serde_json::from_slice(body)
            .map_err(|e| ApiError::BadRequest(format!("the body is not valid JSON: {e}")))?,
        "application/yaml" | "text/yaml" => decode_yaml(body)?,
        "application/vnd.kubernetes.protobuf" => protobuf::decode(body).map_err(|e| match e {
            DecodeError::UnknownKind(kind) => ApiError::UnsupportedMediaType(format!(
                "this server reads objects of kind {kind:?} as JSON or YAML only"
            )),
            DecodeError::Malformed => {
                ApiError::BadRequest("the body is not a Kubernetes object in protobuf".into())
            }
        })?,
        other => {
            return Err(ApiError::UnsupportedMediaType(format!(
                "the body of the request was in an unknown format ({other}) - accepted media types include: application/json, application/yaml"
            )));
        }
    };
    if value.is_object() {
        Ok(value)
    } else {
        Err(ApiError::BadRequest("the body is not an object".into()))
    }
}

/// Reads YAML, of which JSON is a part.
pub(crate) fn decode_yaml(body: &[u8]) -> Result<Value, ApiError> {
    // JSON first: it is much faster, and server-side apply mostly sends it.
    serde_json::from_slice(body)
        .or_else(|_| serde_norway::from_slice(body))
        .map_err(|e| ApiError::BadRequest(format!("the body is not valid YAML: {e}")))
}
