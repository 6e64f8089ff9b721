//! Paths of resources.

use std::sync::Arc;

use http::Method;

use super::Query;
use crate::api::error::ApiError;
use crate::api::resources::{Resource, Served};

/// A path below `/api` or `/apis` that names a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: Option<String>,
    pub(crate) plural: String,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl ResourcePath {
    /// Takes a path apart; nothing when it does not name a resource.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let mut parts = path.split('/').filter(|p| !p.is_empty());
        let (group, version) = match parts.next()? {
            "api" => ("", parts.next()?),
            "apis" => (parts.next()?, parts.next()?),
            _ => return None,
        };
        let rest: Vec<String> = parts.map(decode).collect();
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        // "namespaces/x" and its subresources are about the namespace itself.
        let (namespace, tail) = match rest.as_slice() {
            ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => (None, &rest[..]),
            ["namespaces", ns, tail @ ..] if !tail.is_empty() => (Some((*ns).to_owned()), tail),
            tail => (None, tail),
        };
        let (plural, name, subresource) = match tail {
            [plural] => (plural, None, None),
            [plural, name] => (plural, Some(name), None),
            [plural, name, sub] => (plural, Some(name), Some(sub)),
            _ => return None,
        };
        let owned = |s: &&str| (*s).to_owned();
        Some(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            namespace,
            plural: owned(plural),
            name: name.map(owned),
            subresource: subresource.map(owned),
        })
    }

    /// The resource, when it is served and the scope of the path fits.
    pub(crate) fn resolve(&self, served: &Served) -> Result<Arc<Resource>, ApiError> {
        let resource = served
            .find(&self.group, &self.version, &self.plural)
            .ok_or(ApiError::NoSuchPath)?;
        let fits = match (&self.namespace, resource.namespaced) {
            (Some(_), namespaced) => namespaced,
            // A namespaced object has no path without its namespace.
            (None, true) => self.name.is_none(),
            (None, false) => true,
        };
        if fits {
            Ok(resource)
        } else {
            Err(ApiError::NoSuchPath)
        }
    }

    /// The verb of RBAC.
    pub(crate) fn verb(&self, method: &Method, query: &Query) -> &'static str {
        match (method.as_str(), self.name.is_some()) {
            ("GET" | "HEAD", true) => "get",
            ("GET" | "HEAD", false) if query.flag("watch") => "watch",
            ("GET" | "HEAD", false) => "list",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", true) => "delete",
            ("DELETE", false) => "deletecollection",
            _ => "",
        }
    }
}

fn decode(part: &str) -> String {
    // `form_urlencoded` would turn "+" into a space, which is a letter like others in a path.
    let escaped = part.replace('+', "%2B");
    url::form_urlencoded::parse(escaped.as_bytes())
        .next()
        .map(|(k, _)| k.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let parse = |p| ResourcePath::parse(p).unwrap();
        let pod = parse("/api/v1/namespaces/a/pods/b/status");
        assert_eq!(pod.namespace.as_deref(), Some("a"));
        assert_eq!(
            (pod.plural.as_str(), pod.name.as_deref()),
            ("pods", Some("b"))
        );
        assert_eq!(pod.subresource.as_deref(), Some("status"));
        let namespace = parse("/api/v1/namespaces/a/status");
        assert_eq!(
            (namespace.plural.as_str(), namespace.name.as_deref()),
            ("namespaces", Some("a"))
        );
        assert_eq!(namespace.subresource.as_deref(), Some("status"));
        let list = parse("/apis/g.io/v1/namespaces/a/widgets");
        assert_eq!(
            (list.group.as_str(), list.plural.as_str(), list.name),
            ("g.io", "widgets", None)
        );
        assert_eq!(ResourcePath::parse("/apis/g.io/v1"), None);
        assert_eq!(ResourcePath::parse("/api/v1/pods/a/b/c"), None);
    }

    #[test]
    fn plus_is_a_letter_in_paths() {
        assert_eq!(decode("a+b%2Fc"), "a+b/c");
    }
}
