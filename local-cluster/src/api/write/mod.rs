//! Writing objects: create, update, patch, delete, each through the same preparation and checks.

mod create;
mod delete;
mod patch;
mod prepare;
mod update;

use std::sync::Arc;

use serde_json::Value;

pub(crate) use delete::{CRD_CLEANUP, FOREGROUND, ORPHAN};
pub(crate) use patch::PatchType;

use super::Api;
use super::resources::{Kind, Resource};
use super::store::Key;

/// A subresource with which the object itself is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The object but for its status.
    Main,
    /// Only the status.
    Status,
    /// Only `spec.finalizers` of a namespace.
    Finalize,
    /// The server's own controllers: everything.
    Internal,
}

impl Part {
    /// The subresource as it stands in `managedFields`.
    fn subresource(self) -> Option<&'static str> {
        match self {
            Self::Status => Some("status"),
            Self::Finalize => Some("finalize"),
            Self::Main | Self::Internal => None,
        }
    }
}

/// The object that a write is about.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
    pub(crate) key: Key,
    pub(crate) part: Part,
}

impl Target {
    pub(crate) fn new(resource: &Arc<Resource>, namespace: &str, name: &str, part: Part) -> Self {
        Self {
            resource: Arc::clone(resource),
            key: Key::new(namespace, name),
            part,
        }
    }
}

/// What a write made.
#[derive(Debug)]
pub(crate) struct Written {
    /// In the version of the request.
    pub(crate) object: Value,
    /// For `Warning` headers.
    pub(crate) warnings: Vec<String>,
    /// Whether it is new (201).
    pub(crate) created: bool,
}

impl Api {
    /// Keeps schemas and discovery in step with the definitions of custom resources.
    fn after_write(&self, resource: &Resource, object: &Value, removed: bool) {
        if resource.kind != Kind::Crd {
            return;
        }
        if removed {
            self.schemas.remove_crd(super::object::name(object));
        } else if let Err(errors) = self.schemas.set_crd(object) {
            // The same definition passed validation before it was stored.
            tracing::error!(
                crd = super::object::name(object),
                ?errors,
                "a stored definition was refused"
            );
        }
        self.catalog.refresh(&self.store);
    }
}
