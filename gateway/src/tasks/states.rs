//! The states of the tasks that somebody watches, in this process.
//!
//! Whoever changes a state in the database tells it here. A watcher first registers and then reads the database, so nothing
//! falls between the two; what arrives out of order is put right by the revision.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;
use uuid::Uuid;

use crate::database::status::TaskStatus;

/// The newest status of each state that a task went through: at most one for each of queued, running and the final state.
///
/// A watcher that is slow sees fewer places in the queue, but never misses that the task ran.
#[derive(Clone, Debug, Default)]
pub struct History {
    steps: Vec<Arc<TaskStatus>>,
}

impl History {
    /// The present status; nothing before the database has been read.
    #[must_use]
    pub fn present(&self) -> Option<&Arc<TaskStatus>> {
        self.steps.last()
    }

    /// Everything that is newer than a revision, oldest first.
    pub fn after(&self, revision: i64) -> impl Iterator<Item = &Arc<TaskStatus>> {
        self.steps
            .iter()
            .filter(move |step| step.revision > revision)
    }

    /// Adds a status, unless it is old news; answers whether it did.
    fn add(&mut self, status: TaskStatus) -> bool {
        let status = Arc::new(status);
        match self.steps.last_mut() {
            Some(last) if last.revision >= status.revision => return false,
            Some(last) if last.phase == status.phase => *last = status,
            _ => self.steps.push(status),
        }
        true
    }
}

/// The tasks that somebody watches.
#[derive(Clone, Debug, Default)]
pub struct TaskStates {
    watched: Arc<Mutex<HashMap<Uuid, Weak<watch::Sender<History>>>>>,
}

/// Keeps a task watched.
#[derive(Debug)]
pub struct Watch {
    id: Uuid,
    states: TaskStates,
    sender: Option<Arc<watch::Sender<History>>>,
    receiver: watch::Receiver<History>,
}

impl TaskStates {
    /// Registers for the changes of a task. Read the database afterwards, and [`Self::publish`] what it says.
    #[must_use]
    pub fn watch(&self, id: Uuid) -> Watch {
        let mut watched = self.lock();
        let sender = watched.get(&id).and_then(Weak::upgrade).unwrap_or_else(|| {
            let sender = Arc::new(watch::Sender::new(History::default()));
            watched.insert(id, Arc::downgrade(&sender));
            sender
        });
        let receiver = sender.subscribe();
        Watch {
            id,
            states: self.clone(),
            sender: Some(sender),
            receiver,
        }
    }

    /// Tells the watchers of a task, if there are any.
    pub fn publish(&self, status: &TaskStatus) {
        let sender = self.lock().get(&status.id).and_then(Weak::upgrade);
        if let Some(sender) = sender {
            sender.send_if_modified(|history| history.add(status.clone()));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Weak<watch::Sender<History>>>> {
        // Every change of the map is a single call, so a panic cannot leave it half-done.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// The history so far; marks it as seen.
    pub fn history(&mut self) -> History {
        self.receiver.borrow_and_update().clone()
    }

    /// Waits for something new.
    pub async fn changed(&mut self) {
        // The sender lives as long as this value, so the channel cannot be closed.
        if self.receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.states.lock();
        self.sender = None;
        if watched
            .get(&self.id)
            .is_some_and(|sender| sender.strong_count() == 0)
        {
            watched.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codex_crds::Phase;

    fn status(id: Uuid, revision: i64, phase: Phase) -> TaskStatus {
        TaskStatus {
            id,
            revision,
            phase,
            queue_position: None,
            exit_code: None,
            reason: None,
            message: None,
            created_at: chrono::DateTime::UNIX_EPOCH,
            started_at: None,
            finished_at: None,
            updated_at: chrono::DateTime::UNIX_EPOCH,
            last_frame: None,
            cancel_requested_at: None,
            in_cluster: true,
        }
    }

    #[test]
    fn every_state_is_kept_and_old_news_are_dropped() {
        let states = TaskStates::default();
        let id = Uuid::now_v7();
        let mut watch = states.watch(id);
        for (revision, phase) in [
            (1, Phase::Queued),
            (3, Phase::Queued),
            (2, Phase::Queued),
            (4, Phase::Running),
            (5, Phase::Completed),
            (4, Phase::Running),
        ] {
            states.publish(&status(id, revision, phase));
        }
        let history = watch.history();
        let seen: Vec<_> = history.after(0).map(|step| step.revision).collect();
        assert_eq!(seen, [3, 4, 5]);
        assert_eq!(history.after(4).count(), 1);
        assert_eq!(history.present().unwrap().phase, Phase::Completed);
    }

    #[test]
    fn nothing_is_left_behind() {
        let states = TaskStates::default();
        let id = Uuid::now_v7();
        states.publish(&status(id, 1, Phase::Queued));
        let first = states.watch(id);
        let mut second = states.watch(id);
        drop(first);
        states.publish(&status(id, 2, Phase::Running));
        assert_eq!(second.history().present().unwrap().revision, 2);
        drop(second);
        assert!(states.lock().is_empty());
    }
}
