//! `x-kubernetes-validations`: rules in CEL.
//!
//! There is no cost limit, unlike upstream: definitions come from the people who run the cluster.

mod check;
mod library;
mod value;

use std::sync::Arc;

use ::cel::objects::OptionalValue;
use ::cel::{Context, Program, Value as Cel};
use serde_json::Value;

use super::FieldError;
use super::arena::{Arena, Kind, ListKind, Node, NodeId};
use super::json::{Path, equal};
use super::validate::OldItems;

pub(crate) use check::compile_rules;

/// One rule of `x-kubernetes-validations`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rule {
    rule: String,
    message: Option<String>,
    message_expression: Option<String>,
    reason: Option<String>,
    field_path: Option<String>,
    optional_old_self: bool,
    program: Option<Arc<Compiled>>,
}

/// What admission of the definition made of a rule.
#[derive(Debug)]
struct Compiled {
    rule: Program,
    message: Option<Program>,
    uses_old_self: bool,
}

impl Rule {
    /// The rules of a schema, not yet compiled.
    pub(crate) fn parse_all(schema: &Value) -> Vec<Self> {
        let text = |rule: &Value, key: &str| {
            rule.get(key)
                .and_then(Value::as_str)
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        schema
            .get("x-kubernetes-validations")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|rule| Self {
                rule: text(rule, "rule").unwrap_or_default(),
                message: text(rule, "message"),
                message_expression: text(rule, "messageExpression"),
                reason: text(rule, "reason"),
                field_path: text(rule, "fieldPath"),
                optional_old_self: rule.get("optionalOldSelf") == Some(&Value::Bool(true)),
                program: None,
            })
            .collect()
    }

    /// The message, or the rule where there is none.
    fn text(&self) -> &str {
        self.message.as_deref().unwrap_or(&self.rule)
    }
}

/// Whether any schema of an arena has rules.
pub(crate) fn has_rules(arena: &Arena) -> bool {
    arena.ids().any(|id| !arena[id].rules.is_empty())
}

/// Runs every rule that applies to an object.
pub(crate) fn validate(
    arena: &Arena,
    root: NodeId,
    new: &Value,
    old: Option<&Value>,
    errors: &mut Vec<FieldError>,
) {
    if has_rules(arena) {
        Runner { arena, errors }.run(root, new, old, &Path::ROOT, Ratchet::default());
    }
}

/// Whether an ancestor without a counterpart of its own is unchanged.
#[derive(Clone, Copy, Default)]
struct Ratchet {
    unchanged: bool,
}

struct Runner<'a> {
    arena: &'a Arena,
    errors: &'a mut Vec<FieldError>,
}

