//! The spool of one task: one side puts frames in, the other takes them out after any number.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use codex_tasklog::{End, Frame};
use jiff::Timestamp;
use tokio::sync::watch;

use super::disk::{Disk, Recovered, SegmentReader};
use super::{Spool, blocking};
use crate::metrics::Store;

/// What the newest frames take in memory at most.
const TAIL_BYTES: usize = 1024 * 1024;
/// How many frames, and how many bytes of them, are taken out at once.
const BATCH_FRAMES: usize = 64;
const BATCH_BYTES: usize = 32 * 1024;
/// How large segments become; the bounds hold at least eight of them.
const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// How often a spool that is full is tried, beside whenever something leaves it.
const RETRY: Duration = Duration::from_secs(1);

/// The frames of one task.
pub struct TaskSpool {
    spool: Spool,
    task: String,
    pod_uid: Option<String>,
    /// `None` before it is opened, and where only memory can be used. Held only where blocking is allowed.
    disk: Arc<Mutex<Option<Disk>>>,
    tail: Mutex<Tail>,
    progress: watch::Sender<Progress>,
    /// How often frames that were here had to be read again.
    rewinds: watch::Sender<u64>,
}

/// How far everybody is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What was left here is known.
    pub is_open: bool,
    /// The number of the last frame.
    pub last: u64,
    /// The same, but for frames that are being read again.
    pub peak: u64,
    /// Up to here all frames are in the live log.
    pub appended: u64,
    /// How often frames that were here had to be read again.
    pub rewinds: u64,
}

/// The newest frames.
#[derive(Default)]
struct Tail {
    entries: VecDeque<Entry>,
    bytes: usize,
}

struct Entry {
    frame: Arc<Frame>,
    bytes: usize,
    is_on_disk: bool,
}

/// What was left of the log when it was opened.
#[derive(Clone, Debug, Default)]
pub struct Leftover {
    /// When the runner wrote the last frame.
    pub ts: Option<Timestamp>,
    /// What the end frame says, where that is the last frame.
    pub end: Option<End>,
}

/// Where somebody takes frames out.
#[derive(Default)]
pub struct Cursor(Arc<Mutex<SegmentReader>>);

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Batch {
    /// Frames in the order of their numbers. The first may be a gap of which only the later part is new.
    Frames(Vec<Arc<Frame>>),
    /// The next frame was here and is not any more.
    Missing,
}

impl TaskSpool {
    pub(super) fn new(spool: Spool, task: &str, pod_uid: Option<&str>) -> Self {
        Self {
            spool,
            task: task.to_owned(),
            pod_uid: pod_uid.map(str::to_owned),
            disk: Arc::default(),
            tail: Mutex::default(),
            progress: watch::Sender::default(),
            rewinds: watch::Sender::default(),
        }
    }

    /// Takes over what an earlier operator left. Where that fails, the spool is in memory alone.
    pub async fn open(&self) -> Leftover {
        let folder = match &self.pod_uid {
            Some(uid) => Some(self.spool.folder.join(format!("{}_{uid}", self.task))),
            None => self.left_behind().await,
        };
        let recovered = match folder {
            None => Recovered::default(),
            Some(folder) => self.open_folder(folder).await,
        };
        self.progress.send_modify(|progress| {
            progress.is_open = true;
            progress.last = progress.last.max(recovered.last);
            progress.peak = progress.last;
        });
        Leftover {
            ts: recovered.ts.and_then(|ts| ts.parse().ok()),
            end: recovered.end,
        }
    }

    async fn left_behind(&self) -> Option<PathBuf> {
        let (spool, task) = (self.spool.clone(), self.task.clone());
        blocking(move || spool.folders(|owner| owner == task).pop()).await?
    }

    async fn open_folder(&self, folder: PathBuf) -> Recovered {
        let usage = Arc::clone(&self.spool.usage);
        let limits = self.spool.limits;
        let segment_bytes = SEGMENT_BYTES.min(limits.task / 8).min(limits.total / 8);
        let opened = blocking(move || Disk::open(&folder, segment_bytes, usage)).await;
        match opened {
            Some(Ok((disk, recovered))) => {
                *lock(&self.disk) = Some(disk);
                if recovered.last > 0 {
                    tracing::info!(task.id = %self.task, last = recovered.last, "frames were left in the spool");
                }
                recovered
            }
            Some(Err(error)) => {
                tracing::warn!(task.id = %self.task, %error, "the spool of the task cannot be used; its log is kept in memory alone");
                Recovered::default()
            }
            None => Recovered::default(),
        }
    }

