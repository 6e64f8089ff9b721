//! The log on disk: appended by one thread, many writes to one sync (group commit).

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::state::Applied;
use super::{Store, StoreConfig, StoreError, encode_record, recovery};

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// The loss of power: `fdatasync` before the acknowledgement, shared by concurrent writes.
    #[default]
    PowerLoss,
    /// The end of the process, also by SIGKILL: the kernel has the bytes. For tests.
    ProcessEnd,
}

/// How far the log is, and whether it has failed.
#[derive(Clone, Debug)]
pub struct Durable {
    /// Everything up to this revision is durable.
    pub rv: u64,
    /// Why nothing more will be.
    pub failure: Option<String>,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    rv: u64,
    publish: Vec<(watch::Sender<u64>, u64)>,
    closed: bool,
}

#[derive(Debug)]
struct Shared {
    pending: Mutex<Pending>,
    arrived: Condvar,
    durable: watch::Sender<Durable>,
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct Log {
    shared: Arc<Shared>,
    config: StoreConfig,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Held for as long as the log may be written: one process a folder.
    _lock: File,
}

impl Log {
    pub(super) fn start(config: StoreConfig, lock: File, rv: u64) -> Self {
        let durable = watch::Sender::new(Durable { rv, failure: None });
        Self {
            shared: Arc::new(Shared {
                pending: Mutex::default(),
                arrived: Condvar::new(),
                durable,
            }),
            config,
            thread: Mutex::new(None),
            _lock: lock,
        }
    }

    /// Starts the writer; it ends at [`Log::close`].
    pub(super) fn run(&self, store: Weak<Store>) -> Result<(), StoreError> {
        let rv = self.durable_rv();
        let path = recovery::log_path(&self.config.dir, rv);
        let file = open_append(&path).map_err(|e| disk(&path, &e))?;
        // All logs that the next snapshot will replace count, not only this process's.
        let len = recovery::log_bytes(&self.config.dir).map_err(|e| disk(&path, &e))?;
        let mut writer = Writer {
            shared: Arc::clone(&self.shared),
            store,
            config: self.config.clone(),
            file,
            path,
            len,
        };
        let handle = std::thread::Builder::new()
            .name("store-log".into())
            .spawn(move || writer.run())
            .map_err(|e| StoreError::Disk(format!("cannot start the log writer: {e}")))?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
        Ok(())
    }

    pub(super) fn durable(&self) -> watch::Receiver<Durable> {
        self.shared.durable.subscribe()
    }

    pub(super) fn durable_rv(&self) -> u64 {
        self.shared.durable.borrow().rv
    }

    /// Refuses writes after a failure: memory must not run ahead of the disk for ever.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &self.shared.durable.borrow().failure {
            Some(failure) => Err(StoreError::Disk(failure.clone())),
            None => Ok(()),
        }
    }

    pub(super) fn append(&self, applied: &Applied) {
        let mut pending = self.shared.pending();
        let stored = &applied.stored;
        encode_record(
            &applied.collection,
            applied.removed,
            &stored.json,
            &mut pending.bytes,
        );
        pending.rv = stored.rv;
        pending.publish.push((applied.published.clone(), stored.rv));
        self.shared.arrived.notify_one();
    }

    pub(super) async fn wait_durable(&self, rv: u64) -> Result<(), StoreError> {
        let mut durable = self.durable();
        let state = durable
            .wait_for(|d| d.rv >= rv || d.failure.is_some())
            .await
            .map_err(|_| StoreError::Disk("the storage is closed".into()))?;
        match &state.failure {
            Some(failure) if state.rv < rv => Err(StoreError::Disk(failure.clone())),
            _ => Ok(()),
        }
    }

    pub(super) fn close(&self) {
        self.shared.pending().closed = true;
        self.shared.arrived.notify_one();
        let handle = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(handle) = handle
            // The last reference can be dropped by the writer itself.
            && handle.thread().id() != std::thread::current().id()
        {
            let _ = handle.join();
        }
    }
}

struct Writer {
    shared: Arc<Shared>,
    store: Weak<Store>,
    config: StoreConfig,
    file: File,
    path: PathBuf,
    len: u64,
}

impl Writer {
    fn run(&mut self) {
        loop {
            let batch = {
                let mut pending = self.shared.pending();
                while pending.bytes.is_empty() && !pending.closed {
                    pending = self
                        .shared
                        .arrived
                        .wait(pending)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                let closed = pending.closed;
                std::mem::replace(
                    &mut *pending,
                    Pending {
                        closed,
                        ..Pending::default()
                    },
                )
            };
            let closing = batch.bytes.is_empty() && batch.closed;
            let result = if closing {
                self.file.sync_data()
            } else {
                self.write(batch).and_then(|()| self.compact_if_large())
            };
            if let Err(error) = result {
                let failure = format!(
                    "cannot write {}: {error}; free space or fix the disk, then restart",
                    self.path.display()
                );
                tracing::error!(%failure, "the storage failed");
                self.shared
                    .durable
                    .send_modify(|d| d.failure = Some(failure));
                return;
            }
            if closing {
                let closed = "the API server is shutting down".to_owned();
                self.shared
                    .durable
                    .send_modify(|d| d.failure = Some(closed));
                return;
            }
        }
    }

    fn write(&mut self, batch: Pending) -> std::io::Result<()> {
        self.file.write_all(&batch.bytes)?;
        if self.config.durability == Durability::PowerLoss {
            self.file.sync_data()?;
        }
        self.len += batch.bytes.len() as u64;
        // The collections first, the global revision after them: bookmarks rely on that order.
        for (published, rv) in batch.publish {
            published.send_replace(rv);
        }
        self.shared.durable.send_modify(|d| d.rv = batch.rv);
        Ok(())
    }

    /// Starts a new log file and writes all live objects into a snapshot, after which the older
    /// files are not needed. Writers wait in memory meanwhile.
    fn compact_if_large(&mut self) -> std::io::Result<()> {
        if self.len < self.config.compact_bytes {
            return Ok(());
        }
        let Some(store) = self.store.upgrade() else {
            return Ok(());
        };
        let (objects, rv, rest) = {
            let state = store.state();
            let mut pending = self.shared.pending();
            let closed = pending.closed;
            let rest = std::mem::replace(
                &mut *pending,
                Pending {
                    closed,
                    ..Pending::default()
                },
            );
            (state.objects(), state.rv, rest)
        };
        // What arrived since the last batch is part of the snapshot's revision, so it belongs
        // to the old log file.
        if !rest.bytes.is_empty() {
            self.write(rest)?;
        }
        let path = recovery::log_path(&self.config.dir, rv);
        self.file = open_append(&path)?;
        self.path = path;
        self.len = 0;
        recovery::write_snapshot(&self.config.dir, rv, &objects)?;
        recovery::remove_before(&self.config.dir, rv)
    }
}

fn open_append(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(file)
}

fn disk(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Disk(format!("cannot open {}: {error}", path.display()))
}
