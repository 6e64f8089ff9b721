//! Compiling rules when a definition is admitted.
//!
//! The interpreter resolves names when a rule runs. So that mistakes show when the definition
//! is created, as they do upstream, this walks the expression with the types of the schema and
//! refuses unknown variables, functions and fields.

use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, operators};
use serde_json::Value;

use super::{Compiled, Rule, library, value::escape};
use crate::schema::FieldError;
use crate::schema::arena::{Additional, Arena, Kind, NodeId};

/// What rules see of the metadata of a resource.
const METADATA: [&str; 2] = ["name", "generateName"];

/// Compiles the rules of a schema. `path` is where its rules stand in the definition,
/// `correlatable` tells whether `oldSelf` has a meaning there.
pub(crate) fn compile_rules(
    arena: &mut Arena,
    id: NodeId,
    root: bool,
    path: &str,
    correlatable: bool,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut rules = arena[id].rules.clone();
    for (index, rule) in rules.iter_mut().enumerate() {
        let field = format!("{path}.x-kubernetes-validations[{index}]");
        match compile(arena, id, root, rule) {
            Ok(compiled) => {
                if compiled.uses_old_self && !correlatable {
                    errors.push(FieldError::invalid(
                        format!("{field}.rule"),
                        &Value::from(rule.rule.as_str()),
                        "oldSelf cannot be used on the uncorrelatable portion of the schema",
                    ));
                } else if rule.optional_old_self && !compiled.uses_old_self {
                    errors.push(FieldError::invalid(
                        format!("{field}.optionalOldSelf"),
                        &Value::Bool(true),
                        "may not be set if oldSelf is not used in rule",
                    ));
                }
                rule.program = Some(Arc::new(compiled));
            }
            Err((name, error)) => errors.push(FieldError {
                field: format!("{field}.{name}"),
                ..error
            }),
        }
    }
    arena.node_mut(id).rules = rules;
    errors
}

fn compile(
    arena: &Arena,
    id: NodeId,
    root: bool,
    rule: &Rule,
) -> Result<Compiled, (&'static str, FieldError)> {
    if rule.rule.is_empty() {
        return Err(("rule", FieldError::required("", "rule is not specified")));
    }
    let known = [
        FieldError::INVALID,
        FieldError::FORBIDDEN,
        FieldError::REQUIRED,
        FieldError::DUPLICATE,
    ];
    if let Some(reason) = &rule.reason
        && !known.contains(&reason.as_str())
    {
        let known = known.map(Value::from);
        let value = Value::from(reason.as_str());
        return Err(("reason", FieldError::not_supported("", &value, &known)));
    }
    let checked = |name: &'static str, source: &str| {
        let refuse = |detail: String| {
            let error = FieldError::invalid("", &Value::from(source), &detail);
            (name, error)
        };
        let program = library::environment()
            .compile(source)
            .map_err(|errors| refuse(format!("compilation failed: {errors}")))?;
        let mut checker = Checker {
            arena,
            root: root.then_some(id),
            scope: Vec::new(),
            this: id,
            old_optional: rule.optional_old_self,
            uses_old_self: false,
        };
        let result = checker
            .expression(program.expression())
            .map_err(|detail| refuse(format!("compilation failed: {detail}")))?;
        Ok((program, checker.uses_old_self, result))
    };
    let (program, uses_old_self, result) = checked("rule", &rule.rule)?;
    if let Type::Node(result) = result
        && !matches!(arena[result].kind, Kind::Boolean | Kind::Any)
    {
        let value = Value::from(rule.rule.as_str());
        let detail = "cel expression must evaluate to a bool";
        return Err(("rule", FieldError::invalid("", &value, detail)));
    }
    let message = match &rule.message_expression {
        Some(source) => Some(checked("messageExpression", source)?.0),
        None => None,
    };
    Ok(Compiled {
        rule: program,
        message,
        uses_old_self,
    })
}

/// What is known of an expression's value.
#[derive(Clone, Copy, Debug)]
enum Type {
    Node(NodeId),
    /// The metadata of the resource itself.
    Metadata,
    Unknown,
}

struct Checker<'a> {
    arena: &'a Arena,
    /// The schema of the whole resource, whose metadata rules see only in part.
    root: Option<NodeId>,
    scope: Vec<(String, Type)>,
    this: NodeId,
    old_optional: bool,
    uses_old_self: bool,
}

