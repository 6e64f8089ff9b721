//! Server-side apply: the behaviour of structured-merge-diff and of the field manager, case by
//! case.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test may panic, and reads best with its values in place"
)]

mod collections;
mod conflicts;
mod managers;
#[path = "../schema_support/mod.rs"]
mod schema_support;
mod schemas;

use schema_support::{Story, widget};
use serde_json::json;

/// A spec with every kind of list and map.
fn story() -> Story {
    Story::new(widget(json!({"type": "object", "properties": {
        "numeric": {"type": "integer"},
        "string": {"type": "string"},
        "bool": {"type": "boolean"},
        "struct": {"type": "object", "properties": {
            "numeric": {"type": "integer"}, "string": {"type": "string"},
        }},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "atomicMap": {
            "type": "object", "x-kubernetes-map-type": "atomic",
            "additionalProperties": {"type": "string"},
        },
        "list": {"type": "array", "items": {"type": "string"}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "items": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {
                "name": {"type": "string"},
                "value": {"type": "integer"},
                "other": {"type": "string"},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            }},
        },
        "ports": {
            "type": "array", "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": {"type": "object", "required": ["port"], "properties": {
                "port": {"type": "integer"},
                "protocol": {"type": "string", "default": "TCP"},
                "name": {"type": "string"},
            }},
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }})))
}
