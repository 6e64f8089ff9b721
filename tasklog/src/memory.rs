//! The live store in the memory of one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt as _;
use tokio::sync::watch;

use crate::error::LogError;
use crate::frame::Frame;
use crate::live::{FrameStream, LiveLog, LiveLogWriter};

/// How many frames a subscriber gets at once.
const BATCH: usize = 256;

/// The live store in the memory of one process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    logs: Arc<Mutex<HashMap<String, Arc<TaskLog>>>>,
}

#[derive(Debug)]
struct TaskLog {
    frames: Mutex<Vec<Arc<Frame>>>,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The log reaches to this number.
    Open(u64),
    Removed,
}

impl MemoryStore {
    /// All frames of a task that are there now.
    #[must_use]
    pub fn snapshot(&self, task: &str) -> Vec<Arc<Frame>> {
        let log = lock(&self.logs).get(task).cloned();
        log.map(|log| lock(&log.frames).clone()).unwrap_or_default()
    }

    fn log(&self, task: &str) -> Arc<TaskLog> {
        Arc::clone(lock(&self.logs).entry(task.to_owned()).or_insert_with(|| {
            Arc::new(TaskLog {
                frames: Mutex::new(Vec::new()),
                state: watch::Sender::new(State::Open(0)),
            })
        }))
    }
}

#[async_trait]
impl LiveLog for MemoryStore {
    async fn last(&self, task: &str) -> Result<u64, LogError> {
        let log = lock(&self.logs).get(task).cloned();
        Ok(log.map_or(0, |log| last_of(&lock(&log.frames))))
    }

    async fn subscribe(&self, task: &str, after: u64) -> Result<FrameStream, LogError> {
        crate::check_task_id(task)?;
        let log = self.log(task);
        let changes = log.state.subscribe();
        let subscriber = Subscriber {
            store: self.clone(),
            task: task.to_owned(),
            log,
            changes,
            after,
            ended: false,
        };
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
        let log = self.log(task);
        let mut stored = lock(&log.frames);
        let mut last = last_of(&stored);
        for frame in frames {
            if frame.seq <= last {
                continue;
            }
            if frame.first() > last + 1 {
                log.state.send_replace(State::Open(last));
                return Err(LogError::Hole {
                    last,
                    found: frame.first(),
                });
            }
            stored.push(Arc::clone(frame));
            last = frame.seq;
        }
        drop(stored);
        log.state.send_replace(State::Open(last));
        Ok(last)
    }

    async fn remove(&self, task: &str) -> Result<(), LogError> {
        let removed = lock(&self.logs).remove(task);
        if let Some(log) = removed {
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
            let batch = self.batch();
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

    fn batch(&self) -> Vec<Arc<Frame>> {
        let frames = lock(&self.log.frames);
        let start = frames.partition_point(|frame| frame.seq <= self.after);
        frames[start..].iter().take(BATCH).map(Arc::clone).collect()
    }
}

impl Drop for Subscriber {
    /// A log that exists only because somebody waited for it goes with the last one who waits.
    fn drop(&mut self) {
        let mut logs = lock(&self.store.logs);
        let is_current = logs
            .get(&self.task)
            .is_some_and(|current| Arc::ptr_eq(current, &self.log));
        if is_current && self.log.state.receiver_count() <= 1 && lock(&self.log.frames).is_empty() {
            logs.remove(&self.task);
        }
    }
}

fn last_of(frames: &[Arc<Frame>]) -> u64 {
    frames.last().map_or(0, |frame| frame.seq)
}

/// A panic elsewhere leaves these collections whole, so a poisoned lock is still usable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
