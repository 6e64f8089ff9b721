//! The scheduler: puts Pods on a node that is ready.
//!
//! It looks at node selector, taints, readiness and the number of Pods, not at CPU and memory: the
//! machine belongs to one user, whose tasks may share it more tightly than their requests add up to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::RETRY;
use super::events::{Note, record};
use super::feed::{Change, Feed};
use super::gc::ignore_missing;
use crate::api::Api;
use crate::api::error::ApiError;
use crate::api::object::{is_deleting, list, name, set_condition, text};
use crate::api::selectors::has_labels;
use crate::api::store::{Event, Key, Stored};
use crate::api::write::{Part, Target};

pub(super) async fn run(api: Arc<Api>) {
    let mut scheduler = Scheduler {
        api: Arc::clone(&api),
        waiting: BTreeSet::new(),
        placed: BTreeMap::new(),
        nodes: BTreeMap::new(),
    };
    let mut feed = Feed::new(&api, Some(&["nodes", "pods"]));
    while let Some(change) = feed.next().await {
        scheduler.observe(change);
        if let Err(error) = scheduler.work().await {
            tracing::warn!(%error, "scheduling failed; trying again");
            feed.reset();
            tokio::select! {
                () = api.shutdown.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }
}

struct Scheduler {
    api: Arc<Api>,
    waiting: BTreeSet<Key>,
    /// The node of each Pod that takes up a place.
    placed: BTreeMap<Key, String>,
    nodes: BTreeMap<String, Arc<Stored>>,
}

fn wants_node(pod: &Value) -> bool {
    text(pod, "/spec/nodeName").is_empty()
        && !is_deleting(pod)
        && text(pod, "/spec/schedulerName") == "default-scheduler"
        && list(pod, "/spec/schedulingGates").is_empty()
        && !has_ended(pod)
}

fn has_ended(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

impl Scheduler {
    fn observe(&mut self, change: Change) {
        match change {
            Change::Resync(objects) => {
                self.waiting.clear();
                self.placed.clear();
                self.nodes.clear();
                for (collection, object) in objects {
                    self.see(&collection, &object, false);
                }
            }
            Change::Events(events) => {
                for (
                    collection,
                    Event {
                        object, removed, ..
                    },
                ) in events
                {
                    self.see(&collection, &object, removed);
                }
            }
        }
    }

    fn see(&mut self, collection: &str, object: &Arc<Stored>, removed: bool) {
        let value = &object.value;
        if collection == "nodes" {
            if removed {
                self.nodes.remove(name(value));
            } else {
                self.nodes
                    .insert(name(value).to_owned(), Arc::clone(object));
            }
            return;
        }
        let key = Key::of(value);
        self.waiting.remove(&key);
        self.placed.remove(&key);
        if removed {
            return;
        }
        let node = text(value, "/spec/nodeName");
        if wants_node(value) {
            self.waiting.insert(key);
        } else if !node.is_empty() && !has_ended(value) {
            self.placed.insert(key, node.to_owned());
        }
    }

    async fn work(&mut self) -> Result<(), ApiError> {
        let Some(pods) = self.api.catalog.served().find("", "v1", "pods") else {
            return Ok(());
        };
        for key in self.waiting.clone() {
            let Some(pod) = self.api.store.get("pods", &key) else {
                continue;
            };
            if !wants_node(&pod.value) {
                continue;
            }
            match self.choose(&pod.value) {
                Ok(node) => {
                    match self.api.bind(&pods, &key, &node).await {
                        Ok(()) => {}
                        // Bound by someone else or deleted: its own event says so.
                        Err(ApiError::NotFound(_) | ApiError::Conflict { .. }) => continue,
                        Err(other) => return Err(other),
                    }
                    self.placed.insert(key.clone(), node.clone());
                    let message = format!(
                        "Successfully assigned {}/{} to {node}",
                        key.namespace, key.name
                    );
                    self.note(&pod.value, "Normal", "Scheduled", message).await;
                }
                Err(why) => {
                    let target = Target::new(&pods, &key.namespace, &key.name, Part::Internal);
                    self.mark_unschedulable(&target, &pod.value, why).await?;
                }
            }
        }
        Ok(())
    }

    /// A node that can take the Pod, or why there is none.
    fn choose(&self, pod: &Value) -> Result<String, String> {
        let mut reasons = BTreeMap::new();
        for node in self.nodes.values() {
            match self.refusal(&node.value, pod) {
                None => return Ok(name(&node.value).to_owned()),
                Some(reason) => *reasons.entry(reason).or_insert(0) += 1,
            }
        }
        let reasons: Vec<String> = reasons.iter().map(|(r, n)| format!("{n} {r}")).collect();
        let why = if reasons.is_empty() {
            "no nodes available to schedule pods".to_owned()
        } else {
            format!("{}.", reasons.join(", "))
        };
        Err(format!("0/{} nodes are available: {why}", self.nodes.len()))
    }

    fn refusal(&self, node: &Value, pod: &Value) -> Option<&'static str> {
        let ready = list(node, "/status/conditions")
            .iter()
            .any(|c| text(c, "/type") == "Ready" && text(c, "/status") == "True");
        let capacity = node.pointer("/status/allocatable/pods").and_then(|p| {
            p.as_u64()
                .or_else(|| p.as_str().and_then(|s| s.parse().ok()))
        });
        let placed = self.placed.values().filter(|n| *n == name(node)).count() as u64;
        let tolerations = list(pod, "/spec/tolerations");
        let untolerated = list(node, "/spec/taints").iter().any(|t| {
            text(t, "/effect") != "PreferNoSchedule" && !tolerations.iter().any(|x| tolerates(x, t))
        });
        if !ready {
            Some("node(s) were not ready")
        } else if node.pointer("/spec/unschedulable") == Some(&json!(true)) {
            Some("node(s) were unschedulable")
        } else if untolerated {
            Some("node(s) had untolerated taint")
        } else if !has_labels(node, &pod["spec"]["nodeSelector"]) {
            Some("node(s) didn't match Pod's node affinity/selector")
        } else if capacity.is_some_and(|max| placed >= max) {
            Some("Too many pods")
        } else {
            None
        }
    }

    async fn mark_unschedulable(
        &self,
        target: &Target,
        pod: &Value,
        message: String,
    ) -> Result<(), ApiError> {
        let known = list(pod, "/status/conditions")
            .iter()
            .any(|c| text(c, "/type") == "PodScheduled" && text(c, "/message") == message);
        if known {
            return Ok(());
        }
        let edit = |object: &mut Value| {
            if text(object, "/spec/nodeName").is_empty() {
                let condition = json!({
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": message,
                });
                set_condition(object, condition, Timestamp::now());
            }
            Ok(())
        };
        ignore_missing(self.api.edit(target, edit).await)?;
        self.note(pod, "Warning", "FailedScheduling", message.clone())
            .await;
        Ok(())
    }

    async fn note(&self, about: &Value, kind: &'static str, reason: &'static str, message: String) {
        let note = Note {
            about,
            component: "default-scheduler",
            kind,
            reason,
            message,
        };
        record(&self.api, note).await;
    }
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let (key, effect) = (text(toleration, "/key"), text(toleration, "/effect"));
    let exists = text(toleration, "/operator") == "Exists";
    (effect.is_empty() || effect == text(taint, "/effect"))
        && (key == text(taint, "/key") || (key.is_empty() && exists))
        && (exists || text(toleration, "/value") == text(taint, "/value"))
}
