//! When each `CodexTask` was first seen by a watch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::StreamExt as _;
use kube::runtime::watcher::{self, Event};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::stage::Stage;

/// What waits in the outbox after a measurement is made by then.
const PATIENCE: Duration = Duration::from_secs(120);

/// Watches for as long as this value lives.
pub(crate) struct Sightings {
    seen: Arc<Mutex<HashMap<String, Instant>>>,
    changes: watch::Receiver<u64>,
    _watch: JoinSet<()>,
}

impl Sightings {
    /// Begins to watch the tasks of all namespaces.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub(crate) async fn start(stage: &Stage) -> Result<Self> {
        let seen = Arc::<Mutex<HashMap<String, Instant>>>::default();
        let (sender, mut changes) = watch::channel(0);
        let noted = Arc::clone(&seen);
        // Only the metadata, so that the watch costs little beside what is measured.
        let events = watcher::watcher(stage.all_tasks(), watcher::Config::default());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                let now = Instant::now();
                match event {
                    Ok(Event::Apply(task) | Event::InitApply(task)) => {
                        if let Some(name) = task.metadata.name {
                            lock(&noted).entry(name).or_insert(now);
                        }
                    }
                    Ok(_) => {}
                    // It goes on with a list; what was missed is seen too late then, and that shows.
                    Err(error) => eprintln!("  the tasks cannot be watched: {error}"),
                }
                sender.send_modify(|count| *count += 1);
            }
        });
        // Init, and the end of the first list.
        changes.wait_for(|count| *count >= 2).await?;
        Ok(Self {
            seen,
            changes,
            _watch: task,
        })
    }

    /// How long after their begin the tasks were seen; waits until all were.
    ///
    /// # Errors
    /// When one is not seen in time.
    pub(crate) async fn after(&self, made: &[(String, Instant)]) -> Result<Vec<Duration>> {
        let mut changes = self.changes.clone();
        let all = changes.wait_for(|_| {
            let seen = lock(&self.seen);
            made.iter().all(|(name, _)| seen.contains_key(name))
        });
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            bail!("not all of {} CodexTasks came to be", made.len());
        }
        let mut seen = lock(&self.seen);
        let waits = made
            .iter()
            .filter_map(|(name, begun)| Some(seen.get(name)?.duration_since(*begun)))
            .collect();
        seen.clear();
        Ok(waits)
    }
}

fn lock<T>(seen: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
