//! `meta.k8s.io/v1` Tables: what `kubectl get` prints.

mod cells;
mod custom;
mod duration;
mod json_path;
mod layout;

use serde_json::{Value, json};

use super::convert::partial;
use super::error::ApiError;
use super::resources::{Kind, Resource};

/// What each row carries of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IncludeObject {
    None,
    Metadata,
    Object,
}

impl IncludeObject {
    pub(crate) fn parse(value: Option<&str>) -> Result<Self, ApiError> {
        match value {
            None | Some("Metadata") => Ok(Self::Metadata),
            Some("None") => Ok(Self::None),
            Some("Object") => Ok(Self::Object),
            Some(other) => Err(ApiError::BadRequest(format!(
                "includeObject: Unsupported value: {other:?}"
            ))),
        }
    }
}

/// A table in the making.
pub(crate) struct Table<'a> {
    resource: &'a Resource,
    include: IncludeObject,
    rows: Vec<Value>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(resource: &'a Resource, include: IncludeObject) -> Self {
        Self {
            resource,
            include,
            rows: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, object: &Value) {
        let cells = if self.resource.kind == Kind::Custom {
            custom::cells(self.resource, object)
        } else {
            cells::cells(self.resource.kind, object)
        };
        let mut row = json!({"cells": cells});
        match self.include {
            IncludeObject::None => row["object"] = Value::Null,
            IncludeObject::Metadata => row["object"] = partial(object),
            IncludeObject::Object => row["object"] = object.clone(),
        }
        self.rows.push(row);
    }

    pub(crate) fn finish(self, metadata: &Value) -> Value {
        let columns = if self.resource.kind == Kind::Custom {
            custom::columns(self.resource)
        } else {
            layout::columns(self.resource.kind)
        };
        json!({
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": columns,
            "rows": self.rows,
        })
    }
}
