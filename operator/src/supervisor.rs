//! Owns every task that the operator spawns.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::Error;

/// Owns every task that the operator spawns: all end on shutdown, and one that dies ends the operator.
#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    tracker: TaskTracker,
    shutdown: CancellationToken,
    failed: tokio::sync::watch::Sender<Option<&'static str>>,
}

impl Supervisor {
    /// A supervisor whose tasks end with `shutdown`.
    #[must_use]
    pub fn new(shutdown: CancellationToken) -> Self {
        Self {
            shutdown,
            ..Self::default()
        }
    }

    /// Cancelled when everything has to end.
    #[must_use]
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Runs a task that may end by itself. On shutdown it is dropped at its next point of waiting.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        let failed = self.failed.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                result = AssertUnwindSafe(task).catch_unwind() => if result.is_err() {
                    failed.send_replace(Some(name));
                }
            }
        });
    }

    /// Runs a task that may end only on shutdown, which it sees by itself.
    pub fn spawn_vital(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        let failed = self.failed.clone();
        self.tracker.spawn(async move {
            let result = AssertUnwindSafe(task).catch_unwind().await;
            if result.is_err() || !shutdown.is_cancelled() {
                failed.send_replace(Some(name));
            }
        });
    }

    /// Waits for the shutdown, or for a task that died; then ends all tasks and waits for them.
    ///
    /// # Errors
    /// [`Error::Ended`] names the task that died.
    pub async fn run(&self) -> Result<(), Error> {
        let mut failed = self.failed.subscribe();
        let died = tokio::select! {
            () = self.shutdown.cancelled() => None,
            died = failed.wait_for(Option::is_some) => died.ok().and_then(|died| *died),
        };
        self.shutdown.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        died.map_or(Ok(()), |name| Err(Error::Ended(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_dies_ends_the_rest() {
        let supervisor = Supervisor::default();
        supervisor.spawn("a task that waits", std::future::pending());
        supervisor.spawn("a task that panics", async { panic!("as intended") });
        assert!(matches!(
            supervisor.run().await,
            Err(Error::Ended("a task that panics"))
        ));
    }

    #[tokio::test]
    async fn a_vital_task_must_not_end() {
        let supervisor = Supervisor::default();
        supervisor.spawn_vital("a vital task", async {});
        assert!(supervisor.run().await.is_err());
    }

    #[tokio::test]
    async fn shutdown_ends_everything() {
        let supervisor = Supervisor::default();
        supervisor.spawn("a task that waits", std::future::pending());
        supervisor.shutdown().cancel();
        supervisor.run().await.unwrap();
    }
}