impl Runner<'_> {
    fn run(
        &mut self,
        id: NodeId,
        new: &Value,
        old: Option<&Value>,
        path: &Path<'_>,
        ratchet: Ratchet,
    ) {
        if new.is_null() {
            return;
        }
        let node = &self.arena[id];
        let ratchet = match old {
            Some(old) => Ratchet {
                unchanged: equal(old, new),
            },
            None => ratchet,
        };
        let old = old.filter(|old| !old.is_null());
        self.rules(id, new, old, path, ratchet);
        match new {
            Value::Object(map) => {
                for (name, value) in map {
                    let Some(field) = node.field(name) else {
                        continue;
                    };
                    // Atomic maps are replaced as a whole, so that their fields have no past.
                    let old = old.and_then(|o| o.get(name)).filter(|_| !node.atomic_map);
                    let path = if node.properties.contains_key(name) {
                        path.field(name)
                    } else {
                        path.key(name)
                    };
                    self.run(field, value, old, &path, ratchet);
                }
            }
            Value::Array(items) => {
                let Some(item) = node.items else { return };
                let old_items = OldItems::new(self.arena, node, old);
                for (index, value) in items.iter().enumerate() {
                    self.run(
                        item,
                        value,
                        old_items.get(value),
                        &path.index(index),
                        ratchet,
                    );
                }
            }
            _ => {}
        }
    }

    fn rules(
        &mut self,
        id: NodeId,
        new: &Value,
        old: Option<&Value>,
        path: &Path<'_>,
        ratchet: Ratchet,
    ) {
        let node = &self.arena[id];
        if node.rules.is_empty() {
            return;
        }
        let kind = Value::from(type_of(node));
        let current = value::to_cel(self.arena, Some(id), new);
        // Lists that are maps or sets are equal whatever their order: bring the old one into the
        // order of the new one, and `==` says so.
        let old = old.map(|old| {
            let aligned = value::align(self.arena, id, new, old);
            value::to_cel(self.arena, Some(id), &aligned)
        });
        for rule in &node.rules {
            let Some(compiled) = &rule.program else {
                continue;
            };
            if compiled.uses_old_self && old.is_none() && !rule.optional_old_self {
                continue;
            }
            if !compiled.uses_old_self && ratchet.unchanged {
                continue;
            }
            let context = context(&current, old.as_ref(), rule.optional_old_self);
            match compiled.rule.execute(&context) {
                Ok(Cel::Bool(true)) => {}
                Ok(_) => self.failed(rule, compiled, &context, &kind, path),
                Err(error) => {
                    let detail = format!("{error} evaluating rule: {}", rule.text());
                    self.errors.push(FieldError::invalid(path, &kind, &detail));
                }
            }
        }
    }

    fn failed(
        &mut self,
        rule: &Rule,
        compiled: &Compiled,
        context: &Context<'_, '_>,
        kind: &Value,
        path: &Path<'_>,
    ) {
        let computed = compiled.message.as_ref().and_then(|program| {
            // A message that cannot be computed, is empty or has line breaks is not used.
            match program.execute(context) {
                Ok(Cel::String(text)) => Some(text.trim().to_owned()),
                _ => None,
            }
            .filter(|text| !text.is_empty() && !text.contains('\n'))
        });
        let message = computed.unwrap_or_else(|| match &rule.message {
            Some(message) => message.clone(),
            None => format!("failed rule: {}", rule.rule),
        });
        let mut field = path.to_string();
        if let Some(suffix) = &rule.field_path {
            let suffix = suffix.replace("['", "[").replace("']", "]");
            let suffix = if field.is_empty() {
                suffix.trim_start_matches('.').to_owned()
            } else {
                suffix
            };
            field.push_str(&suffix);
        }
        self.errors.push(match rule.reason.as_deref() {
            Some(FieldError::FORBIDDEN) => FieldError::forbidden(field, &message),
            Some(FieldError::REQUIRED) => FieldError::required(field, &message),
            Some(FieldError::DUPLICATE) => FieldError::duplicate(field, kind),
            _ => FieldError::invalid(field, kind, &message),
        });
    }
}

fn context(current: &Cel, old: Option<&Cel>, optional: bool) -> Context<'static, 'static> {
    let mut context = Context::with_env(library::environment());
    context.add_variable_from_value("self", current.clone());
    let old = match (old, optional) {
        (Some(old), false) => Some(old.clone()),
        (Some(old), true) => Some(Cel::Opaque(Arc::new(OptionalValue::of(old.clone())))),
        (None, true) => Some(Cel::Opaque(Arc::new(OptionalValue::none()))),
        (None, false) => None,
    };
    if let Some(old) = old {
        context.add_variable_from_value("oldSelf", old);
    }
    context
}

/// The type of a schema, which stands for the value in the message of a failed rule.
fn type_of(node: &Node) -> &'static str {
    match node.kind {
        Kind::Any | Kind::IntOrString => "",
        Kind::Object => "object",
        Kind::Array => "array",
        Kind::String | Kind::Quantity => "string",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Boolean => "boolean",
    }
}

/// Whether items or fields of a value can be told apart over time, so that `oldSelf` has a
/// meaning for them.
pub(crate) fn is_correlatable(node: &Node) -> bool {
    match node.kind {
        Kind::Array => matches!(node.list, ListKind::Map(_)),
        _ => !node.atomic_map,
    }
}
