//! The live store in the memory of one process.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt as _;
use tokio::sync::watch;

use crate::error::LogError;
use crate::frame::Frame;
use crate::live::{FrameStream, LiveLimits, LiveLog, LiveLogWriter};

/// How many frames a subscriber gets at once.
const BATCH: usize = 256;

/// The live store in the memory of one process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    limits: LiveLimits,
    logs: Arc<Mutex<HashMap<String, Arc<TaskLog>>>>,
    total: Arc<AtomicU64>,
}

#[derive(Debug)]
struct TaskLog {
    frames: Mutex<Frames>,
    state: watch::Sender<State>,
    /// What all logs weigh. A removed log counts until its last reader is through.
    total: Arc<AtomicU64>,
}

/// The frames of a log that are there.
#[derive(Debug, Default)]
struct Frames {
    queue: VecDeque<Arc<Frame>>,
    /// The last number that is not there any more.
    dropped: u64,
    /// The last number that is safe in the archive.
    safe: u64,
    bytes: u64,
    /// The store has forgotten this log; whoever still holds it only reads.
    is_detached: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The log reaches to this number.
    Open(u64),
    Removed,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(limits: LiveLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// All frames of a task that are there now.
    #[must_use]
    pub fn snapshot(&self, task: &str) -> Vec<Arc<Frame>> {
        let log = lock(&self.logs).get(task).cloned();
        log.map(|log| lock(&log.frames).queue.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// What all logs weigh now, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// The log of a task, made where there is none, and the subscription that keeps it from being forgotten while it is empty.
    fn log(&self, task: &str) -> (Arc<TaskLog>, watch::Receiver<State>) {
        let mut logs = lock(&self.logs);
        let log = logs.entry(task.to_owned()).or_insert_with(|| {
            Arc::new(TaskLog {
                frames: Mutex::default(),
                state: watch::Sender::new(State::Open(0)),
                total: Arc::clone(&self.total),
            })
        });
        (Arc::clone(log), log.state.subscribe())
    }

    /// Changes the frames of a task's log, and tells its readers.
    fn change<T>(&self, task: &str, change: impl Fn(&TaskLog, &mut Frames) -> T) -> T {
        loop {
            let (log, _kept) = self.log(task);
            let mut frames = lock(&log.frames);
            if frames.is_detached {
                // It was removed since it was looked up; the next look finds or makes another.
                continue;
            }
            let changed = change(&log, &mut frames);
            log.state.send_replace(State::Open(frames.last()));
            return changed;
        }
    }

    /// Sets the bytes of a frame aside, where the limits allow it.
    fn reserve(&self, log: &TaskLog, frames: &mut Frames, bytes: u64) -> Result<(), LogError> {
        let LiveLimits { keep, task, total } = self.limits;
        log.drop_safe(frames, |held| held + bytes > keep.min(task));
        if frames.bytes + bytes > task {
            return Err(LogError::Full {
                bytes: frames.bytes,
                limit: task,
            });
        }
        let fits = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= total);
        let reserve = || {
            self.total
                .try_update(Ordering::Relaxed, Ordering::Relaxed, fits)
        };
        if let Err(held) = reserve() {
            let needed = (held + bytes).saturating_sub(total);
            let target = frames.bytes.saturating_sub(needed);
            log.drop_safe(frames, |held| held > target);
            reserve().map_err(|bytes| LogError::Full {
                bytes,
                limit: total,
            })?;
        }
        frames.bytes += bytes;
        Ok(())
    }
}

impl TaskLog {
    /// Drops frames that are safe in the archive, as long as `is_over` says so of the bytes that are held.
    fn drop_safe(&self, frames: &mut Frames, is_over: impl Fn(u64) -> bool) {
        while is_over(frames.bytes) {
            let Some(frame) = frames.queue.pop_front_if(|frame| frame.seq <= frames.safe) else {
                return;
            };
            frames.dropped = frame.seq;
            frames.bytes -= frame.weight();
            self.total.fetch_sub(frame.weight(), Ordering::Relaxed);
        }
    }
}

impl Drop for TaskLog {
    fn drop(&mut self) {
        let bytes = lock(&self.frames).bytes;
        self.total.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Frames {
    fn last(&self) -> u64 {
        self.queue.back().map_or(self.dropped, |frame| frame.seq)
    }
}

#[async_trait]
impl LiveLog for MemoryStore {
    async fn last(&self, task: &str) -> Result<u64, LogError> {
        let log = lock(&self.logs).get(task).cloned();
        Ok(log.map_or(0, |log| lock(&log.frames).last()))
    }

    async fn subscribe(&self, task: &str, after: u64) -> Result<FrameStream, LogError> {
        crate::check_task_id(task)?;
        let (log, changes) = self.log(task);
        let subscriber = Subscriber {
            store: self.clone(),
            task: task.to_owned(),
            log,
            changes,
            after,
            ended: false,
        };
        let (dropped, _) = subscriber.batch();
        if after < dropped {
            return Err(LogError::Trimmed { first: dropped + 1 });
        }
        Ok(
            futures::stream::unfold(subscriber, |mut subscriber| async move {
                let batch = subscriber.next().await?;
                Some((batch, subscriber))
            })
            .boxed(),
        )
    }
}

#[async_trait]
impl LiveLogWriter for MemoryStore {
    async fn append(&self, task: &str, frames: &[Arc<Frame>]) -> Result<u64, LogError> {
        crate::check_task_id(task)?;
        self.change(task, |log, stored| {
            for frame in frames {
                let last = stored.last();
                let Some(frame) = frame.after(last) else {
                    continue;
                };
                if frame.first() > last + 1 {
                    return Err(LogError::Hole {
                        last,
                        found: frame.first(),
                    });
                }
                self.reserve(log, stored, frame.weight())?;
                stored.queue.push_back(frame);
            }
            Ok(stored.last())
        })
    }

    async fn trim(&self, task: &str, up_to: u64) -> Result<(), LogError> {
        crate::check_task_id(task)?;
        self.change(task, |log, frames| {
            frames.safe = frames.safe.max(up_to);
            if up_to > frames.last() {
                log.drop_safe(frames, |_| true);
                frames.dropped = up_to;
            } else {
                log.drop_safe(frames, |held| held > self.limits.keep);
            }
        });
        Ok(())
    }

    async fn remove(&self, task: &str) -> Result<(), LogError> {
        let removed = lock(&self.logs).remove(task);
        if let Some(log) = removed {
            let mut frames = lock(&log.frames);
            frames.is_detached = true;
            log.state.send_replace(State::Removed);
        }
        Ok(())
    }
}

struct Subscriber {
    store: MemoryStore,
    task: String,
    log: Arc<TaskLog>,
    changes: watch::Receiver<State>,
    after: u64,
    ended: bool,
}

impl Subscriber {
    async fn next(&mut self) -> Option<Result<Vec<Arc<Frame>>, LogError>> {
        if self.ended {
            return None;
        }
        loop {
            let state = *self.changes.borrow_and_update();
            let (dropped, batch) = self.batch();
            if self.after < dropped {
                self.ended = true;
                return Some(Err(LogError::Trimmed { first: dropped + 1 }));
            }
            if let Some(last) = batch.last() {
                self.after = last.seq;
                self.ended = last.is_end();
                return Some(Ok(batch));
            }
            if state == State::Removed || self.changes.changed().await.is_err() {
                self.ended = true;
                return Some(Err(LogError::Removed));
            }
        }
    }

    /// The last number that is not there any more, and the next frames.
    fn batch(&self) -> (u64, Vec<Arc<Frame>>) {
        let frames = lock(&self.log.frames);
        let start = frames
            .queue
            .partition_point(|frame| frame.seq <= self.after);
        let batch = frames.queue.range(start..).take(BATCH).cloned().collect();
        (frames.dropped, batch)
    }
}

impl Drop for Subscriber {
    /// A log that exists only because somebody waited for it goes with the last one who waits.
    fn drop(&mut self) {
        let mut logs = lock(&self.store.logs);
        let is_current = logs
            .get(&self.task)
            .is_some_and(|current| Arc::ptr_eq(current, &self.log));
        if !is_current || self.log.state.receiver_count() > 1 {
            return;
        }
        let mut frames = lock(&self.log.frames);
        if frames.last() == 0 {
            frames.is_detached = true;
            logs.remove(&self.task);
        }
    }
}

/// A panic elsewhere leaves these collections whole, so a poisoned lock is still usable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
