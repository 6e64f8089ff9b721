//! How many requests each task has under way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts the requests of each task. A task without requests takes no memory.
#[derive(Debug)]
pub(crate) struct TaskLimits {
    limit: usize,
    counts: Mutex<HashMap<String, usize>>,
}

/// One request under way; dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Permit {
    limits: Arc<TaskLimits>,
    task: String,
}

impl TaskLimits {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            counts: Mutex::default(),
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn acquire(self: &Arc<Self>, task: &str) -> Option<Permit> {
        let mut counts = self.counts();
        let count = counts.get(task).copied().unwrap_or(0);
        if count >= self.limit {
            return None;
        }
        counts.insert(task.to_owned(), count + 1);
        Some(Permit {
            limits: Arc::clone(self),
            task: task.to_owned(),
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        // No code panics between two changes that belong together, so the map is good even after a panic.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    pub(crate) fn task(&self) -> &str {
        &self.task
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.limits.counts();
        match counts.get_mut(&self.task) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.remove(&self.task);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_task_has_its_own_room() {
        let limits = Arc::new(TaskLimits::new(2));
        let first = limits.acquire("a").unwrap();
        let _second = limits.acquire("a").unwrap();
        assert!(limits.acquire("a").is_none());
        assert!(limits.acquire("b").is_some());
        drop(first);
        assert!(limits.acquire("a").is_some());
    }

    #[test]
    fn nothing_stays_behind() {
        let limits = Arc::new(TaskLimits::new(2));
        drop((limits.acquire("a"), limits.acquire("a")));
        assert!(limits.counts().is_empty());
    }
}
