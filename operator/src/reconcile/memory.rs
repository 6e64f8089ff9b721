//! What passes remember. Nothing of it is needed to go on after a restart; it saves calls and bridges the moment between
//! a write and its arrival in the caches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use codex_crds::CodexTask;
use jiff::{SignedDuration, Timestamp};

use crate::domain::outcome::Outcome;
use crate::domain::pod::later;

/// The longest pause between two Pods of a task that did not start.
const LAST_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// What is remembered about one task.
#[derive(Default)]
pub(super) struct Memory {
    /// Its id.
    pub id: String,
    /// The task as the last write left it.
    pub latest: Option<Arc<CodexTask>>,
    /// The UID of its Pod.
    pub pod_uid: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When that became known.
    pub concluded_at: Option<Timestamp>,
    /// Why the Pod could not be created the last time.
    pub last_error: Option<String>,
    /// When the Pod may be created again.
    pub not_before: Option<Timestamp>,
    /// Whether a refusal of the Pod is for good.
    pub is_refused: bool,
    /// How often a Pod was tried.
    pub attempts: u32,
    /// When the token of a Pod that waits has to be replaced.
    pub renewal_due: Option<Timestamp>,
    /// Whether the time limit of the Pod has been lowered.
    pub is_deadline_lowered: bool,
    /// Whether Pod and Secret are deleted.
    pub is_cleaned_up: bool,
    /// How many passes in a row failed.
    pub errors: u32,
}

impl Memory {
    /// Lets the next Pod wait: a second, and twice as long each time, up to a minute.
    pub fn back_off(&mut self) {
        let pause = SignedDuration::from_secs(1 << self.attempts.min(6)).min(LAST_PAUSE);
        self.attempts = self.attempts.saturating_add(1);
        self.not_before = Some(later(Timestamp::now(), pause));
    }

    /// The newer one of what the cache has and what the last write left. Versions are compared as numbers, which Kubernetes
    /// permits since 1.35 and every server has always used; where they are none, the cache wins.
    pub fn newest(&mut self, cached: &Arc<CodexTask>) -> Arc<CodexTask> {
        let version = |task: &CodexTask| {
            task.metadata
                .resource_version
                .as_deref()
                .and_then(|version| version.parse::<u64>().ok())
        };
        match &self.latest {
            Some(latest) if version(latest) > version(cached) => Arc::clone(latest),
            _ => {
                self.latest = None;
                Arc::clone(cached)
            }
        }
    }
}

/// What is remembered about all tasks, by UID.
#[derive(Default)]
pub struct Memories(Mutex<HashMap<String, Memory>>);

impl Memories {
    pub(super) fn with<T>(&self, uid: &str, use_it: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memories = self.lock();
        if let Some(memory) = memories.get_mut(uid) {
            return use_it(memory);
        }
        use_it(memories.entry(uid.to_owned()).or_default())
    }

    /// Forgets the tasks for which `is_gone` says yes; answers with their ids and the UIDs of their Pods.
    pub fn forget(&self, is_gone: impl Fn(&str) -> bool) -> Vec<(String, Option<String>)> {
        self.lock()
            .extract_if(|uid, _| is_gone(uid))
            .map(|(_, memory)| (memory.id, memory.pod_uid))
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(version: &str) -> Arc<CodexTask> {
        let mut task = CodexTask::default();
        task.metadata.resource_version = Some(version.into());
        Arc::new(task)
    }

    #[test]
    fn the_newer_object_wins() {
        let mut memory = Memory {
            latest: Some(task("10")),
            ..Memory::default()
        };
        let seen = memory.newest(&task("9"));
        assert_eq!(seen.metadata.resource_version.as_deref(), Some("10"));
        let seen = memory.newest(&task("11"));
        assert_eq!(seen.metadata.resource_version.as_deref(), Some("11"));
        assert!(memory.latest.is_none());
    }
}
