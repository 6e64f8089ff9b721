//! One connection that follows one task.
//!
//! The connection asks for bytes when it can send some, so a slow client holds a position in the log and a buffer of bounded size, and
//! nothing queues up for it. Bytes are handed out at once when there was silence, and at most every [`PACE`] otherwise, as much as has
//! come together by then.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use codex_tasklog::{FrameStream, Joiner};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use uuid::Uuid;

use super::encode::{Encoder, View};
use crate::app::App;
use crate::database::status::{self, TaskStatus};
use crate::database::users;
use crate::tasks::states::Watch;

/// The time between two comments.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The shortest time between two writes.
const PACE: Duration = Duration::from_millis(10);
/// How much is collected for one write.
const CHUNK: usize = 64 * 1024;
/// How long the log of a finished task may be silent before the archive is asked whether there is one at all.
const SILENCE: Duration = Duration::from_secs(10);

/// What a client asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The task; the caller has checked that the client may see it.
    pub task: Uuid,
    /// The user who looks.
    pub viewer: Uuid,
    /// The last number that the client has.
    pub after: u64,
    /// Which events it wants.
    pub view: View,
}

/// One connection that follows one task.
pub struct Session {
    app: Arc<App>,
    task: Uuid,
    viewer: Uuid,
    states: Watch,
    /// The revision of the last status that was sent.
    revision: i64,
    present: Arc<TaskStatus>,
    /// Tells the reader that the archive may be asked.
    finished: watch::Sender<bool>,
    frames: Option<FrameStream>,
    joiner: Joiner,
    /// The number of the last frame that was read.
    position: u64,
    /// The number of the last frame that the client got; behind `position` in the middle of a line.
    delivered: u64,
    ended: bool,
    encoder: Encoder,
    heartbeat: Interval,
    last_write: Instant,
    last_news: Instant,
    done: bool,
}

/// What woke a session up.
enum Wake {
    Shutdown,
    Status,
    Frames(Option<Result<Vec<Arc<codex_tasklog::Frame>>, codex_tasklog::LogError>>),
    Heartbeat,
    Silence,
}

impl Session {
    /// Begins with the present status. `states` must have been registered before the database was read.
    #[must_use]
    pub fn new(app: Arc<App>, request: Request, mut states: Watch) -> Option<Self> {
        let history = states.history();
        let present = Arc::clone(history.present()?);
        let (finished, is_finished) = watch::channel(present.phase.is_final());
        let frames = app
            .reader
            .follow(&request.task.to_string(), request.after, is_finished);
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        let now = Instant::now();
        let mut encoder = Encoder::new(request.view);
        encoder.status(&present);
        app.metrics
            .streams_open
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut session = Self {
            app,
            task: request.task,
            viewer: request.viewer,
            states,
            revision: present.revision,
            present,
            finished,
            frames: Some(frames),
            joiner: Joiner::default(),
            position: request.after,
            delivered: request.after,
            ended: false,
            encoder,
            heartbeat,
            last_write: now.checked_sub(PACE).unwrap_or(now),
            last_news: now,
            done: false,
        };
        session.settle();
        Some(session)
    }

