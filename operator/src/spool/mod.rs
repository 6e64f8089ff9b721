//! What keeps stores from holding up the reading of logs: frames on their way from a container to the live log.
//!
//! Node agents rotate the logs of containers, so whoever reads one must never wait for a store. The reader of a log puts its frames
//! here, and they stay until they are safe in the archive: in files, and the newest ones in memory too, where the appender
//! finds them as long as it keeps up. The next operator appends first what a dead one left here, whatever the node still has of the log.
//!
//! Files are bounded per task and in all. At the bound the oldest frames go that are in the live log already; when there are none, what
//! fits into memory is the last that is taken, and reading stops until the stores come back. The log then waits with the node,
//! as it did before there was a spool.
//!
//! There is a folder for each Pod, `<task>_<UID of the Pod>`, with a lock that belongs to one operator at a time. An operator that
//! finds a folder locked, because the one before it is not gone yet, keeps its frames in memory alone.

mod disk;
mod task;

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

pub use task::{Batch, Cursor, Leftover, Progress, TaskSpool};

use crate::metrics::Metrics;

/// A folder of a task that nobody knows is removed when it has not changed for so long: its Pod may only not have been seen yet.
const ORPHAN_AGE: Duration = Duration::from_secs(60 * 60);

/// How much the spool holds, in bytes of frames as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Of one task.
    pub task: u64,
    /// Of all tasks.
    pub total: u64,
}

/// The spool of all tasks. Clones share it.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: Arc<Path>,
    limits: SpoolLimits,
    usage: Arc<Usage>,
    metrics: Arc<Metrics>,
}

/// How much of the spool is used.
#[derive(Debug)]
struct Usage {
    bytes: AtomicU64,
    limit: u64,
    pressure: watch::Sender<bool>,
}

impl Usage {
    fn new(limit: u64) -> Self {
        Self {
            bytes: AtomicU64::new(0),
            limit,
            pressure: watch::Sender::new(false),
        }
    }

    fn get(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: u64) {
        let now = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if now > self.limit / 5 * 4 {
            self.tell(true);
        }
    }

    /// The pressure ends well below where it begins, so that it does not come and go with every task.
    fn subtract(&self, bytes: u64) {
        let now = self.bytes.fetch_sub(bytes, Ordering::Relaxed) - bytes;
        if now < self.limit / 5 * 3 {
            self.tell(false);
        }
    }

    fn tell(&self, pressure: bool) {
        self.pressure
            .send_if_modified(|known| std::mem::replace(known, pressure) != pressure);
    }
}

impl Spool {
    /// A spool in `folder`, which is created when needed.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(folder: &Path, limits: SpoolLimits, metrics: Arc<Metrics>) -> io::Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        Ok(Self {
            folder: folder.into(),
            limits,
            usage: Arc::new(Usage::new(limits.total)),
            metrics,
        })
    }

    /// The spool of a task: that of its Pod, or, without one, whatever an earlier operator left. Nothing is read yet.
    #[must_use]
    pub fn task(&self, task: &str, pod_uid: Option<&str>) -> Arc<TaskSpool> {
        Arc::new(TaskSpool::new(self.clone(), task, pod_uid))
    }

    /// What all tasks have in files, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.usage.get()
    }

    /// Whether the spool is so full that no more tasks should be started.
    #[must_use]
    pub fn pressure(&self) -> watch::Receiver<bool> {
        self.usage.pressure.subscribe()
    }

    /// Removes all that is left of a task that is finished.
    pub async fn remove(&self, task: &str) {
        let (spool, task) = (self.clone(), task.to_owned());
        blocking(move || {
            for folder in spool.folders(|owner| owner == task) {
                remove(&folder);
            }
        })
        .await;
    }

    /// Removes what earlier operators left of tasks that are over. `is_over` answers `None` for a task that is not known.
    pub async fn sweep(&self, is_over: impl Fn(&str) -> Option<bool> + Send + 'static) {
        let spool = self.clone();
        blocking(move || {
            for folder in spool.folders(|_| true) {
                let owner = owner(&folder).unwrap_or_default();
                let is_orphan = is_over(owner).unwrap_or_else(|| age(&folder) >= ORPHAN_AGE);
                if is_orphan && let Ok(_lock) = disk::lock(&folder) {
                    tracing::info!(task.id = owner, "the spool of a finished task is removed");
                    remove(&folder);
                }
            }
        })
        .await;
    }

    /// The folders of the tasks for which `wanted` says yes.
    fn folders(&self, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(folder = %self.folder.display(), %error, "the spool cannot be looked at");
                return Vec::new();
            }
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths
            .filter(|path| owner(path).is_some_and(&wanted))
            .collect()
    }
}

/// The task that a folder belongs to; `None` when it is not one of the spool.
fn owner(folder: &Path) -> Option<&str> {
    let (task, _) = folder.file_name()?.to_str()?.split_once('_')?;
    Some(task)
}

/// How long ago something in a folder changed.
fn age(folder: &Path) -> Duration {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let changes = std::iter::once(folder.to_owned())
        .chain(paths)
        .filter_map(|path| path.metadata().ok()?.modified().ok());
    let last = changes.max().unwrap_or_else(SystemTime::now);
    last.elapsed().unwrap_or_default()
}

fn remove(folder: &Path) {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(folder = %folder.display(), %error, "a folder of the spool could not be removed");
        }
        _ => {}
    }
}

/// Runs what blocks elsewhere. `None` only when the runtime ends, and then nobody waits for the answer.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

#[cfg(test)]
mod tests;
