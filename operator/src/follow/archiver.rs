//! Puts the complete log of a finished task into the archive.

use std::sync::Arc;
use std::time::Duration;

use codex_crds::{CodexTask, Phase};
use codex_tasklog::{Body, End, Frame, FrameHasher, LogError};
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::watch;

use super::{LogStores, Picks};
use crate::domain::outcome::Outcome;

const LAST_PAUSE: Duration = Duration::from_secs(300);

/// How far the archive is.
#[derive(Clone, Debug)]
pub enum ArchiveReport {
    /// It is being written.
    Working,
    /// The store refuses, for this reason; it is tried again.
    Failing(String),
    /// It is complete.
    Done(Archived),
}

/// A complete archive.
#[derive(Clone, Debug, Default)]
pub struct Archived {
    /// Where it is.
    pub location: String,
    /// The number of its last frame.
    pub last: u64,
    /// What is missing or wrong in it.
    pub problem: Option<String>,
    /// What its events say.
    pub picks: Picks,
}

pub(super) struct Archiver {
    task: String,
    reference: ObjectRef<CodexTask>,
    outcome: Outcome,
    stores: LogStores,
    report: watch::Sender<ArchiveReport>,
}

impl Archiver {
    pub(super) const fn new(
        task: String,
        reference: ObjectRef<CodexTask>,
        outcome: Outcome,
        stores: LogStores,
        report: watch::Sender<ArchiveReport>,
    ) -> Self {
        Self {
            task,
            reference,
            outcome,
            stores,
            report,
        }
    }

    pub(super) async fn run(self) {
        let mut pause = self.stores.timing.archive_pause;
        loop {
            match self.write().await {
                Ok(archived) => {
                    self.tell(ArchiveReport::Done(archived)).await;
                    return;
                }
                Err(error) => {
                    tracing::warn!(task.id = %self.task, %error, "the log could not be archived; trying again");
                    self.stores.metrics.archive_errors.add(1);
                    self.tell(ArchiveReport::Failing(error.to_string())).await;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    async fn tell(&self, report: ArchiveReport) {
        self.report.send_replace(report);
        // The queue ends only when the operator does.
        let _ = self.stores.wake.send(self.reference.clone()).await;
    }

    async fn write(&self) -> Result<Archived, LogError> {
        let mut frames = self.live_frames().await?;
        if frames.is_empty() {
            // An operator that died after archiving left a complete log there, which may be nowhere else any more.
            frames = self.archived_frames().await?;
        }
        if !frames.last().is_some_and(|frame| frame.is_end()) {
            let end = Arc::new(self.end_frame(&frames));
            self.stores
                .live
                .append(&self.task, std::slice::from_ref(&end))
                .await
                .or_else(|error| match error {
                    // Frames that came out of the archive are not in the live log.
                    LogError::Hole { .. } => Ok(0),
                    error => Err(error),
                })?;
            frames.push(end);
        }
        let location = self.stores.archive.put(&self.task, &frames).await?;
        let mut picks = Picks::default();
        for frame in &frames {
            picks.look(frame);
        }
        Ok(Archived {
            location,
            last: frames.last().map_or(0, |frame| frame.seq),
            problem: problem(&frames),
            picks,
        })
    }

    async fn live_frames(&self) -> Result<Vec<Arc<Frame>>, LogError> {
        let last = self.stores.live.last(&self.task).await?;
        let mut frames: Vec<Arc<Frame>> = Vec::new();
        if last == 0 {
            return Ok(frames);
        }
        let mut stream = self.stores.live.subscribe(&self.task, 0).await?;
        while frames.last().is_none_or(|frame| frame.seq < last) {
            match stream.next().await {
                Some(batch) => frames.extend(batch?),
                None => break,
            }
        }
        Ok(frames)
    }

    /// The archive of an earlier try, where it is complete.
    async fn archived_frames(&self) -> Result<Vec<Arc<Frame>>, LogError> {
        let mut frames = Vec::new();
        let Some(mut stream) = self.stores.archive.read(&self.task, 0).await? else {
            return Ok(frames);
        };
        while let Some(batch) = stream.next().await {
            match batch {
                Ok(batch) => frames.extend(batch),
                // What cannot be read is worth nothing; it is replaced.
                Err(LogError::Damaged(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
        }
        if !frames
            .last()
            .is_some_and(|frame: &Arc<Frame>| frame.is_end())
        {
            frames.clear();
        }
        Ok(frames)
    }

    /// The end frame that the runner did not write, so that every log says how it ended.
    fn end_frame(&self, frames: &[Arc<Frame>]) -> Frame {
        let last = frames.last().map_or(0, |frame| frame.seq);
        Frame {
            seq: last + 1,
            ts: Timestamp::now().to_string(),
            body: Body::End(End {
                exit_code: self.outcome.exit_code,
                last,
                sha256: hash(frames),
                reason: (self.outcome.phase != Phase::Completed)
                    .then(|| self.outcome.reason.clone()),
                message: self.outcome.message.clone(),
            }),
        }
    }
}

fn hash(frames: &[Arc<Frame>]) -> String {
    let mut hasher = FrameHasher::default();
    for frame in frames {
        hasher.update(frame);
    }
    hasher.hex()
}

/// What is missing or wrong in a log that ends with an end frame.
fn problem(frames: &[Arc<Frame>]) -> Option<String> {
    let lost: u64 = frames
        .iter()
        .map(|frame| match frame.body {
            Body::Gap { count } => count,
            _ => 0,
        })
        .sum();
    if lost > 0 {
        return Some(format!("{lost} frames of the log are lost"));
    }
    let Body::End(end) = &frames.last()?.body else {
        return Some("the log has no end frame".into());
    };
    let last = frames.last()?.seq;
    if end.last + 1 != last {
        return Some(format!(
            "the log has {} frames, but its end frame speaks of {}",
            last - 1,
            end.last
        ));
    }
    (end.sha256 != hash(frames)).then(|| "the hash of the log is wrong".to_owned())
}