    /// The next bytes; nothing when the stream has ended, or has to be taken up elsewhere.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            if !self.encoder.is_empty() {
                let bytes = self.encoder.take();
                self.last_write = Instant::now();
                self.app.metrics.stream_bytes.add(bytes.len() as u64);
                return Some(bytes);
            }
            if self.done {
                return None;
            }
            match self.wait().await {
                Wake::Shutdown => return None,
                Wake::Status => self.statuses(),
                Wake::Frames(batch) => {
                    self.frames(batch);
                    self.collect().await;
                }
                Wake::Heartbeat => self.beat().await,
                Wake::Silence => self.give_up_without_log().await,
            }
            self.settle();
        }
    }

    async fn wait(&mut self) -> Wake {
        let silence = self.last_news + SILENCE;
        let is_final = self.present.phase.is_final();
        let frames = &mut self.frames;
        let next_batch = async {
            match frames {
                Some(frames) => frames.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.app.shutdown.cancelled() => Wake::Shutdown,
            () = self.states.changed() => Wake::Status,
            batch = next_batch => Wake::Frames(batch),
            _ = self.heartbeat.tick() => Wake::Heartbeat,
            () = tokio::time::sleep_until(silence), if is_final => Wake::Silence,
        }
    }

    fn statuses(&mut self) {
        let history = self.states.history();
        for status in history.after(self.revision) {
            self.encoder.status(status);
        }
        if let Some(present) = history.present() {
            self.revision = present.revision;
            self.present = Arc::clone(present);
        }
        if self.present.phase.is_final() && !*self.finished.borrow() {
            self.finished.send_replace(true);
            self.last_news = Instant::now();
        }
    }

    fn frames(
        &mut self,
        batch: Option<Result<Vec<Arc<codex_tasklog::Frame>>, codex_tasklog::LogError>>,
    ) {
        self.last_news = Instant::now();
        match batch {
            Some(Ok(batch)) => {
                for frame in batch {
                    self.position = frame.seq;
                    self.ended |= frame.is_end();
                    if let Some(piece) = self.joiner.push(&frame) {
                        self.encoder.joined(&piece);
                        self.delivered = piece.last;
                    }
                }
            }
            Some(Err(error)) => {
                tracing::error!(task.id = %self.task, %error, "the log of a task cannot be read to its end");
                self.frames = None;
            }
            None => self.frames = None,
        }
    }

    /// Waits until the next write is due, and takes what has come by then.
    async fn collect(&mut self) {
        tokio::time::sleep_until(self.last_write + PACE).await;
        while self.encoder.len() < CHUNK {
            let Some(frames) = &mut self.frames else {
                break;
            };
            let Some(batch) = frames.next().now_or_never() else {
                break;
            };
            self.frames(batch);
        }
    }

    /// Shows that the connection lives, and looks whether it still should.
    async fn beat(&mut self) {
        self.encoder.heartbeat();
        // A stream lasts longer than an access token; a user who is disabled is out here too.
        match users::find(&self.app.pool, self.viewer).await {
            Ok(Some(user)) if !user.disabled => {}
            Ok(_) => {
                self.done = true;
                return;
            }
            Err(error) => tracing::debug!(%error, "the user of a stream cannot be looked up"),
        }
        if self.present.phase.is_final() {
            return;
        }
        // Another gateway may have ended the task without Kubernetes, for example one that was canceled in the outbox.
        match status::find(&self.app.pool, self.task).await {
            Ok(Some(status)) => self.app.states.publish(&status),
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(task.id = %self.task, %error, "the state cannot be read again");
            }
        }
    }

    /// The task has ended and its log is silent: it may be that there is none, because the resource was removed by force, or because the
    /// archive was given up. A store that is merely away is waited for.
    async fn give_up_without_log(&mut self) {
        self.last_news = Instant::now();
        let archived = self
            .app
            .archive
            .read(&self.task.to_string(), self.position)
            .await;
        if matches!(archived, Ok(None)) {
            self.frames = None;
        }
    }

    /// Ends the stream once the task has ended and its log is read.
    fn settle(&mut self) {
        if self.done || !self.present.phase.is_final() {
            return;
        }
        // What Kubernetes never heard of has no log.
        if !self.present.in_cluster {
            self.frames = None;
        }
        if self.frames.is_some() && !self.ended {
            return;
        }
        self.missing();
        self.encoder.done(&self.present);
        self.frames = None;
        self.done = true;
    }

    /// Says so when the log ended before its last frame.
    fn missing(&mut self) {
        let last = self
            .present
            .last_frame
            .and_then(|last| u64::try_from(last).ok())
            .unwrap_or(0)
            .max(self.position);
        if !self.ended && last > self.delivered {
            self.encoder.gap(self.delivered + 1, last, None);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.app
            .metrics
            .streams_open
            .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Registers for a task's states and reads the present one; nothing when there is no such task.
///
/// # Errors
/// Those of the database.
pub async fn watch_task(app: &App, task: Uuid) -> Result<Option<Watch>, sqlx::Error> {
    let watch = app.states.watch(task);
    let Some(present) = status::find(&app.pool, task).await? else {
        return Ok(None);
    };
    app.states.publish(&present);
    Ok(Some(watch))
}
