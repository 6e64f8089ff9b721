//! Defaults must fit the schemas that they stand in.

use serde_json::Value;

use crate::schema::FieldError;
use crate::schema::arena::NodeId;
use crate::schema::structural::Schema;

/// Checks that defaults fit their own schemas.
pub(super) fn check_defaults(source: &Value, path: &str, schema: &Schema) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk_defaults(source, schema.root, path, schema, &mut errors);
    errors
}

fn walk_defaults(
    source: &Value,
    id: NodeId,
    path: &str,
    schema: &Schema,
    errors: &mut Vec<FieldError>,
) {
    if let Some(default) = source.get("default") {
        let part = Schema {
            root: id,
            ..schema.clone()
        };
        let mut pruned = default.clone();
        let unknown = part.default_and_prune(&mut pruned);
        let field = format!("{path}.default");
        if !unknown.is_empty() {
            let detail = format!("must not have unknown fields: {}", unknown.join(", "));
            errors.push(FieldError::invalid(&field, default, &detail));
        }
        for error in part.validate(&pruned, None) {
            errors.push(FieldError {
                field: if error.field.is_empty() {
                    field.clone()
                } else {
                    format!("{field}.{}", error.field)
                },
                ..error
            });
        }
    }
    let node = &schema.arena[id];
    let properties = source.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if let Some(field) = node.properties.get(name) {
            let path = format!("{path}.properties[{name}]");
            walk_defaults(property, field.node, &path, schema, errors);
        }
    }
    if let (Some(items), Some(item)) = (source.get("items"), node.items) {
        walk_defaults(items, item, &format!("{path}.items"), schema, errors);
    }
}
