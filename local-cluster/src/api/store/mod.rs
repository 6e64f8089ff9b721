//! The storage of the API server: every object in memory, every write in a log on disk.
//!
//! Revisions are one counter for all collections, as in etcd. A write becomes visible to readers
//! when it is applied in memory, is published to watchers when it is durable, and is acknowledged
//! after that. So an acknowledged write and an observed event both survive the end of the process.

mod log;
mod recovery;
mod state;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use log::Log;
pub use log::{Durability, Durable};
pub use state::{Event, Key, Stored};
use state::{State, Write};

/// What can go wrong in the storage.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The object exists already, or changed since it was read.
    #[error("the object has been modified")]
    Conflict,
    /// The revision asked for is older than what is kept.
    #[error("too old resource version: {requested} ({oldest})")]
    Expired {
        /// The revision that was asked for.
        requested: u64,
        /// The oldest revision that can be served.
        oldest: u64,
    },
    /// The revision asked for does not exist yet.
    #[error("Too large resource version: {requested}, current: {current}")]
    Future {
        /// The revision that was asked for.
        requested: u64,
        /// The newest revision.
        current: u64,
    },
    /// The log on disk could not be read or written.
    #[error("{0}")]
    Disk(String),
}

/// Where the storage lives and how careful it is.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The folder of the log and the snapshots; made when missing.
    pub dir: PathBuf,
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// The log is compacted into a snapshot past this many bytes.
    pub compact_bytes: u64,
    /// How many changes of each collection are kept for watchers and old lists.
    pub history: usize,
}

impl StoreConfig {
    /// The defaults for a folder: durable against power loss, compaction at 64 MiB.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            durability: Durability::PowerLoss,
            compact_bytes: 64 << 20,
            history: 8192,
        }
    }
}

/// What a write expects to find.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    /// No object of that name.
    Absent,
    /// The object at this revision.
    Version(u64),
}

/// All objects, their recent history, and the log that makes them durable.
#[derive(Debug)]
pub struct Store {
    state: Mutex<State>,
    log: Log,
}

/// A consistent list: the objects and the revision that they are from.
#[derive(Debug)]
pub struct Listing {
    /// In key order.
    pub items: Vec<Arc<Stored>>,
    /// The revision of the list.
    pub rv: u64,
}

impl Store {
    /// Opens the folder, recovers what was acknowledged, and starts the writer thread.
    ///
    /// # Errors
    /// When another process holds the folder, or the log is damaged other than at its torn end.
    pub fn open(config: StoreConfig) -> Result<Arc<Self>, StoreError> {
        let recovered = recovery::recover(&config.dir, config.history)?;
        let rv = recovered.state.rv;
        let log = Log::start(config, recovered.lock, rv);
        let store = Arc::new(Self {
            state: Mutex::new(recovered.state),
            log,
        });
        store.log.run(Arc::downgrade(&store))?;
        Ok(store)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // State changes are applied in one step after everything that can fail, so a panic
        // elsewhere under the lock leaves it consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest durable revision.
    pub fn rv(&self) -> u64 {
        self.log.durable_rv()
    }

    /// One object.
    pub fn get(&self, collection: &str, key: &Key) -> Option<Arc<Stored>> {
        self.state().get(collection, key)
    }

    /// All objects of a collection, or of one namespace of it.
    pub fn list(&self, collection: &str, namespace: Option<&str>) -> Listing {
        let state = self.state();
        Listing {
            items: state.list(collection, namespace),
            rv: state.rv,
        }
    }

    /// The same, as it was at an earlier revision.
    ///
    /// # Errors
    /// [`StoreError::Expired`] when that is further back than the kept history, or
    /// [`StoreError::Future`].
    pub fn list_at(
        &self,
        collection: &str,
        namespace: Option<&str>,
        rv: u64,
    ) -> Result<Listing, StoreError> {
        let state = self.state();
        let items = state.list_at(collection, namespace, rv)?;
        Ok(Listing { items, rv })
    }

    /// Writes one object and waits until that is durable.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when `expect` does not hold, [`StoreError::Disk`] when the log failed.
    pub async fn put(
        &self,
        collection: &str,
        key: &Key,
        expect: Expect,
        value: Value,
    ) -> Result<Arc<Stored>, StoreError> {
        self.commit(collection, key, expect, Write::Put(value))
            .await
    }

    /// Removes one object; `last` is its final state, which watchers see.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub async fn remove(
        &self,
        collection: &str,
        key: &Key,
        version: u64,
        last: Value,
    ) -> Result<Arc<Stored>, StoreError> {
        let expect = Expect::Version(version);
        self.commit(collection, key, expect, Write::Remove(last))
            .await
    }

