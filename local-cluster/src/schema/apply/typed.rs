//! Values with their schema, as server-side apply sees them: scalars, lists and maps, some of
//! them atomic.

use serde_json::Value;

use super::set::{Element, Set};
use crate::schema::arena::{Additional, Arena, Kind, ListKind, Node, NodeId};
use crate::schema::structural::Schema;
use crate::schema::validate::list_key;

/// The type of a value.
#[derive(Clone, Copy)]
pub(super) enum Type<'a> {
    /// No schema: maps are granular, lists atomic.
    Deduced,
    Known(&'a Arena, NodeId),
}

/// What a type and a value together amount to.
#[derive(Clone, Copy)]
pub(super) enum Atom<'a> {
    Scalar,
    List(ListType<'a>),
    Map(MapType<'a>),
}

#[derive(Clone, Copy)]
pub(super) struct ListType<'a> {
    node: Option<(&'a Arena, &'a Node)>,
}

#[derive(Clone, Copy)]
pub(super) struct MapType<'a> {
    node: Option<(&'a Arena, &'a Node)>,
}

/// Which of the three an atom is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar,
    List,
    Map,
}

impl<'a> Type<'a> {
    pub(super) fn of(schema: Option<&'a Schema>) -> Self {
        schema.map_or(Self::Deduced, |s| Self::Known(&s.arena, s.root))
    }

    fn node(self) -> Option<(&'a Arena, &'a Node)> {
        match self {
            Self::Deduced => None,
            Self::Known(arena, id) => Some((arena, &arena[id])),
        }
    }

    /// The shape that the type asks for, whatever the value.
    fn fixed(self) -> Option<Shape> {
        match self.node()?.1.kind {
            Kind::Any => None,
            Kind::Object => Some(Shape::Map),
            Kind::Array => Some(Shape::List),
            Kind::String
            | Kind::Integer
            | Kind::Number
            | Kind::Boolean
            | Kind::IntOrString
            | Kind::Quantity => Some(Shape::Scalar),
        }
    }

    pub(super) fn atom(self, shape: Shape) -> Atom<'a> {
        let node = self.node();
        match shape {
            Shape::Scalar => Atom::Scalar,
            Shape::List => Atom::List(ListType { node }),
            Shape::Map => Atom::Map(MapType { node }),
        }
    }

    /// The shape of a value of this type; None for null, which takes every shape.
    pub(super) fn shape(self, value: &Value) -> Option<Shape> {
        if let Some(shape) = self.fixed() {
            return Some(shape);
        }
        match value {
            Value::Null => None,
            Value::Array(_) => Some(Shape::List),
            Value::Object(_) => Some(Shape::Map),
            _ => Some(Shape::Scalar),
        }
    }

    /// The atom for one value; null without a type counts as a map, as upstream has it.
    pub(super) fn atom_of(self, value: &Value) -> Atom<'a> {
        self.atom(self.shape(value).unwrap_or(Shape::Map))
    }
}

impl<'a> MapType<'a> {
    pub(super) fn is_atomic(self) -> bool {
        self.node.is_some_and(|(_, node)| node.atomic_map)
    }

    /// Whether a field is named in the schema.
    pub(super) fn is_declared(self, name: &str) -> bool {
        self.node
            .is_some_and(|(_, node)| node.properties.contains_key(name))
    }

    /// The type of a field; None when the schema does not have it.
    pub(super) fn field(self, name: &str) -> Option<Type<'a>> {
        let Some((arena, node)) = self.node else {
            return Some(Type::Deduced);
        };
        if let Some(id) = node.field(name) {
            return Some(Type::Known(arena, id));
        }
        let free = node.kind == Kind::Any
            || node.preserve_unknown
            || node.additional == Additional::Any
            || node.properties.is_empty();
        free.then_some(Type::Deduced)
    }

    /// The type of a field, deduced where the schema does not have it.
    pub(super) fn field_or_deduced(self, name: &str) -> Type<'a> {
        self.field(name).unwrap_or(Type::Deduced)
    }
}

impl<'a> ListType<'a> {
    pub(super) fn is_atomic(self) -> bool {
        self.node
            .is_none_or(|(_, node)| node.list == ListKind::Atomic)
    }

    pub(super) fn item(self) -> Type<'a> {
        self.node
            .and_then(|(arena, node)| Some(Type::Known(arena, node.items?)))
            .unwrap_or(Type::Deduced)
    }

    /// What tells an item from the others.
    ///
    /// # Errors
    /// In words, when the item has no key or is of the wrong kind.
    pub(super) fn element(self, item: &Value) -> Result<Element, String> {
        let Some((arena, node)) = self.node else {
            return Err("invalid indexing of non-associative list".into());
        };
        match &node.list {
            ListKind::Atomic => Err("invalid indexing of non-associative list".into()),
            ListKind::Set if item.is_null() => {
                Err("associative list without keys has an element that's an explicit null".into())
            }
            ListKind::Set => Ok(Element::value(item)),
            ListKind::Map(_) if item.is_null() => {
                Err("associative list with keys may not have a null element".into())
            }
            ListKind::Map(_) if !item.is_object() => {
                Err("associative list with keys may not have non-map elements".into())
            }
            ListKind::Map(keys) => match list_key(arena, node, keys, item) {
                Some(key) => Ok(Element::key(&key)),
                None => {
                    let missing = keys.iter().find(|key| item.get(key.as_str()).is_none());
                    Err(format!(
                        "associative list with keys has an element that omits key field {:?} \
                         (and doesn't have default value)",
                        missing.map(String::as_str).unwrap_or_default()
                    ))
                }
            },
        }
    }
}

/// Adds the named fields on the way to every member: a set of `a.b.c` also has `a` and `a.b` then,
/// where these are fields of the schema, not keys of a map.
pub(super) fn with_named_fields(set: &Set, of: Type<'_>) -> Set {
    let mut out: Set = set.members().cloned().collect();
    for (element, below) in set.children() {
        let (declared, child) = child_type(of, element);
        if declared {
            out.insert(element.clone());
        }
        out.insert_below(element.clone(), with_named_fields(below, child));
    }
    out
}

/// Rewrites a set that was recorded when a list or map of the schema was not atomic yet.
pub(super) fn reconciled(set: &Set, of: Type<'_>) -> Set {
    let mut out: Set = set.members().cloned().collect();
    for (element, below) in set.children() {
        let (_, child) = child_type(of, element);
        let atomic = match child.fixed().map(|shape| child.atom(shape)) {
            Some(Atom::List(list)) => list.is_atomic(),
            Some(Atom::Map(map)) => map.is_atomic(),
            Some(Atom::Scalar) | None => false,
        };
        if atomic {
            out.insert(element.clone());
        } else {
            out.insert_below(element.clone(), reconciled(below, child));
        }
    }
    out
}

/// The type below an element, and whether it is a named field.
fn child_type<'a>(of: Type<'a>, element: &Element) -> (bool, Type<'a>) {
    let shape = of.fixed();
    match (element.field_name(), shape) {
        (Some(name), Some(Shape::Map) | None) => {
            let Atom::Map(map) = of.atom(Shape::Map) else {
                return (false, Type::Deduced);
            };
            (map.is_declared(name), map.field_or_deduced(name))
        }
        (None, Some(Shape::List)) => {
            let Atom::List(list) = of.atom(Shape::List) else {
                return (false, Type::Deduced);
            };
            (false, list.item())
        }
        _ => (false, Type::Deduced),
    }
}
