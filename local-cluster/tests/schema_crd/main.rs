//! Structural schemas: admission of definitions, pruning, defaulting, validation and CEL.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test may panic, and reads best with its values in place"
)]

mod admission;
mod kinds;
mod pruning;
mod rules;
#[path = "../schema_support/mod.rs"]
mod schema_support;
mod validation;

use codex_local_cluster::schema::Schema;
use schema_support::try_widget;
use serde_json::{Value, json};

fn spec(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

/// The errors of an object, printed.
fn errors(schema: &Schema, new: &Value, old: Option<&Value>) -> Vec<String> {
    let list = schema.validate(new, old);
    list.iter().map(ToString::to_string).collect()
}

fn refused(schema: &Value) -> Vec<String> {
    let list = try_widget(schema).expect_err("the definition is not structural");
    list.iter().map(ToString::to_string).collect()
}
