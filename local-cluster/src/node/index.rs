//! Which Pods the node has, by name: what the logs endpoint asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

/// Pods by namespace and name. Cheap to clone; clones share the content.
#[derive(Clone, Debug, Default)]
pub struct PodIndex(Arc<Mutex<BTreeMap<(String, String), String>>>);

impl PodIndex {
    /// Adds a Pod, or replaces one of the same name.
    pub fn insert(&self, pod: &Pod) {
        if let Some(uid) = pod.uid() {
            self.lock()
                .insert((pod.namespace().unwrap_or_default(), pod.name_any()), uid);
        }
    }

    /// Removes a Pod.
    pub fn remove(&self, uid: &str) {
        self.lock().retain(|_, present| present != uid);
    }

    /// The uid of a Pod.
    pub fn uid(&self, namespace: &str, name: &str) -> Option<String> {
        self.lock()
            .get(&(namespace.to_owned(), name.to_owned()))
            .cloned()
    }

    /// All uids.
    pub fn uids(&self) -> Vec<String> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), String>> {
        // A map that is changed by one call at a time is never left half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
