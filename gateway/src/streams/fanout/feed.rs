//! The frames of one task, until its log ends or is known to be lost.

use std::sync::Arc;
use std::time::Duration;

use codex_tasklog::{Archive, Frame, FrameStream, LogError, Reader};
use futures::StreamExt as _;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long the log of a finished task may be silent before the archive is asked whether there is one at all.
const SILENCE: Duration = Duration::from_secs(10);

/// Where logs come from.
#[derive(Clone)]
pub struct Source {
    /// Joins the live log and the archive.
    pub reader: Reader,
    /// The log of finished tasks.
    pub archive: Arc<dyn Archive>,
}

/// Why there is no more of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// Whether the end frame was there.
    pub is_complete: bool,
    /// The number of the last frame that was read.
    pub position: u64,
}

/// What a feed gives.
#[derive(Debug)]
pub enum Fed {
    /// The next frames.
    Frames(Vec<Arc<Frame>>),
    /// There is no more.
    End(LogEnd),
}

/// The frames of one task after a number.
pub struct Feed {
    source: Source,
    task: String,
    finished: watch::Receiver<bool>,
    frames: FrameStream,
    position: u64,
    end: Option<LogEnd>,
    last_news: Instant,
}

impl Feed {
    /// Begins after the frame `after`. `finished` says when the task has reached its final state.
    #[must_use]
    pub fn new(source: Source, task: String, after: u64, finished: watch::Receiver<bool>) -> Self {
        let frames = source.reader.follow(&task, after, finished.clone());
        Self {
            source,
            task,
            finished,
            frames,
            position: after,
            end: None,
            last_news: Instant::now(),
        }
    }

    /// The next frames. Nothing is lost when the future is dropped before its end.
    pub async fn next(&mut self) -> Fed {
        loop {
            if let Some(end) = self.end {
                return Fed::End(end);
            }
            let is_finished = *self.finished.borrow_and_update();
            let silence = self.last_news + SILENCE;
            tokio::select! {
                biased;
                batch = self.frames.next() => if let Some(frames) = self.take(batch) {
                    return Fed::Frames(frames);
                },
                () = changed(&mut self.finished), if !is_finished => self.last_news = Instant::now(),
                () = tokio::time::sleep_until(silence), if is_finished => {
                    if self.is_lost().await {
                        self.end(false);
                    }
                    self.last_news = Instant::now();
                }
            }
        }
    }

    fn take(
        &mut self,
        batch: Option<Result<Vec<Arc<Frame>>, LogError>>,
    ) -> Option<Vec<Arc<Frame>>> {
        self.last_news = Instant::now();
        match batch {
            Some(Ok(frames)) => {
                let last = frames.last()?;
                self.position = last.seq;
                if last.is_end() {
                    self.end(true);
                }
                Some(frames)
            }
            Some(Err(error)) => {
                tracing::error!(task.id = %self.task, %error, "the log of a task cannot be read to its end");
                self.end(false);
                None
            }
            None => {
                self.end(false);
                None
            }
        }
    }

    fn end(&mut self, is_complete: bool) {
        self.end = Some(LogEnd {
            is_complete,
            position: self.position,
        });
    }

    /// The task has ended and its log is silent: it may be that there is none, because the resource was removed by force, or because the
    /// archive was given up. A store that is merely away is waited for.
    async fn is_lost(&mut self) -> bool {
        let archived = self.source.archive.read(&self.task, self.position).await;
        matches!(archived, Ok(None))
    }
}

async fn changed(finished: &mut watch::Receiver<bool>) {
    if finished.changed().await.is_err() {
        // Nobody is left who could say so.
        std::future::pending::<()>().await;
    }
}