    /// How far everybody is.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// How often frames that were here had to be read again.
    #[must_use]
    pub fn rewinds(&self) -> watch::Receiver<u64> {
        self.rewinds.subscribe()
    }

    /// The number of the last frame.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.progress.borrow().last
    }

    /// Puts frames in, of which the first follows the last one that is here. Waits only when the spool is full: everything that the
    /// bounds allow is here and not in the live log.
    pub async fn push(&self, frames: Vec<Arc<Frame>>) {
        let (Some(first), Some(last)) = (frames.first(), frames.last()) else {
            return;
        };
        let (first, last) = (first.first(), last.seq);
        let mut text = Vec::new();
        let mut entries = Vec::with_capacity(frames.len());
        for frame in frames {
            let start = text.len();
            text.extend_from_slice(frame.to_json(None).as_bytes());
            text.push(b'\n');
            entries.push(Entry {
                frame,
                bytes: text.len() - start,
                is_on_disk: false,
            });
        }
        let text: Arc<[u8]> = text.into();
        let mut changes = self.progress.subscribe();
        let mut is_stalled = false;
        loop {
            changes.mark_unchanged();
            let is_on_disk = self.write(first, last, Arc::clone(&text)).await;
            if self.make_room(text.len()) || is_on_disk {
                break self.admit(entries, is_on_disk);
            }
            if !std::mem::replace(&mut is_stalled, true) {
                self.spool.metrics.spool_stalls.inc();
                tracing::warn!(task.id = %self.task, after = first - 1, "the spool is full; the log of the task is not read until the live log or the archive takes more");
            }
            // Whether anything leaves, or another task leaves room: it is tried again.
            let _ = tokio::time::timeout(RETRY, changes.changed()).await;
        }
        if is_stalled {
            tracing::info!(task.id = %self.task, "the log of the task is read again");
        }
        // The appender may have found in the meantime that the stores are further.
        self.progress.send_modify(|progress| {
            progress.last = progress.last.max(last);
            progress.peak = progress.peak.max(last);
        });
    }

    /// Writes frames into a file; answers whether there is room and a file.
    async fn write(&self, first: u64, last: u64, text: Arc<[u8]>) -> bool {
        let (disk, spool) = (Arc::clone(&self.disk), self.spool.clone());
        let appended = self.progress.borrow().appended;
        let task = self.task.clone();
        let written = blocking(move || {
            let mut disk = lock(&disk);
            let Some(disk) = disk.as_mut() else {
                return Ok(false);
            };
            let length = text.len() as u64;
            let (limits, usage) = (spool.limits, &spool.usage);
            while disk.bytes() + length > limits.task || usage.get() + length > limits.total {
                if !disk.drop_oldest(appended) {
                    return Ok(false);
                }
            }
            disk.append(first, last, &text).map(|()| true)
        });
        match written.await {
            Some(Ok(is_written)) => is_written,
            Some(Err(error)) => {
                self.spool.metrics.spool_errors.inc();
                self.spool.metrics.store_error(Store::Spool);
                tracing::debug!(task.id = %task, %error, "frames could not be written into the spool");
                false
            }
            None => false,
        }
    }

    /// Drops the oldest frames that are elsewhere; answers whether so many bytes more fit now.
    fn make_room(&self, bytes: usize) -> bool {
        let appended = self.progress.borrow().appended;
        let mut tail = lock(&self.tail);
        while tail.bytes + bytes > TAIL_BYTES {
            let is_elsewhere = |entry: &mut Entry| entry.is_on_disk || entry.frame.seq <= appended;
            let Some(entry) = tail.entries.pop_front_if(is_elsewhere) else {
                return tail.entries.is_empty();
            };
            tail.bytes -= entry.bytes;
        }
        true
    }

    fn admit(&self, entries: Vec<Entry>, is_on_disk: bool) {
        let mut tail = lock(&self.tail);
        for entry in entries {
            tail.bytes += entry.bytes;
            tail.entries.push_back(Entry {
                is_on_disk,
                ..entry
            });
        }
    }

    /// The frames after number `after`, at least one; waits for it.
    pub async fn batch(&self, cursor: &Cursor, after: u64) -> Batch {
        let mut changes = self.progress.subscribe();
        loop {
            let progress = *changes.borrow_and_update();
            if progress.is_open && after < progress.last {
                if let Some(frames) = self.newest(after) {
                    return Batch::Frames(frames);
                }
                if let Some(frames) = self.stored(cursor, after).await {
                    return Batch::Frames(frames);
                }
                // It may have been read again in the meantime.
                if *self.progress.borrow() == progress {
                    return Batch::Missing;
                }
                continue;
            }
            if changes.changed().await.is_err() {
                // This end holds the sender.
                std::future::pending::<()>().await;
            }
        }
    }

    fn newest(&self, after: u64) -> Option<Vec<Arc<Frame>>> {
        let tail = lock(&self.tail);
        let start = tail
            .entries
            .partition_point(|entry| entry.frame.seq <= after);
        if tail.entries.get(start)?.frame.first() > after + 1 {
            return None;
        }
        let mut bytes = 0;
        let entries = tail.entries.range(start..).take(BATCH_FRAMES);
        let fitting = entries.take_while(|entry| {
            let is_first = bytes == 0;
            bytes += entry.bytes;
            is_first || bytes <= BATCH_BYTES
        });
        Some(fitting.map(|entry| Arc::clone(&entry.frame)).collect())
    }

    async fn stored(&self, cursor: &Cursor, after: u64) -> Option<Vec<Arc<Frame>>> {
        let (disk, reader) = (Arc::clone(&self.disk), Arc::clone(&cursor.0));
        let read = blocking(move || -> io::Result<Option<Vec<Arc<Frame>>>> {
            let segment = lock(&disk).as_ref().and_then(|disk| disk.find(after + 1));
            let Some(segment) = segment else {
                return Ok(None);
            };
            let fits =
                |frames: &[Arc<Frame>], bytes| frames.len() < BATCH_FRAMES && bytes < BATCH_BYTES;
            lock(&reader).read(&segment, after, fits).map(Some)
        });
        match read.await? {
            Ok(frames) => frames.filter(|frames| !frames.is_empty()),
            Err(error) => {
                tracing::warn!(task.id = %self.task, %error, "a file of the spool cannot be read");
                None
            }
        }
    }

    /// Says that all frames up to a number are in the live log.
    pub fn appended(&self, up_to: u64) {
        self.progress
            .send_modify(|progress| progress.appended = progress.appended.max(up_to));
    }

    /// Says that all frames up to a number are safe in the archive; nobody needs them here any more.
    pub async fn archived(&self, up_to: u64) {
        let disk = Arc::clone(&self.disk);
        blocking(move || {
            if let Some(disk) = lock(&disk).as_mut() {
                disk.drop_to(up_to);
            }
        })
        .await;
        // Whoever waits for room looks again.
        self.progress.send_modify(|_| {});
    }

    /// Goes on after `up_to`: everything before is elsewhere, whether or not it has been here.
    pub fn skip_to(&self, up_to: u64) {
        self.progress.send_if_modified(|progress| {
            let is_news = progress.last < up_to;
            progress.last = progress.last.max(up_to);
            progress.peak = progress.peak.max(up_to);
            is_news
        });
    }

    /// Forgets everything, so that what comes after `after` is read again.
    pub async fn rewind(&self, after: u64) {
        let disk = Arc::clone(&self.disk);
        blocking(move || {
            if let Some(disk) = lock(&disk).as_mut() {
                disk.clear();
            }
        })
        .await;
        *lock(&self.tail) = Tail::default();
        self.progress.send_modify(|progress| {
            progress.last = after;
            progress.appended = after;
            progress.rewinds += 1;
            self.rewinds.send_replace(progress.rewinds);
        });
    }

    /// Says that nothing more comes, whatever has been here before, if that is still so after as many rewinds as have been heard of.
    pub fn settle(&self, heard_rewinds: u64) {
        self.progress.send_if_modified(|progress| {
            let is_over = progress.rewinds == heard_rewinds;
            if is_over {
                progress.peak = progress.last;
            }
            is_over
        });
    }
}

/// What a lock guards is whole after a panic elsewhere, because files decide what is there.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
