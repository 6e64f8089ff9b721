//! Who asks, and what they may do: bearer tokens of fixed users with fixed policies.

mod policy;
mod reviews;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, header};
use rand::RngExt as _;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub(crate) use policy::{Attributes, Policy};

use super::error::{ApiError, Subject};

/// Someone who may use the API.
#[derive(Debug)]
pub struct User {
    /// The name, as `kubectl auth whoami` shows it.
    pub name: &'static str,
    /// The groups.
    pub groups: &'static [&'static str],
    policy: Policy,
}

impl User {
    /// Whether this user may do that.
    pub(crate) fn may(&self, attributes: &Attributes<'_>) -> bool {
        self.policy.allows(attributes)
    }

    /// Refuses what this user may not do, in the words of upstream.
    pub(crate) fn require(&self, attributes: &Attributes<'_>) -> Result<(), ApiError> {
        if self.may(attributes) {
            return Ok(());
        }
        let Attributes {
            verb,
            group,
            resource,
            subresource,
            namespace,
            name,
            path,
        } = attributes;
        let subject = Subject {
            group: (*group).to_owned(),
            resource: (*resource).to_owned(),
            kind: String::new(),
            name: name.unwrap_or("").to_owned(),
        };
        let user = self.name;
        let message = if resource.is_empty() {
            format!("forbidden: User \"{user}\" cannot {verb} path \"{path}\"")
        } else {
            let qualified = if group.is_empty() {
                (*resource).to_owned()
            } else {
                format!("{resource}.{group}")
            };
            let named = name.map(|n| format!(" \"{n}\"")).unwrap_or_default();
            let sub = subresource.map(|s| format!("/{s}")).unwrap_or_default();
            let scope = match namespace {
                Some(ns) => format!("in the namespace \"{ns}\""),
                None => "at the cluster scope".to_owned(),
            };
            format!(
                "{qualified}{named} is forbidden: User \"{user}\" cannot {verb} resource \"{resource}{sub}\" in API group \"{group}\" {scope}"
            )
        };
        Err(ApiError::Forbidden {
            subject: Box::new(subject),
            message,
            cause: None,
        })
    }
}

/// The users and their tokens.
#[derive(Debug)]
pub(crate) struct Authenticator {
    /// By the hash of the token, so that the time of a lookup says nothing about tokens.
    by_token: HashMap<[u8; 32], Arc<User>>,
    anonymous: Arc<User>,
    tokens: HashMap<&'static str, String>,
}

impl Authenticator {
    /// Reads the tokens of a data folder, making those that are missing.
    pub(crate) fn load(file: &Path, task_namespaces: &[String]) -> std::io::Result<Self> {
        let saved: Map<String, Value> = match std::fs::read(file) {
            Ok(json) => serde_json::from_slice(&json)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(e) => return Err(e),
        };
        let mut tokens = HashMap::new();
        let mut by_token = HashMap::new();
        for user in policy::users(task_namespaces) {
            let token = match saved.get(user.name).and_then(Value::as_str) {
                Some(token) => token.to_owned(),
                None => new_token(),
            };
            tokens.insert(user.name, token.clone());
            by_token.insert(hash(&token), Arc::new(user));
        }
        super::files::write_private(file, &serde_json::to_vec_pretty(&tokens)?)?;
        Ok(Self {
            by_token,
            anonymous: Arc::new(policy::anonymous()),
            tokens,
        })
    }

    /// The token of a user, for kubeconfig files.
    pub(crate) fn token(&self, user: &str) -> Option<&str> {
        self.tokens.get(user).map(String::as_str)
    }

    /// Who sends a request. A wrong token is refused; none at all is anonymous.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<User>, ApiError> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Ok(Arc::clone(&self.anonymous));
        };
        let token = value
            .to_str()
            .ok()
            .and_then(|v| v.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or(ApiError::Unauthorized)?;
        self.by_token
            .get(&hash(token))
            .cloned()
            .ok_or(ApiError::Unauthorized)
    }

    /// Requests without a token get only what needs no user; 401 tells clients to send one.
    pub(crate) fn is_anonymous(&self, user: &Arc<User>) -> bool {
        Arc::ptr_eq(user, &self.anonymous)
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn new_token() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    hex::encode(bytes)
}
