//! Reading: get and list, with selectors and pages.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Api;
use super::error::ApiError;
use super::request::{ListOptions, Revision};
use super::resources::Resource;
use super::selectors::{Selector, position};
use super::store::{Key, Listing, StoreError, Stored};

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<Arc<Stored>>,
    /// The metadata of the list: revision, continue token, how many remain.
    pub(crate) metadata: Map<String, Value>,
}

/// Where the next page goes on. Clients must not look into it.
#[derive(Debug, Serialize, Deserialize)]
struct Continue {
    /// The revision of the first page; nothing after an expired token was renewed.
    rv: Option<u64>,
    /// The last object that was sent.
    after: (String, String),
}

impl Continue {
    fn encode(&self) -> String {
        // Two strings and a number always encode.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn decode(token: &str) -> Result<Self, ApiError> {
        URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or_else(|| ApiError::BadRequest("continue key is not valid".into()))
    }
}

impl Api {
    pub(crate) fn get(&self, resource: &Resource, key: &Key) -> Result<Arc<Stored>, ApiError> {
        self.store
            .get(&resource.collection, key)
            .ok_or_else(|| resource.not_found(&key.name))
    }

    pub(crate) fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<Page, ApiError> {
        if options.send_initial_events {
            return Err(initial_events_refused());
        }
        let selector = Selector::parse(resource, options)?;
        let token = options
            .continue_token
            .as_deref()
            .map(Continue::decode)
            .transpose()?;
        if token.is_some()
            && options.revision != Revision::Unset
            && options.revision != Revision::Any
        {
            return Err(ApiError::BadRequest(
                "specifying resource version is not allowed when using continue".into(),
            ));
        }
        let listing = self.listing(resource, namespace, options, token.as_ref(), &selector)?;
        let start = token.as_ref().map_or(0, |t| {
            listing
                .items
                .partition_point(|o| position(&o.value) <= t.after)
        });
        let limit = options.limit.unwrap_or(usize::MAX);
        let mut items = Vec::new();
        let mut rest = listing.items[start..].iter();
        let mut more = false;
        for object in rest.by_ref() {
            if !selector.matches(&object.value) {
                continue;
            }
            if items.len() == limit {
                more = true;
                break;
            }
            items.push(Arc::clone(object));
        }
        let mut metadata = Map::new();
        metadata.insert("resourceVersion".into(), json!(listing.rv.to_string()));
        if let (true, Some(last)) = (more, items.last()) {
            let next = Continue {
                rv: Some(listing.rv),
                after: position(&last.value),
            };
            metadata.insert("continue".into(), json!(next.encode()));
            if selector.is_empty() {
                metadata.insert("remainingItemCount".into(), json!(rest.len() + 1));
            }
        }
        Ok(Page { items, metadata })
    }

    fn listing(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        options: &ListOptions,
        token: Option<&Continue>,
        selector: &Selector,
    ) -> Result<Listing, ApiError> {
        let collection = resource.collection.as_str();
        match (token, options.revision) {
            (Some(Continue { rv: Some(rv), after }), _) => self
                .store
                .list_at(collection, namespace, *rv)
                .map_err(|e| match e {
                    // The page can go on at the newest state, if the client wants that.
                    StoreError::Expired { .. } => ApiError::Expired {
                        message: "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results.".into(),
                        continue_token: Some(Continue { rv: None, after: after.clone() }.encode()),
                    },
                    other => other.into(),
                }),
            (None, Revision::At(rv)) if options.exact => {
                Ok(self.store.list_at(collection, namespace, rv)?)
            }
            (None, Revision::Any | Revision::Unset) if options.exact => {
                Err(ApiError::invalid_option(
                    "ListOptions",
                    "resourceVersionMatch",
                    "FieldValueForbidden",
                    "Forbidden: resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\" or unset",
                ))
            }
            (_, revision) => {
                let listing = match (selector.name(), namespace, resource.namespaced) {
                    // One object by name, as `kubectl get NAME -w` and `wait` ask, needs no scan.
                    (Some(name), ns, namespaced) if ns.is_some() || !namespaced => {
                        let rv = self.store.rv();
                        let key = Key::new(ns.unwrap_or(""), name);
                        let items = self.store.get(collection, &key).into_iter().collect();
                        Listing { items, rv }
                    }
                    _ => self.store.list(collection, namespace),
                };
                match revision {
                    Revision::At(rv) if rv > listing.rv => Err(StoreError::Future {
                        requested: rv,
                        current: listing.rv,
                    }
                    .into()),
                    _ => Ok(listing),
                }
            }
        }
    }
}

/// Streaming lists are a feature that this server does not have; to ignore the option would leave
/// the client waiting for a bookmark that never comes.
pub(crate) fn initial_events_refused() -> ApiError {
    ApiError::invalid_option(
        "ListOptions",
        "sendInitialEvents",
        "FieldValueForbidden",
        "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
    )
}
