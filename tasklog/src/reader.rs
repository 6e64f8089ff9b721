//! Everything after a number, without gap or repeat: from the archive where the task is finished, else live, and what the live log
//! does not have any more from the chunks that are uploaded already.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::watch;

use crate::archive::Archive;
use crate::error::LogError;
use crate::frame::{Body, Frame};
use crate::live::{FrameStream, LiveLog};
use crate::silence;

const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// Reads the log of any task.
#[derive(Clone)]
pub struct Reader {
    live: Arc<dyn LiveLog>,
    archive: Arc<dyn Archive>,
}

impl Reader {
    /// A reader over a live store and an archive.
    pub fn new(live: Arc<dyn LiveLog>, archive: Arc<dyn Archive>) -> Self {
        Self { live, archive }
    }

    /// All frames of a task after number `after`, each once and in order, until the log ends.
    ///
    /// `finished` tells when the task has reached its final state; only then is the archive asked. A store that is away is
    /// tried again for as long as the stream is polled; the stream yields an error only for a damaged archive.
    #[must_use]
    pub fn follow(&self, task: &str, after: u64, finished: watch::Receiver<bool>) -> FrameStream {
        let follower = Follower {
            reader: self.clone(),
            task: task.to_owned(),
            after,
            finished,
            source: Source::None,
            retry: FIRST_RETRY,
        };
        futures::stream::unfold(follower, |mut follower| async move {
            let batch = follower.next().await?;
            Some((batch, follower))
        })
        .boxed()
    }

    /// The frames of a task after number `after` that are there now; the stream ends with the last of them. The log of a
    /// finished task comes out of the archive, that of a running one out of what is uploaded and the live log.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when a store cannot be reached. An error in the stream means that the rest is missing.
    pub async fn record(&self, task: &str, after: u64) -> Result<FrameStream, LogError> {
        if let Some(frames) = self.archive.read(task, after).await? {
            return Ok(frames);
        }
        let record = Record {
            reader: self.clone(),
            task: task.to_owned(),
            after,
            until: self.last_of_running(task).await?,
            source: None,
        };
        let batches = futures::stream::try_unfold(record, |mut record| async move {
            Ok(record.next().await?.map(|batch| (batch, record)))
        });
        Ok(batches.boxed())
    }

    /// The last `lines` lines and events of a task that are there now, and the end frame where there is one. Nothing that comes before them
    /// is read, but for the chunk that they begin in. They are found first and read then, so that however long they are, only numbers are
    /// held: eight bytes for each line.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when a store cannot be reached, [`LogError::Damaged`] when the archive is not what it should be.
    pub async fn tail(&self, task: &str, lines: usize) -> Result<FrameStream, LogError> {
        let last = self.last(task).await?;
        let after = self.before_last_lines(task, lines, last).await?;
        let frames = self.record(task, after).await?;
        // A log that grows would have more lines by now.
        let frames = frames
            .map_ok(move |mut batch| {
                batch.retain(|frame| frame.seq <= last);
                batch
            })
            .try_take_while(|batch| std::future::ready(Ok(!batch.is_empty())));
        Ok(frames.boxed())
    }

