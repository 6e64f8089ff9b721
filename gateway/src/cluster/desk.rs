//! Where tasks are handed to the dispatcher.
//!
//! Whoever accepts a task has everything at hand that Kubernetes has to hear. So a request takes a slot first, writes the row as claimed, and
//! hands it in: nobody has to find the row in the outbox. Without a slot, or while Kubernetes is away, the row is due in the outbox, where
//! any gateway finds it. The slots bound how much is handed in.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use super::outage::Outage;
use crate::database::outbox::Entry;

/// How many rows are worked on at once.
const PARALLEL: usize = 32;

/// The way to the dispatcher of this gateway.
pub struct Desk {
    slots: Arc<Semaphore>,
    handed: mpsc::Sender<Handed>,
    notice: Notify,
    pub(super) outage: Outage,
}

/// A row that this gateway has claimed, and the right to be worked on.
pub struct Handed {
    pub(super) entry: Entry,
    pub(super) slot: OwnedSemaphorePermit,
}

/// The right to hand one row in.
pub struct Place<'a> {
    desk: &'a Desk,
    slot: OwnedSemaphorePermit,
}

impl Desk {
    /// A desk, and the end at which the dispatcher sits.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Handed>) {
        // Whoever hands in has a slot, so there is always room.
        let (handed, receiver) = mpsc::channel(PARALLEL);
        let desk = Self {
            slots: Arc::new(Semaphore::new(PARALLEL)),
            handed,
            notice: Notify::new(),
            outage: Outage::default(),
        };
        (desk, receiver)
    }

    /// A place for a task that is about to be accepted; nothing when it had to wait.
    #[must_use]
    pub fn place(&self) -> Option<Place<'_>> {
        // At the end of the gateway the dispatcher goes before the last requests do.
        if self.outage.is_on() || self.handed.is_closed() {
            return None;
        }
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(Place { desk: self, slot })
    }

    /// Says that something is due in the outbox.
    pub fn notice(&self) {
        self.notice.notify_one();
    }

    /// Waits until somebody says so.
    pub(super) async fn noticed(&self) {
        self.notice.notified().await;
    }

    /// Waits for so many slots.
    pub(super) async fn slots(&self, count: u32) -> OwnedSemaphorePermit {
        Arc::clone(&self.slots)
            .acquire_many_owned(count)
            .await
            .expect("nobody closes the semaphore")
    }
}

impl Place<'_> {
    /// Hands in a row that was written as claimed by this gateway.
    pub fn hand_in(self, entry: Entry) {
        let handed = Handed {
            entry,
            slot: self.slot,
        };
        // When the dispatcher has just gone, the lease of the row runs out, and another gateway takes it.
        let _ = self.desk.handed.try_send(handed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test]
    async fn there_are_so_many_places_and_none_during_an_outage() {
        let (desk, _dispatcher) = Desk::new();
        let places: Vec<_> = std::iter::from_fn(|| desk.place()).collect();
        assert_eq!(places.len(), PARALLEL);
        drop(places);
        assert!(desk.place().is_some());
        let now = Instant::now();
        desk.outage.failed(now, now);
        assert!(desk.place().is_none());
        desk.outage.answered();
        assert!(desk.place().is_some());
    }
}
