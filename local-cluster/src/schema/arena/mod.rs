//! Schemas in the form that all walks use: nodes in an arena, so that the recursive ones
//! (`JSONSchemaProps`) need no reference counting.

mod build;

use indexmap::IndexMap;
use regex::Regex;
use serde_json::Value;

use crate::schema::cel::Rule;
use crate::schema::format::Format;

pub(crate) use build::{Builder, is_int_or_string, strings};

/// Index of a node in its arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(usize);

/// The nodes of one or more schemas.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    nodes: Vec<Node>,
}

impl std::ops::Index<NodeId> for Arena {
    type Output = Node;

    fn index(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }
}

impl Arena {
    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0]
    }
}

/// What a value may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything: no type is given.
    #[default]
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    /// `x-kubernetes-int-or-string`.
    IntOrString,
    /// A quantity of the built-in API: a string, or a number that becomes one.
    Quantity,
}

/// What stands for the fields that are not listed as properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Additional {
    #[default]
    None,
    Any,
    Node(NodeId),
}

/// Who owns what of a list, and how its items are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListKind {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

/// How a strategic merge patch treats a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PatchMeta {
    pub(crate) merge: bool,
    pub(crate) replace: bool,
    pub(crate) merge_key: Option<String>,
}

/// A field of an object.
#[derive(Clone, Debug)]
pub(crate) struct Property {
    pub(crate) node: NodeId,
    pub(crate) default: Option<Value>,
}

/// The schema of one value.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    pub(crate) preserve_unknown: bool,
    pub(crate) embedded: bool,
    pub(crate) properties: IndexMap<String, Property>,
    pub(crate) additional: Additional,
    pub(crate) items: Option<NodeId>,
    pub(crate) list: ListKind,
    pub(crate) atomic_map: bool,
    pub(crate) patch: PatchMeta,
    pub(crate) checks: Checks,
    pub(crate) rules: Vec<Rule>,
}

impl Node {
    /// The schema of a field, and whether it is a listed property.
    pub(crate) fn field(&self, name: &str) -> Option<NodeId> {
        self.properties
            .get(name)
            .map(|property| property.node)
            .or(match self.additional {
                Additional::Node(id) => Some(id),
                Additional::None | Additional::Any => None,
            })
    }
}

/// The value validations of a node.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    pub(crate) required: Vec<String>,
    pub(crate) enumeration: Vec<Value>,
    pub(crate) pattern: Option<Regex>,
    pub(crate) format: Option<Format>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) exclusive_maximum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
    pub(crate) all_of: Vec<NodeId>,
    pub(crate) any_of: Vec<NodeId>,
    pub(crate) one_of: Vec<NodeId>,
    pub(crate) not: Option<NodeId>,
}