    async fn commit(
        &self,
        collection: &str,
        key: &Key,
        expect: Expect,
        write: Write,
    ) -> Result<Arc<Stored>, StoreError> {
        let stored = {
            let mut state = self.state();
            self.log.check()?;
            let applied = state.apply(collection, key, expect, write)?;
            // Appending under the state lock keeps the log in revision order.
            self.log.append(&applied);
            applied.stored
        };
        self.log.wait_durable(stored.rv).await?;
        Ok(stored)
    }

    /// Follows a collection from after revision `since`.
    ///
    /// # Errors
    /// [`StoreError::Expired`] when the history does not reach back to there.
    pub fn follow(self: &Arc<Self>, collection: &str, since: u64) -> Result<Cursor, StoreError> {
        let mut state = self.state();
        let published = state.subscribe(collection, since)?;
        Ok(Cursor {
            store: Arc::clone(self),
            collection: collection.to_owned(),
            position: since,
            published,
            durable: self.log.durable(),
        })
    }

    /// A signal that changes whenever anything became durable.
    pub fn changes(&self) -> watch::Receiver<Durable> {
        self.log.durable()
    }

    /// The names of all collections that hold or held something.
    pub fn collections(&self) -> Vec<Arc<str>> {
        self.state().collection_names()
    }

    /// Resolves when the log failed and the process should end.
    pub async fn failed(&self) -> String {
        let mut durable = self.log.durable();
        match durable.wait_for(|d| d.failure.is_some()).await {
            Ok(d) => d.failure.clone().unwrap_or_default(),
            // The sender lives in `self`; it cannot be gone while we are borrowed.
            Err(_) => std::future::pending().await,
        }
    }

    /// Writes what is pending and ends the writer thread.
    pub fn close(&self) {
        self.log.close();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.log.close();
    }
}

/// A position in the history of one collection.
#[derive(Debug)]
pub struct Cursor {
    store: Arc<Store>,
    collection: String,
    position: u64,
    published: watch::Receiver<u64>,
    durable: watch::Receiver<Durable>,
}

/// At most this many events are taken at once, so that one follower holds the lock briefly.
const BATCH: usize = 256;

impl Cursor {
    /// The events since the last call that are durable; empty when there are none.
    ///
    /// # Errors
    /// [`StoreError::Expired`] when this follower is so slow that history was dropped under it.
    pub fn take(&mut self) -> Result<Vec<Event>, StoreError> {
        let until = *self.published.borrow_and_update();
        if until <= self.position {
            return Ok(Vec::new());
        }
        let state = self.store.state();
        let events = state.events(&self.collection, self.position, until, BATCH)?;
        self.position = if events.len() < BATCH {
            until
        } else {
            events.last().map_or(until, |e| e.object.rv)
        };
        Ok(events)
    }

    /// Waits for the next event.
    pub async fn changed(&mut self) {
        if *self.published.borrow() > self.position {
            return;
        }
        // The sender lives in the store, which we hold.
        if self.published.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// A revision that this cursor has provably reached: everything up to it has been taken.
    pub fn bookmark(&mut self) -> u64 {
        let rv = self.durable.borrow().rv;
        // The log publishes a collection before the global revision, so when nothing is left in
        // the collection after the global revision was read, everything up to it was taken.
        if *self.published.borrow() <= self.position {
            self.position = self.position.max(rv);
        }
        self.position
    }
}

/// One durable record: which collection, whether it is a removal, the object.
pub(super) fn encode_record(collection: &str, removed: bool, json: &Bytes, out: &mut Vec<u8>) {
    recovery::frame(out, |payload| {
        payload.push(u8::from(removed));
        // Collection names are "<plural>.<group>", at most 253 bytes by the name rules of CRDs.
        payload.push(u8::try_from(collection.len()).unwrap_or(u8::MAX));
        payload.extend_from_slice(collection.as_bytes());
        payload.extend_from_slice(json);
    });
}

#[cfg(test)]
mod tests;