    /// The number of the frame that ends what comes before the last `lines` lines up to frame `last`.
    async fn before_last_lines(
        &self,
        task: &str,
        lines: usize,
        last: u64,
    ) -> Result<u64, LogError> {
        // Most lines are one frame. One more, to see where the first of them begins, and the end frame.
        let mut reach = (lines as u64).saturating_add(2);
        loop {
            let after = last.saturating_sub(reach);
            // The ends of the last lines, and of the one before them.
            let mut ends = VecDeque::new();
            let mut frames = self.record(task, after).await?;
            'log: while let Some(batch) = frames.next().await {
                for frame in batch? {
                    if frame.seq > last {
                        break 'log;
                    }
                    if ends_line(&frame.body) {
                        if ends.len() > lines {
                            ends.pop_front();
                        }
                        ends.push_back(frame.seq);
                    }
                }
            }
            if ends.len() > lines {
                return Ok(ends.front().copied().unwrap_or(0));
            }
            if after == 0 {
                return Ok(0);
            }
            reach = reach.saturating_mul(2);
        }
    }

    /// The number of the last frame of a task that is there now, 0 when there is none.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when a store cannot be reached, [`LogError::Damaged`] when the archive is not what it should be.
    pub async fn last(&self, task: &str) -> Result<u64, LogError> {
        if let Some(manifest) = self.archive.manifest(task).await? {
            return Ok(manifest.last);
        }
        self.last_of_running(task).await
    }

    /// The number of the last frame in the live log, 0 when that has none; nothing else is asked.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached.
    pub async fn last_live(&self, task: &str) -> Result<u64, LogError> {
        self.live.last(task).await
    }

    /// Whoever has the next frame; `None` when nobody has it any more.
    async fn continued(&self, task: &str, after: u64) -> Result<Option<FrameStream>, LogError> {
        let Self { live, archive } = self;
        // The log may have been completed and removed while it was read.
        if let Some(frames) = archive.read(task, after).await? {
            return Ok(Some(frames));
        }
        if live.last(task).await? <= after {
            return archive.read_uploaded(task, after).await;
        }
        match live.subscribe(task, after).await {
            Ok(frames) => Ok(Some(silence::while_there(live.clone(), task, frames))),
            Err(LogError::Trimmed { first }) => {
                let frames = archive.read_uploaded(task, after).await?;
                frames.ok_or_else(|| missing(after, first)).map(Some)
            }
            Err(error) => Err(error),
        }
    }

    async fn last_of_running(&self, task: &str) -> Result<u64, LogError> {
        match self.live.last(task).await? {
            0 => self.archive.uploaded(task).await,
            last => Ok(last),
        }
    }
}

/// What is there now of a log that is not complete.
struct Record {
    reader: Reader,
    task: String,
    after: u64,
    /// The last number that there was at the start.
    until: u64,
    source: Option<FrameStream>,
}

impl Record {
    async fn next(&mut self) -> Result<Option<Vec<Arc<Frame>>>, LogError> {
        while self.after < self.until {
            if self.source.is_none() {
                let reader = &self.reader;
                self.source = reader.continued(&self.task, self.after).await?;
            }
            let Some(source) = &mut self.source else {
                return Ok(None);
            };
            let batch = match source.next().await {
                Some(Ok(batch)) => batch,
                // A store elsewhere says so only here; asked again, it would only say the same again.
                Some(Err(LogError::Trimmed { first })) => {
                    let archive = &self.reader.archive;
                    let uploaded = archive.read_uploaded(&self.task, self.after).await?;
                    self.source = Some(uploaded.ok_or_else(|| missing(self.after, first))?);
                    continue;
                }
                Some(Err(LogError::Removed)) | None => {
                    // If anything is missing, it is elsewhere by now.
                    self.source = None;
                    continue;
                }
                Some(Err(error)) => return Err(error),
            };
            let mut fresh = Vec::with_capacity(batch.len());
            for frame in batch {
                let Some(frame) = frame.after(self.after) else {
                    continue;
                };
                if frame.first() > self.until {
                    break;
                }
                self.after = frame.seq;
                fresh.push(frame);
            }
            if !fresh.is_empty() {
                return Ok(Some(fresh));
            }
        }
        Ok(None)
    }
}

const fn ends_line(body: &Body) -> bool {
    match body {
        Body::Line { more, .. } | Body::Event { more, .. } => !*more,
        Body::Gap { .. } => true,
        Body::End(_) | Body::Beat => false,
    }
}

/// Frames are dropped from the live log only once they are uploaded, so this passes, or somebody deleted a chunk.
fn missing(after: u64, first: u64) -> LogError {
    LogError::Unavailable(std::io::Error::other(format!(
        "the frames {} to {} are neither live nor in the archive",
        after + 1,
        first.saturating_sub(1)
    )))
}

struct Follower {
    reader: Reader,
    task: String,
    after: u64,
    finished: watch::Receiver<bool>,
    source: Source,
    retry: Duration,
}

