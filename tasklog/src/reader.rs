//! Everything after a number: from the archive where the task is finished, else live, without gap or repeat.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::watch;

use crate::archive::Archive;
use crate::error::LogError;
use crate::frame::Frame;
use crate::live::{FrameStream, LiveLog};

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
                Source::Live(frames) => {
                    let is_finished = *self.finished.borrow_and_update();
                    tokio::select! {
                        biased;
                        next = frames.next() => match next {
                            Some(Ok(batch)) => if let Some(batch) = self.accept(batch) {
                                return Some(Ok(batch));
                            },
                            Some(Err(LogError::Removed)) | None if is_finished => self.source = Source::None,
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
            match self.reader.archive.read(&self.task, self.after).await {
                Ok(Some(frames)) => {
                    self.source = Source::Archive(frames);
                    return;
                }
                Ok(None) => {}
                Err(error) => return self.pause(&error).await,
            }
        }
        match self.reader.live.subscribe(&self.task, self.after).await {
            Ok(frames) => self.source = Source::Live(frames),
            Err(error) => self.pause(&error).await,
        }
    }

    /// Drops what the reader has, and takes the rest only as far as the numbers follow each other.
    fn accept(&mut self, batch: Vec<Arc<Frame>>) -> Option<Vec<Arc<Frame>>> {
        let mut accepted = Vec::with_capacity(batch.len());
        for frame in batch {
            if frame.seq <= self.after {
                continue;
            }
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
