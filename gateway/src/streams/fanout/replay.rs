//! Reads the store for viewers that are not in the ring: once for all who want the same part at the same time, or soon after.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::cache::{Cache, Found};
use super::feed::LogEnd;
use super::ring::Segment;
use super::store::{CHUNK, Chunk, Way};
use super::task::{Task, index};
use crate::streams::encode::View;

/// How many chunks are read at once: those who read the same log wait for each other once for all of them.
const CHUNKS: usize = 4;
/// Who is so many frames ahead of a load waits for it, because it will most likely pass there.
const NEAR: u64 = 8192;
/// How many open ways into stores are kept for the next load, in all. One holds a few megabytes where it reads an archive.
const IDLE: usize = 32;
/// How long they are kept at least.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many archives are read at once, in all.
const LOADS: usize = 64;

/// What all tasks share.
#[derive(Debug)]
pub struct Replays {
    /// What has been read.
    pub cache: Cache,
    idle: Arc<Semaphore>,
    loads: Semaphore,
}

impl Replays {
    /// Keeps at most `limit` bytes of what has been read.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            cache: Cache::new(limit),
            idle: Arc::new(Semaphore::new(IDLE)),
            loads: Semaphore::new(LOADS),
        }
    }
}

/// What is being read of one task.
#[derive(Default)]
pub struct Replay {
    /// By view and position. A load lives as long as a viewer waits for it.
    loads: Mutex<BTreeMap<(usize, u64), WeakShared<Load>>>,
    /// Ways that have come to a position, for whoever wants to go on from there.
    ways: Mutex<Vec<Idle>>,
}

type Load = BoxFuture<'static, Arc<Loaded>>;

struct Idle {
    view: View,
    position: u64,
    way: Way,
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

/// What a load has read: segments that follow each other.
struct Loaded {
    segments: Vec<Segment>,
    /// What follows the last of them, when that is the end.
    end: Option<(u64, LogEnd)>,
}

/// A viewer's reading.
#[derive(Default)]
pub struct Reading {
    load: Option<Shared<Load>>,
    /// Nobody else wants what comes after this position: it is in the middle of an event, or beyond the end.
    is_alone: bool,
}

impl Reading {
    /// What comes after a position.
    pub fn poll(
        &mut self,
        task: &Arc<Task>,
        view: View,
        position: u64,
        context: &mut Context<'_>,
    ) -> Poll<Chunk> {
        loop {
            let load = match &mut self.load {
                Some(load) => load,
                None => {
                    match task.shared.replays.cache.after((task.id, view), position) {
                        Some(Found::Bytes { bytes, last }) => {
                            return Poll::Ready(Chunk::Bytes { bytes, last });
                        }
                        Some(Found::End(end)) => return Poll::Ready(Chunk::End(end)),
                        Some(Found::Inside) => self.is_alone = true,
                        None => {}
                    }
                    self.load.insert(load(task, view, position, self.is_alone))
                }
            };
            let loaded = ready!(Pin::new(load).poll(context));
            self.load = None;
            match loaded.after(position) {
                Some(chunk) => {
                    self.is_alone = false;
                    return Poll::Ready(chunk);
                }
                // It was somebody else's load, which did not pass here.
                None => self.is_alone = true,
            }
        }
    }
}

impl Loaded {
    fn after(&self, position: u64) -> Option<Chunk> {
        let covers = |segment: &&Segment| segment.after <= position && position < segment.last;
        if let Some(segment) = self.segments.iter().find(covers) {
            return match segment.found(position) {
                Found::Bytes { bytes, last } => Some(Chunk::Bytes { bytes, last }),
                _ => None,
            };
        }
        let (_, end) = self.end.filter(|(after, _)| *after == position)?;
        Some(Chunk::End(end))
    }
}

/// The load that comes to a position, or begins there.
fn load(task: &Arc<Task>, view: View, position: u64, is_alone: bool) -> Shared<Load> {
    let mut loads = lock(&task.replay.loads);
    let first = match is_alone {
        true => position,
        false => position.saturating_sub(NEAR),
    };
    let near = loads.range((index(view), first)..=(index(view), position));
    if let Some(load) = near.rev().find_map(|(_, load)| load.upgrade()) {
        return load;
    }
    // Nobody waits for the others any more.
    loads.retain(|_, load| load.upgrade().is_some());
    let load = run(Arc::clone(task), view, position).boxed().shared();
    if let Some(weak) = load.downgrade() {
        loads.insert((index(view), position), weak);
    }
    load
}

async fn run(task: Arc<Task>, view: View, position: u64) -> Arc<Loaded> {
    let shared = Arc::clone(&task.shared);
    let replays = &shared.replays;
    // The log of a task that runs may have to be waited for, and costs little memory.
    let is_finished = *task.finished.borrow();
    let _permit = match is_finished {
        true => replays.loads.acquire().await.ok(),
        false => None,
    };
    let mut way = task
        .replay
        .take_way(view, position)
        .unwrap_or_else(|| Way::new(task.feed(position), view));
    let mut loaded = Loaded {
        segments: Vec::new(),
        end: None,
    };
    let mut after = position;
    while loaded.segments.len() < CHUNKS && loaded.end.is_none() {
        let next = match loaded.segments.is_empty() {
            true => Some(way.next().await),
            // Nothing is waited for once there is something to hand out.
            false => way.next().now_or_never(),
        };
        match next {
            Some(Chunk::Bytes { bytes, last }) => {
                shared.metrics.stream_store_chunks.inc();
                let is_whole = bytes.len() >= CHUNK;
                let segment = Segment { after, last, bytes };
                replays.cache.put((task.id, view), segment.clone());
                loaded.segments.push(segment);
                after = last;
                if !is_whole {
                    break;
                }
            }
            Some(Chunk::End(end)) => {
                if end.is_complete {
                    replays.cache.put_end((task.id, view), after, end);
                }
                loaded.end = Some((after, end));
            }
            None => break,
        }
    }
    if loaded.end.is_none()
        && let Ok(permit) = Arc::clone(&replays.idle).try_acquire_owned()
    {
        lock(&task.replay.ways).push(Idle {
            view,
            position: after,
            way,
            since: Instant::now(),
            _permit: permit,
        });
    }
    // What is loaded is in the cache now, or was too large for it; the next one to come looks there, or loads it again.
    lock(&task.replay.loads).remove(&(index(view), position));
    Arc::new(loaded)
}

impl Replay {
    /// Closes the ways that nobody goes on with.
    pub fn rest(&self) {
        lock(&self.ways).retain(|idle| idle.since.elapsed() < PATIENCE);
    }

    fn take_way(&self, view: View, position: u64) -> Option<Way> {
        let mut ways = lock(&self.ways);
        let at = ways
            .iter()
            .position(|idle| idle.view == view && idle.position == position)?;
        Some(ways.swap_remove(at).way)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is a single call, so a panic cannot leave it half-done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
