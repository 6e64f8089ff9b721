//! SIGTERM and SIGINT, and how the time that is left after them is divided.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// What has to be over by when, as a part of the grace period. The rest belongs to the end frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Codex may end by itself after SIGINT.
    Interrupt,
    /// And after SIGTERM.
    Terminate,
    /// All processes are gone and their output is read.
    Drain,
    /// The patch is written.
    Patch,
    /// The session is handed in.
    Session,
    /// The record of the log is handed in.
    Record,
    /// Whatever still hangs, for example a process in the kernel, is no longer waited for.
    GiveUp,
    /// Everything is written.
    End,
}

impl Phase {
    const fn percent(self) -> u32 {
        match self {
            Self::Interrupt => 33,
            Self::Terminate => 55,
            Self::Drain => 63,
            Self::Patch => 76,
            Self::Session => 83,
            Self::Record => 90,
            Self::GiveUp => 92,
            Self::End => 97,
        }
    }
}

/// Knows whether the runner was told to stop, and since when.
#[derive(Clone, Debug)]
pub struct Shutdown {
    since: watch::Receiver<Option<Instant>>,
    grace: Duration,
}

impl Shutdown {
    /// Listens for the signals from now on, for as long as the handle lives.
    ///
    /// # Errors
    /// The error of the system when a handler cannot be installed.
    pub fn listen(grace: Duration) -> std::io::Result<(Self, AbortOnDropHandle<()>)> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (sender, since) = watch::channel(None);
        let listener = tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            sender.send_replace(Some(Instant::now()));
            // A second signal changes nothing: the ladder is already on its way.
            sender.closed().await;
        });
        Ok((Self { since, grace }, AbortOnDropHandle::new(listener)))
    }

    /// Returns when the runner is told to stop.
    pub async fn requested(&self) {
        self.start().await;
    }

    /// Returns when a phase has to be over. Without a signal that is never.
    pub async fn over(&self, phase: Phase) {
        let start = self.start().await;
        tokio::time::sleep_until(start + self.grace * phase.percent() / 100).await;
    }

    async fn start(&self) -> Instant {
        let mut since = self.since.clone();
        let start = match since.wait_for(Option::is_some).await {
            Ok(start) => *start,
            Err(_) => None,
        };
        match start {
            Some(start) => start,
            // The listener is gone, so no signal will ever be reported.
            None => std::future::pending().await,
        }
    }
}
