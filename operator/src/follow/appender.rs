//! Takes frames out of the spool and appends them to the live log, for as long as that takes.
//!
//! A store that is full or away gets the same frames again, after pauses that grow. One that came back with less than it had is told
//! first what the archive has, so that nobody who reads it sees a gap where frames are only elsewhere, and gets the rest again.

use std::sync::Arc;
use std::time::Duration;

use codex_tasklog::{Body, Frame, LogError};
use tokio::time::Instant;

use super::LogStores;
use crate::checkpoint::Checkpoint;
use crate::metrics::Store;
use crate::spool::{Batch, Cursor, TaskSpool};

/// How long the archive has for one answer, before whoever watches gets what is there.
const ONE_ANSWER: Duration = Duration::from_secs(2);

pub(super) struct Appender {
    task: String,
    stores: LogStores,
    spool: Arc<TaskSpool>,
    cursor: Cursor,
    /// The number of the last frame that is in the live log.
    at: u64,
    trouble: Trouble,
}

/// A row of failures, of which the first and every long one are told.
struct Trouble {
    pause: Duration,
    is_told: bool,
}

impl Appender {
    pub(super) fn new(task: String, stores: LogStores, spool: Arc<TaskSpool>) -> Self {
        let trouble = Trouble::none(&stores);
        Self {
            task,
            stores,
            spool,
            cursor: Cursor::default(),
            at: 0,
            trouble,
        }
    }

    /// Runs until it is dropped.
    pub(super) async fn run(mut self) {
        self.align().await;
        loop {
            let frames = match self.spool.batch(&self.cursor, self.at).await {
                // The first may be a gap that begins before what the live log has.
                Batch::Frames(frames) => frames
                    .iter()
                    .filter_map(|frame| frame.after(self.at))
                    .collect::<Vec<_>>(),
                Batch::Missing => {
                    self.spool.rewind(self.at).await;
                    continue;
                }
            };
            self.stores
                .checkpoints
                .reached(Checkpoint::Spooled, &self.task)
                .await;
            match self.stores.live.append(&self.task, &frames).await {
                Ok(last) => self.is_appended(&frames, last).await,
                Err(LogError::Hole { last, .. }) => {
                    tracing::warn!(task.id = %self.task, last, expected = self.at, "the live log has less than it had");
                    self.align().await;
                }
                Err(error) => self.pause(&error).await,
            }
        }
    }

    async fn is_appended(&mut self, frames: &[Arc<Frame>], last: u64) {
        self.trouble = Trouble::none(&self.stores);
        let metrics = &self.stores.metrics;
        metrics
            .frames
            .inc_by(u64::try_from(frames.len()).unwrap_or(u64::MAX));
        for frame in frames {
            if let Body::Gap { count } = frame.body {
                tracing::warn!(task.id = %self.task, after = frame.first() - 1, missing = count, "frames are not in the container's log any more");
                metrics.lost_frames.inc_by(count);
            }
        }
        // Another operator may have come further in the meantime.
        self.at = frames.last().map_or(last, |frame| frame.seq.max(last));
        self.spool.appended(self.at);
        self.stores
            .checkpoints
            .reached(Checkpoint::Appended, &self.task)
            .await;
    }

    /// Finds out where to go on: after what the live log has, or after what the archive has, where that is more.
    async fn align(&mut self) {
        let mut progress = self.spool.progress();
        // The spool holds the sender.
        let _ = progress.wait_for(|progress| progress.is_open).await;
        let live = Arc::clone(&self.stores.live);
        let last = loop {
            match live.last(&self.task).await {
                Ok(last) => break last,
                Err(error) => self.pause(&error).await,
            }
        };
        let uploaded = self.uploaded(last).await;
        if uploaded > last {
            while let Err(error) = live.trim(&self.task, uploaded).await {
                self.pause(&error).await;
            }
        }
        self.at = last.max(uploaded);
        self.spool.skip_to(self.at);
        self.spool.appended(self.at);
        self.spool.archived(uploaded).await;
    }

    /// How far the archive is. One that is away is waited for, for some time, if the spool cannot go on after `last` without it.
    async fn uploaded(&self, last: u64) -> u64 {
        let timing = &self.stores.timing;
        let patience_ends = Instant::now() + timing.ask;
        loop {
            let asked = self.stores.archive.uploaded(&self.task);
            let error = match tokio::time::timeout(timing.ask.min(ONE_ANSWER), asked).await {
                Ok(Ok(uploaded)) => return uploaded,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            let next_try = Instant::now() + timing.last_pause;
            if tokio::time::timeout_at(next_try, self.has_next(last)).await == Ok(true) {
                return 0;
            }
            if next_try >= patience_ends {
                tracing::warn!(task.id = %self.task, %error, "the archive does not say what it has of the log; going on without");
                return 0;
            }
            tokio::time::sleep_until(next_try).await;
        }
    }

    /// Waits for a frame after `last`; answers whether it is the next one and not a gap.
    async fn has_next(&self, last: u64) -> bool {
        match self.spool.batch(&self.cursor, last).await {
            Batch::Frames(frames) => {
                let first = frames.first();
                first.is_some_and(|frame| !matches!(frame.body, Body::Gap { .. }))
            }
            Batch::Missing => false,
        }
    }

    async fn pause(&mut self, error: &LogError) {
        self.stores.metrics.append_errors.inc();
        self.stores.metrics.store_error(Store::Live);
        let Trouble { pause, is_told } = &mut self.trouble;
        if !std::mem::replace(is_told, true) {
            tracing::warn!(task.id = %self.task, %error, "frames wait in the spool, because the live log does not take them");
        }
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(self.stores.timing.last_pause);
    }
}

impl Trouble {
    const fn none(stores: &LogStores) -> Self {
        Self {
            pause: stores.timing.first_pause,
            is_told: false,
        }
    }
}