impl Checker<'_> {
    fn expression(&mut self, expression: &IdedExpr) -> Result<Type, String> {
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(Type::Unknown),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => {
                let operand = self.expression(&select.operand)?;
                let field = self.field(operand, &select.field)?;
                // `has(a.b)` is a question, not the field.
                Ok(if select.test { Type::Unknown } else { field })
            }
            Expr::Call(call) => {
                if let Some(target) = &call.target {
                    self.target(target, &call.func_name)?;
                } else {
                    known_function(&call.func_name)?;
                }
                let mut types = Vec::with_capacity(call.args.len());
                for arg in &call.args {
                    types.push(self.expression(arg)?);
                }
                if call.func_name == operators::INDEX
                    && let Some(Type::Node(list)) = types.first()
                {
                    return Ok(self.element(*list));
                }
                Ok(Type::Unknown)
            }
            Expr::Comprehension(loops) => {
                let range = self.expression(&loops.iter_range)?;
                self.expression(&loops.accu_init)?;
                let (first, second) = self.iteration(range, loops.iter_var2.is_some());
                let depth = self.scope.len();
                self.scope.push((loops.accu_var.clone(), Type::Unknown));
                self.scope.push((loops.iter_var.clone(), first));
                if let Some(name) = &loops.iter_var2 {
                    self.scope.push((name.clone(), second));
                }
                let inner = self
                    .expression(&loops.loop_cond)
                    .and_then(|_| self.expression(&loops.loop_step));
                self.scope.truncate(depth + 1);
                let outcome = inner.and_then(|_| self.expression(&loops.result));
                self.scope.truncate(depth);
                outcome?;
                Ok(Type::Unknown)
            }
            Expr::List(list) => {
                for element in &list.elements {
                    self.expression(element)?;
                }
                Ok(Type::Unknown)
            }
            Expr::Map(map) => self.entries(map.entries.iter().map(|entry| &entry.expr)),
            Expr::Struct(value) => self.entries(value.entries.iter().map(|entry| &entry.expr)),
        }
    }

    fn entries<'e>(
        &mut self,
        entries: impl Iterator<Item = &'e EntryExpr>,
    ) -> Result<Type, String> {
        for entry in entries {
            match entry {
                EntryExpr::StructField(field) => {
                    self.expression(&field.value)?;
                }
                EntryExpr::MapEntry(entry) => {
                    self.expression(&entry.key)?;
                    self.expression(&entry.value)?;
                }
            }
        }
        Ok(Type::Unknown)
    }

    /// The receiver of a call, or the namespace of a function.
    fn target(&mut self, target: &IdedExpr, function: &str) -> Result<(), String> {
        if let Expr::Ident(namespace) = &target.expr
            && known_function(&format!("{namespace}.{function}")).is_ok()
        {
            return Ok(());
        }
        known_function(function)?;
        self.expression(target).map(|_| ())
    }

    fn variable(&mut self, name: &str) -> Result<Type, String> {
        if let Some((_, bound)) = self.scope.iter().rev().find(|(bound, _)| bound == name) {
            return Ok(*bound);
        }
        match name {
            "self" => Ok(Type::Node(self.this)),
            "oldSelf" => {
                self.uses_old_self = true;
                Ok(if self.old_optional {
                    Type::Unknown
                } else {
                    Type::Node(self.this)
                })
            }
            // Variables of the macros start with an at sign.
            _ if name.starts_with('@') || library::TYPES.contains(&name) => Ok(Type::Unknown),
            _ => Err(format!("undeclared reference to '{name}'")),
        }
    }

    fn field(&self, operand: Type, name: &str) -> Result<Type, String> {
        let id = match operand {
            Type::Node(id) => id,
            Type::Metadata if !METADATA.contains(&name) => {
                return Err(format!("undefined field '{name}'"));
            }
            Type::Metadata | Type::Unknown => return Ok(Type::Unknown),
        };
        let node = &self.arena[id];
        if let Some((original, property)) = node
            .properties
            .iter()
            .find(|(property, _)| escape(property) == name)
        {
            return Ok(if self.root == Some(id) && original == "metadata" {
                Type::Metadata
            } else {
                Type::Node(property.node)
            });
        }
        match (node.kind, node.additional) {
            (Kind::Object, Additional::Node(value)) => Ok(Type::Node(value)),
            (_, Additional::Any) | (Kind::Any, _) => Ok(Type::Unknown),
            (Kind::Object, Additional::None) => Err(format!("undefined field '{name}'")),
            _ => Err(format!("type does not support field selection of '{name}'")),
        }
    }

    fn element(&self, list: NodeId) -> Type {
        let node = &self.arena[list];
        match (node.items, node.additional) {
            (Some(item), _) => Type::Node(item),
            (None, Additional::Node(value)) => Type::Node(value),
            _ => Type::Unknown,
        }
    }

    /// The types of the loop variables. With one, maps are walked by key.
    fn iteration(&self, range: Type, two: bool) -> (Type, Type) {
        let Type::Node(id) = range else {
            return (Type::Unknown, Type::Unknown);
        };
        let list = self.arena[id].kind == Kind::Array;
        match (list, two) {
            (true, false) => (self.element(id), Type::Unknown),
            (_, true) => (Type::Unknown, self.element(id)),
            (false, false) => (Type::Unknown, Type::Unknown),
        }
    }
}

fn known_function(name: &str) -> Result<(), String> {
    let operator = name.starts_with('@') || name.contains('_') || name.starts_with(['!', '-']);
    if operator || library::FUNCTIONS.contains(&name) {
        return Ok(());
    }
    Err(format!(
        "undeclared reference to '{name}' (no such function)"
    ))
}
