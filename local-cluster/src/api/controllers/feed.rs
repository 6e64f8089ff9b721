//! The changes of many collections as one sequence.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::api::Api;
use crate::api::store::{Cursor, Durable, Event, StoreError, Stored};

/// What a controller looks at next.
pub(super) enum Change {
    /// Everything: at the start, and when history was lost. The state comes from the store.
    Resync(Vec<(Arc<str>, Arc<Stored>)>),
    /// These changes, each with its collection.
    Events(Vec<(Arc<str>, Event)>),
}

/// Follows some or all collections.
pub(super) struct Feed {
    api: Arc<Api>,
    only: Option<&'static [&'static str]>,
    cursors: BTreeMap<Arc<str>, Cursor>,
    changes: watch::Receiver<Durable>,
    since: Option<u64>,
}

impl Feed {
    /// `only` names the collections; nothing means all, also those that come later.
    pub(super) fn new(api: &Arc<Api>, only: Option<&'static [&'static str]>) -> Self {
        Self {
            api: Arc::clone(api),
            only,
            cursors: BTreeMap::new(),
            changes: api.store.changes(),
            since: None,
        }
    }

    /// Looks at everything again.
    pub(super) fn reset(&mut self) {
        self.since = None;
    }

    /// The next changes; nothing when the server stops.
    pub(super) async fn next(&mut self) -> Option<Change> {
        let shutdown = self.api.shutdown.clone();
        loop {
            if shutdown.is_cancelled() {
                return None;
            }
            if self.since.is_none() {
                return Some(self.resync());
            }
            match self.poll() {
                Ok(events) if events.is_empty() => {}
                Ok(events) => return Some(Change::Events(events)),
                Err(error) => {
                    tracing::warn!(%error, "a controller fell behind and starts over");
                    self.since = None;
                    continue;
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return None,
                changed = self.changes.changed() => {
                    if changed.is_err() || self.changes.borrow().failure.is_some() {
                        return None;
                    }
                }
            }
        }
    }

    fn names(&self) -> Vec<Arc<str>> {
        match self.only {
            Some(only) => only.iter().map(|n| Arc::from(*n)).collect(),
            None => self.api.store.collections(),
        }
    }

    fn resync(&mut self) -> Change {
        // Taken first: what changes while we list is seen again as an event.
        let since = self.api.store.rv();
        self.changes.mark_unchanged();
        self.cursors.clear();
        self.since = Some(since);
        let mut objects = Vec::new();
        for name in self.names() {
            let items = self.api.store.list(&name, None).items;
            objects.extend(items.into_iter().map(|o| (Arc::clone(&name), o)));
        }
        Change::Resync(objects)
    }

    fn poll(&mut self) -> Result<Vec<(Arc<str>, Event)>, StoreError> {
        let since = self.since.unwrap_or_default();
        for name in self.names() {
            if !self.cursors.contains_key(&name) {
                let cursor = self.api.store.follow(&name, since)?;
                self.cursors.insert(name, cursor);
            }
        }
        let mut events = Vec::new();
        for (name, cursor) in &mut self.cursors {
            loop {
                let taken = cursor.take()?;
                if taken.is_empty() {
                    break;
                }
                events.extend(taken.into_iter().map(|e| (Arc::clone(name), e)));
            }
        }
        events.sort_by_key(|(_, e)| e.object.rv);
        Ok(events)
    }
}