enum Source {
    None,
    Live(FrameStream),
    Archive(FrameStream),
    /// Chunks of a log that is not complete; the live log has what follows.
    Uploaded(FrameStream),
    Ended,
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Vec<Arc<Frame>>, LogError>> {
        loop {
            match &mut self.source {
                Source::Ended => return None,
                Source::None => self.open().await,
                Source::Archive(frames) => match frames.next().await {
                    Some(Ok(batch)) => {
                        if let Some(batch) = self.accept(batch) {
                            return Some(Ok(batch));
                        }
                    }
                    Some(Err(error @ LogError::Damaged(_))) => {
                        self.source = Source::Ended;
                        return Some(Err(error));
                    }
                    Some(Err(error)) => self.pause(&error).await,
                    None => self.source = Source::Ended,
                },
                Source::Uploaded(frames) => match frames.next().await {
                    Some(Ok(batch)) => {
                        if let Some(batch) = self.accept(batch) {
                            return Some(Ok(batch));
                        }
                    }
                    Some(Err(error)) => self.pause(&error).await,
                    None => self.source = Source::None,
                },
                Source::Live(frames) => {
                    let is_finished = *self.finished.borrow_and_update();
                    tokio::select! {
                        biased;
                        next = frames.next() => match next {
                            Some(Ok(batch)) => if let Some(batch) = self.accept(batch) {
                                return Some(Ok(batch));
                            },
                            Some(Err(LogError::Removed)) | None if is_finished => self.source = Source::None,
                            Some(Err(LogError::Trimmed { first })) => self.catch_up(first).await,
                            Some(Err(error)) => self.pause(&error).await,
                            None => self.pause(&LogError::Removed).await,
                        },
                        changed = self.finished.changed(), if !is_finished => {
                            if changed.is_err() {
                                // Nobody can say any more when the task ends; the live log alone decides.
                                self.finished = watch::Sender::new(true).subscribe();
                            }
                            self.source = Source::None;
                        }
                    }
                }
            }
        }
    }

    async fn open(&mut self) {
        if *self.finished.borrow_and_update() {
            let archive = &self.reader.archive;
            match archive.read(&self.task, self.after).await {
                Ok(Some(frames)) => {
                    self.source = Source::Archive(frames);
                    return;
                }
                Ok(None) => {}
                Err(error) => return self.pause(&error).await,
            }
            // An archive that was given up has no manifest, and yet what was uploaded until then.
            if let Ok(0) = self.reader.live.last(&self.task).await
                && let Ok(Some(frames)) = archive.read_uploaded(&self.task, self.after).await
            {
                self.source = Source::Uploaded(frames);
                return;
            }
        }
        match self.reader.live.subscribe(&self.task, self.after).await {
            Ok(frames) => self.source = Source::Live(frames),
            Err(LogError::Trimmed { first }) => self.catch_up(first).await,
            Err(error) => self.pause(&error).await,
        }
    }

    /// The live log begins with `first`, and what is before is uploaded.
    async fn catch_up(&mut self, first: u64) {
        let archive = &self.reader.archive;
        match archive.read_uploaded(&self.task, self.after).await {
            Ok(Some(frames)) => self.source = Source::Uploaded(frames),
            Ok(None) => self.pause(&missing(self.after, first)).await,
            Err(error) => self.pause(&error).await,
        }
    }

    /// Drops what the reader has, and takes the rest only as far as the numbers follow each other.
    fn accept(&mut self, batch: Vec<Arc<Frame>>) -> Option<Vec<Arc<Frame>>> {
        let mut accepted = Vec::with_capacity(batch.len());
        for frame in batch {
            let Some(frame) = frame.after(self.after) else {
                continue;
            };
            if frame.first() > self.after + 1 {
                tracing::warn!(task.id = %self.task, after = self.after, found = frame.seq, "the log skips numbers; reading again");
                self.source = Source::None;
                break;
            }
            self.after = frame.seq;
            let ended = frame.is_end();
            accepted.push(frame);
            if ended {
                self.source = Source::Ended;
                break;
            }
        }
        if accepted.is_empty() {
            return None;
        }
        self.retry = FIRST_RETRY;
        Some(accepted)
    }

    async fn pause(&mut self, error: &LogError) {
        tracing::debug!(task.id = %self.task, %error, "the log is away; trying again");
        self.source = Source::None;
        tokio::time::sleep(self.retry).await;
        self.retry = (self.retry * 2).min(LAST_RETRY);
    }
}
