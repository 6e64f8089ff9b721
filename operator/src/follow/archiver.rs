//! Puts the log of a task into the archive while it runs, and completes it when the task has ended.
//!
//! Frames come out of the live log, so that a store that stalls holds up nobody else; the live log drops frames only after they are
//! told to be safe here. Whatever fails is tried again with pauses that grow, from where the archive is.

use std::time::Duration;

use codex_crds::{CodexTask, Phase};
use codex_tasklog::{ArchiveWriter, Body, End, Frame, FrameHasher, LogError, Repair};
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use std::sync::Arc;
use tokio::sync::watch;

use super::{LogStores, Picks};
use crate::checkpoint::Checkpoint;
use crate::domain::outcome::Outcome;
use crate::metrics::Store;
use crate::spool::TaskSpool;

const LAST_PAUSE: Duration = Duration::from_secs(300);

/// How far the archive is.
#[derive(Clone, Debug)]
pub enum ArchiveReport {
    /// Nothing has been written to it since the operator started.
    Starting,
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

/// What an archiver works on.
pub(super) struct Job {
    pub(super) task: String,
    pub(super) reference: ObjectRef<CodexTask>,
    /// How the task ended, once it has.
    pub(super) outcome: watch::Receiver<Option<Outcome>>,
    pub(super) stores: LogStores,
    pub(super) spool: Arc<TaskSpool>,
    pub(super) report: watch::Sender<ArchiveReport>,
}

pub(super) struct Archiver {
    job: Job,
    /// Goes on after a failure where it was.
    writer: Option<ArchiveWriter>,
}

impl Archiver {
    pub(super) const fn new(job: Job) -> Self {
        Self { job, writer: None }
    }

