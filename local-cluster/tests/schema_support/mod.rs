//! Schemas for the tests of this folder.

#![allow(dead_code, reason = "every test binary uses a part of it")]

pub(crate) mod random;

use std::sync::Arc;

use codex_local_cluster::schema::apply::{ApplyError, ApplyRequest, apply, track_update};
use codex_local_cluster::schema::{FieldError, Gvk, Schema, SchemaRegistry};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The schema of a built-in kind.
pub(crate) fn builtin(group: &str, kind: &str) -> Arc<Schema> {
    let gvk = gvk(group, "v1", kind);
    let schema = SchemaRegistry::builtin().schema(&gvk);
    schema.unwrap_or_else(|| panic!("{kind} is built in"))
}

pub(crate) fn gvk(group: &str, version: &str, kind: &str) -> Gvk {
    Gvk {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
    }
}

/// A definition of `Widget` in `example.com/v1` with this schema.
pub(crate) fn crd(schema: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Widget", "plural": "widgets"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}},
            }],
        },
    })
}

/// The schema of `Widget` whose `spec` and `status` are as given.
pub(crate) fn try_widget(schema: &Value) -> Result<Arc<Schema>, Vec<FieldError>> {
    let registry = SchemaRegistry::builtin();
    registry.set_crd(&crd(schema))?;
    Ok(registry
        .schema(&gvk("example.com", "v1", "Widget"))
        .expect("the definition was admitted"))
}

pub(crate) fn widget(spec: Value) -> Arc<Schema> {
    let schema = json!({"type": "object", "properties": {
        "spec": spec,
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }});
    try_widget(&schema).unwrap_or_else(|errors| panic!("admitted: {errors:?}"))
}

/// A Widget with this spec.
pub(crate) fn object(spec: Value) -> Value {
    json!({
        "apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "w", "namespace": "default"},
        "spec": spec,
    })
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// An object over time: applies and updates by several managers.
pub(crate) struct Story {
    pub(crate) schema: Arc<Schema>,
    pub(crate) live: Option<Value>,
    clock: i64,
}

impl Story {
    pub(crate) fn new(schema: Arc<Schema>) -> Self {
        Self {
            schema,
            live: None,
            clock: 0,
        }
    }

    pub(crate) fn try_apply(
        &mut self,
        manager: &str,
        applied: &Value,
        force: bool,
    ) -> Result<(), ApplyError> {
        self.try_apply_to(manager, applied, force, None)
    }

    pub(crate) fn try_apply_to(
        &mut self,
        manager: &str,
        applied: &Value,
        force: bool,
        subresource: Option<&str>,
    ) -> Result<(), ApplyError> {
        self.clock += 1;
        let request = ApplyRequest {
            manager,
            force,
            subresource,
            now: at(self.clock),
        };
        let result = apply(Some(&self.schema), self.live.as_ref(), applied, &request)?;
        self.live = Some(result);
        Ok(())
    }

    pub(crate) fn apply(&mut self, manager: &str, applied: &Value) {
        self.try_apply(manager, applied, false)
            .unwrap_or_else(|error| panic!("{manager} applies {applied}: {error}"));
    }

    pub(crate) fn force(&mut self, manager: &str, applied: &Value) {
        self.try_apply(manager, applied, true)
            .unwrap_or_else(|error| panic!("{manager} forces {applied}: {error}"));
    }

    /// Writes the object with other content; managedFields and uid come from the server.
    pub(crate) fn update(&mut self, manager: &str, new: &Value) {
        self.clock += 1;
        let mut new = new.clone();
        track_update(
            Some(&self.schema),
            self.live.as_ref(),
            &mut new,
            manager,
            None,
            at(self.clock),
        );
        self.live = Some(new);
    }

    pub(crate) fn live(&self) -> &Value {
        self.live.as_ref().expect("the story has begun")
    }

    pub(crate) fn spec(&self) -> &Value {
        &self.live()["spec"]
    }

    /// What a manager owns, by `<manager>` or `<manager>/<subresource>`, and operation.
    pub(crate) fn owned(&self, manager: &str, operation: &str) -> Option<Value> {
        self.entry(manager, operation)
            .map(|entry| entry["fieldsV1"].clone())
    }

    pub(crate) fn entry(&self, manager: &str, operation: &str) -> Option<Value> {
        let list = self.live().pointer("/metadata/managedFields")?.as_array()?;
        let (name, subresource) = manager.split_once('/').unwrap_or((manager, ""));
        list.iter()
            .find(|entry| {
                entry["manager"] == name
                    && entry["operation"] == operation
                    && entry["subresource"].as_str().unwrap_or_default() == subresource
            })
            .cloned()
    }
}

/// The conflicts of a refused apply, as (manager, field).
pub(crate) fn conflicts(result: Result<(), ApplyError>) -> Vec<(String, String)> {
    match result {
        Err(ApplyError::Conflicts(list)) => {
            list.into_iter().map(|c| (c.manager, c.field)).collect()
        }
        other => panic!("conflicts expected, got {other:?}"),
    }
}
