//! One log, many viewers.
//!
//! Each task that somebody watches has one driver, which reads its log once, encodes each event once for each view, and freezes what has come
//! together into a segment of the view's [`ring`]. A [`Viewer`] is a position: it hands out whole segments, which all connections share.
//! One that is not in the ring, because it began earlier or does not keep up, reads the store in chunks until it meets the ring again. Those
//! who want the same chunks read them once, together or out of the [`cache`]. So slow clients lose nothing, hold nobody up, and nothing
//! queues up for them.
//!
//! This needs no database and no HTTP: statuses come from [`TaskStates`](crate::tasks::states::TaskStates), frames from a
//! [`Source`](feed::Source), and [`Oversight`] says what else there is to look after.

mod cache;
mod driver;
pub mod feed;
mod replay;
pub mod ring;
mod store;
mod task;
#[cfg(test)]
mod tests;
mod viewer;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use self::feed::Source;
use self::replay::Replays;
use self::task::Task;
pub use self::viewer::{EventBody, Viewer};
use crate::metrics::Metrics;
use crate::streams::encode::View;
use crate::streams::slots::Slot;
use crate::tasks::states::Watch;

/// How often a viewer is woken at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Every millisecond, and every 10 ms where there are many of them: for programs.
    #[default]
    Fast = 0,
    /// Every 50 ms, for eyes; costs half the processor time.
    Calm = 1,
}

/// What the pace sets aside for waking one viewer, most of which is a write into a socket: three to seven microseconds were measured, so that at
/// most a third of a core does nothing else.
const WAKE_UP: Duration = Duration::from_micros(20);

impl Pace {
    /// The shortest time between two wake-ups of so many viewers. Few cost so little that nobody gains anything by keeping them waiting.
    #[must_use]
    pub fn interval(self, viewers: usize) -> Duration {
        match self {
            Self::Fast => WAKE_UP
                .saturating_mul(u32::try_from(viewers).unwrap_or(u32::MAX))
                .clamp(Duration::from_millis(1), Duration::from_millis(10)),
            Self::Calm => Duration::from_millis(50),
        }
    }
}

/// What a viewer wants.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The task; the caller has checked that the user may see it.
    pub task: Uuid,
    /// The user who looks.
    pub user: Uuid,
    /// The number of the last frame that the client has.
    pub after: u64,
    /// Which events it wants.
    pub view: View,
    /// How often it wants to be woken.
    pub pace: Pace,
}

/// Sizes and times.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What a ring holds at most, in bytes.
    pub ring_bytes: usize,
    /// What all rings hold together, in bytes: when there are many, each holds less.
    pub total_bytes: usize,
    /// What is kept of the parts of logs that are read from the store, for others who want the same, in bytes.
    pub cache_bytes: usize,
    /// The time between two signs of life.
    pub heartbeat: Duration,
    /// How long a log is read on after its last viewer went, for those who connect again.
    pub linger: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring_bytes: 4 * 1024 * 1024,
            total_bytes: 256 * 1024 * 1024,
            cache_bytes: 64 * 1024 * 1024,
            heartbeat: Duration::from_secs(15),
            linger: Duration::from_secs(5),
        }
    }
}

/// What has to be looked after while a task is watched. It is asked at every heartbeat.
#[async_trait]
pub trait Oversight: Send + Sync + 'static {
    /// Brings the status of a task up to date, and answers which of the users may not look any more.
    async fn look_after(&self, task: Uuid, is_final: bool, users: Vec<Uuid>) -> Vec<Uuid>;
}

/// For logs without users.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOversight;

#[async_trait]
impl Oversight for NoOversight {
    async fn look_after(&self, _: Uuid, _: bool, _: Vec<Uuid>) -> Vec<Uuid> {
        Vec::new()
    }
}

/// The tasks that somebody watches. Clones share them.
#[derive(Clone)]
pub struct TaskStreams {
    inner: Arc<Inner>,
}

/// What all tasks share.
pub struct Inner {
    source: Source,
    options: Options,
    metrics: Arc<Metrics>,
    tasks: Mutex<HashMap<Uuid, Arc<Task>>>,
    rings: AtomicUsize,
    replays: Replays,
    drivers: TaskTracker,
    shutdown: CancellationToken,
}

impl TaskStreams {
    /// Nothing is read before the first viewer comes. Everything ends with `shutdown`.
    #[must_use]
    pub fn new(
        source: Source,
        options: Options,
        metrics: Arc<Metrics>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                source,
                options,
                metrics,
                tasks: Mutex::default(),
                rings: AtomicUsize::new(0),
                replays: Replays::new(options.cache_bytes),
                drivers: TaskTracker::new(),
                shutdown,
            }),
        }
    }

    /// A new viewer, who gets the present status first. `watch` must have been registered before the present status was published;
    /// without a status there is no task, and no viewer.
    pub fn join(
        &self,
        request: Request,
        mut watch: Watch,
        oversight: &Arc<dyn Oversight>,
        slot: Option<Slot>,
    ) -> Option<Viewer> {
        let history = watch.history();
        let present = Arc::clone(history.present()?);
        let mut tasks = self.inner.lock();
        let (task, is_new) = match tasks.entry(request.task) {
            Entry::Occupied(entry) => (Arc::clone(entry.get()), false),
            Entry::Vacant(entry) => {
                let task = Task::new(request.task, Arc::clone(&self.inner), history);
                (Arc::clone(entry.insert(Arc::new(task))), true)
            }
        };
        // The viewer counts before the registry is released, so that the driver does not leave in between.
        let viewer = Viewer::new(Arc::clone(&task), request, present, slot);
        drop(tasks);
        if is_new {
            let driver = driver::Driver::new(task, watch, Arc::clone(oversight), request.after);
            self.inner.drivers.spawn(driver.run());
        } else {
            task.control.notify_one();
        }
        Some(viewer)
    }

    /// Owns whatever a viewer needs beside its connection; [`Self::ended`] waits for it.
    #[must_use]
    pub fn tracker(&self) -> &TaskTracker {
        &self.inner.drivers
    }

    /// Ends with the shutdown.
    #[must_use]
    pub fn shutdown(&self) -> &CancellationToken {
        &self.inner.shutdown
    }

    /// Waits for the shutdown and for everything that was started.
    pub async fn ended(&self) {
        self.inner.shutdown.cancelled().await;
        self.inner.drivers.close();
        self.inner.drivers.wait().await;
    }

    /// How much is kept of what was read from the store, in bytes.
    #[must_use]
    pub fn cached(&self) -> usize {
        self.inner.replays.cache.bytes()
    }

    /// How many tasks are watched.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.inner.lock().len()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Task>>> {
        // Every change of the map is a single call, so a panic cannot leave it half-done.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one ring may hold now.
    fn ring_limit(&self) -> usize {
        let rings = self.rings.load(Ordering::Relaxed).max(1);
        (self.options.total_bytes / rings).min(self.options.ring_bytes)
    }
}