    pub(super) async fn run(mut self) {
        let mut pause = self.job.stores.timing.archive_pause;
        let mut uploaded = 0;
        loop {
            let error = match self.write().await {
                Ok(archived) => {
                    self.tell(ArchiveReport::Done(archived)).await;
                    return;
                }
                Err(error) => error,
            };
            tracing::warn!(task.id = %self.job.task, %error, "the log could not be archived; trying again");
            self.job.stores.metrics.archive_errors.inc();
            self.job.stores.metrics.store_error(Store::Archive);
            self.tell(ArchiveReport::Failing(error.to_string())).await;
            if matches!(error, LogError::Damaged(_) | LogError::Hole { .. }) {
                // What is in the archive is not what the writer believes; a new one looks at it.
                self.writer = None;
            }
            let reached = self.writer.as_ref().map_or(0, ArchiveWriter::uploaded);
            if reached > uploaded {
                uploaded = reached;
                pause = self.job.stores.timing.archive_pause;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // The end of a task is worth a try at once.
                Ok(()) = self.job.outcome.changed() => {}
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Reports. A pass is asked for when the task waits for its archive, and when the archive begins or ceases to fail.
    async fn tell(&self, report: ArchiveReport) {
        let before = self.job.report.send_replace(report);
        let is_failing = matches!(*self.job.report.borrow(), ArchiveReport::Failing(_));
        // A status from before the start may say that it fails.
        let is_news = is_failing != matches!(before, ArchiveReport::Failing(_))
            || matches!(before, ArchiveReport::Starting);
        if is_news || self.job.outcome.borrow().is_some() {
            // The queue ends only when the operator does.
            let _ = self.job.stores.wake.send(self.job.reference.clone()).await;
        }
    }

    /// The store works again, as far as can be seen.
    async fn recover(&self) {
        if matches!(*self.job.report.borrow(), ArchiveReport::Failing(_)) {
            tracing::info!(task.id = %self.job.task, "the log is archived again");
            self.tell(ArchiveReport::Working).await;
        }
    }

    async fn write(&mut self) -> Result<Archived, LogError> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.job.stores.archive.writer(&self.job.task).await?,
        };
        let written = self.write_with(&mut writer).await;
        let location = writer.location();
        self.writer = Some(writer);
        written?;
        self.read_back(location).await
    }

    async fn write_with(&mut self, writer: &mut ArchiveWriter) -> Result<(), LogError> {
        // What waits since a failure shows whether the store takes anything.
        writer.flush().await?;
        self.recover().await;
        self.trim(writer).await;
        let outcome = self.upload(writer).await?;
        self.repair(writer).await?;
        if !writer.has_ended() {
            let end = [Arc::new(end_frame(writer, &outcome))];
            let appended = self.job.stores.live.append(&self.job.task, &end).await;
            match appended {
                // Frames that came out of the archive need not be in the live log.
                Ok(_) | Err(LogError::Hole { .. }) => {}
                Err(error) => return Err(error),
            }
            writer.append(&end).await?;
        }
        writer.flush().await?;
        self.is_uploaded(writer).await;
        writer.finish().await?;
        self.reached(Checkpoint::ManifestWritten).await;
        self.trim(writer).await;
        Ok(())
    }

    /// Takes what is missing from the record that the runner uploaded, where there is one.
    async fn repair(&self, writer: &mut ArchiveWriter) -> Result<(), LogError> {
        let task = &self.job.task;
        if !writer.needs_repair().await? {
            return Ok(());
        }
        let _turn = self.job.stores.repairs.turn().await;
        match writer.repair().await? {
            Repair::Whole | Repair::NoRecord => {}
            Repair::Filled(frames) => {
                tracing::info!(task.id = %task, frames, "the archive has frames from the record of the runner");
                self.job.stores.metrics.repaired_frames.inc_by(frames);
            }
            Repair::Refused(problem) => {
                tracing::warn!(task.id = %task, %problem, "the record of the runner cannot fill what is missing in the log");
            }
        }
        Ok(())
    }

    /// Uploads until the task has ended and all that the live log has of it is with the writer.
    async fn upload(&mut self, writer: &mut ArchiveWriter) -> Result<Outcome, LogError> {
        let live = Arc::clone(&self.job.stores.live);
        let mut progress = self.job.spool.progress();
        let mut frames = None;
        loop {
            let outcome = self.job.outcome.borrow_and_update().clone();
            let spooled = *progress.borrow_and_update();
            let is_over = outcome.is_some();
            if let Some(outcome) = outcome {
                // The end of the log may still be on its way to the live log.
                let has_all = spooled.is_open && writer.last() >= spooled.peak;
                if writer.has_ended()
                    || has_all && writer.last() >= live.last(&self.job.task).await?
                {
                    return Ok(outcome);
                }
            }
            let stream = match &mut frames {
                Some(stream) => stream,
                None => match live.subscribe(&self.job.task, writer.last()).await {
                    Ok(stream) => frames.insert(stream),
                    Err(LogError::Trimmed { first }) => {
                        self.catch_up(writer, first).await?;
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            let due = writer.due();
            tokio::select! {
                batch = stream.next(), if !writer.has_ended() => match batch {
                    Some(Ok(batch)) => {
                        let safe = writer.uploaded();
                        writer.append(&batch).await?;
                        if writer.uploaded() > safe {
                            self.is_uploaded(writer).await;
                        }
                    }
                    Some(Err(LogError::Trimmed { first })) => {
                        self.catch_up(writer, first).await?;
                        frames = None;
                    }
                    Some(Err(error)) => return Err(error),
                    None => return Err(LogError::Removed),
                },
                () = until(due) => {
                    writer.flush().await?;
                    self.is_uploaded(writer).await;
                }
                _ = progress.changed(), if is_over => {}
                changed = self.job.outcome.changed() => if changed.is_err() {
                    // Nobody waits for this archive any more, and whoever dropped the other side ends this task.
                    std::future::pending::<()>().await;
                },
            }
        }
    }

    /// The live log begins with `first`, so another operator has archived what is before it.
    async fn catch_up(&self, writer: &mut ArchiveWriter, first: u64) -> Result<(), LogError> {
        *writer = self.job.stores.archive.writer(&self.job.task).await?;
        let last = writer.last();
        if last + 1 < first {
            let missing = first - 1 - last;
            tracing::error!(task.id = %self.job.task, after = last, missing, "frames are neither live nor in the archive");
            self.job.stores.metrics.lost_frames.inc_by(missing);
            let gap = Frame {
                seq: first - 1,
                ts: Timestamp::now().to_string(),
                body: Body::Gap { count: missing },
            };
            writer.append(&[Arc::new(gap)]).await?;
        }
        Ok(())
    }

    async fn is_uploaded(&self, writer: &ArchiveWriter) {
        if matches!(*self.job.report.borrow(), ArchiveReport::Starting) {
            self.tell(ArchiveReport::Working).await;
        }
        self.reached(Checkpoint::ChunkUploaded).await;
        self.trim(writer).await;
    }

    async fn reached(&self, point: Checkpoint) {
        let checkpoints = &self.job.stores.checkpoints;
        checkpoints.reached(point, &self.job.task).await;
    }

    /// Tells live log and spool what they may drop. Where that fails, it keeps more than it must, and hears of it the next time.
    async fn trim(&self, writer: &ArchiveWriter) {
        let safe = writer.uploaded();
        if safe == 0 {
            return;
        }
        if let Err(error) = self.job.stores.live.trim(&self.job.task, safe).await {
            tracing::debug!(task.id = %self.job.task, %error, "the live log was not told what is archived");
        }
        self.job.spool.archived(safe).await;
    }

    /// Reads the archive as others will: only what comes back whole lets the Pod go.
    async fn read_back(&self, location: String) -> Result<Archived, LogError> {
        let archive = self.job.stores.archive.read(&self.job.task, 0).await?;
        let mut frames =
            archive.ok_or_else(|| LogError::Damaged("the manifest is not there".to_owned()))?;
        let mut check = Check::default();
        let mut picks = Picks::default();
        while let Some(batch) = frames.next().await {
            for frame in batch? {
                picks.look(&frame);
                check.take(&frame);
            }
        }
        Ok(Archived {
            location,
            last: check.last,
            problem: check.problem(),
            picks,
        })
    }
}

async fn until(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The end frame that the runner did not write, so that every log says how it ended.
fn end_frame(writer: &ArchiveWriter, outcome: &Outcome) -> Frame {
    let last = writer.last();
    Frame {
        seq: last + 1,
        ts: Timestamp::now().to_string(),
        body: Body::End(End {
            exit_code: outcome.exit_code,
            last,
            sha256: writer.hash(),
            spooled: None,
            reason: (outcome.phase != Phase::Completed).then(|| outcome.reason.clone()),
            message: outcome.message.clone(),
            ..End::default()
        }),
    }
}

/// Compares a log with what its end frame says of it.
#[derive(Default)]
struct Check {
    last: u64,
    lost: u64,
    hasher: FrameHasher,
    end: Option<End>,
}

impl Check {
    fn take(&mut self, frame: &Frame) {
        self.last = frame.seq;
        self.hasher.update(frame);
        match &frame.body {
            Body::Gap { count } => self.lost += count,
            Body::End(end) => self.end = Some(end.clone()),
            Body::Line { .. } | Body::Event { .. } | Body::Beat => {}
        }
    }

    /// What is missing or wrong.
    fn problem(&self) -> Option<String> {
        if self.lost > 0 {
            return Some(format!("{} frames of the log are lost", self.lost));
        }
        let Some(end) = &self.end else {
            return Some("the log has no end frame".into());
        };
        if end.last + 1 != self.last {
            return Some(format!(
                "the log has {} frames, but its end frame speaks of {}",
                self.last - 1,
                end.last
            ));
        }
        (end.sha256 != self.hasher.hex()).then(|| "the hash of the log is wrong".to_owned())
    }
}
