//! Reads the log of one Pod until its end, into the spool.
//!
//! Nothing here waits for a store: a node agent whose reader is slow rotates the log away under it.
//!
//! The end of a connection is not the end of a log: node agents cut long ones, proxies cut idle ones. The log has ended
//! when the runner's end frame came, or when a connection that was opened after the container had ended has been read to its
//! end. A connection that is opened again starts a little before the last frame, and numbers drop what is there already.

use std::sync::Arc;
use std::time::Duration;

use codex_tasklog::{Body, End, Frame, parse_wire};
use futures::io::AsyncBufRead;
use jiff::{SignedDuration, Timestamp};
use kube::api::LogParams;
use secrecy::ExposeSecret as _;
use tokio::sync::watch;
use tokio::time::Instant;

use super::lines::{Line, Lines};
use super::{LogReport, LogSource, LogStores};
use crate::domain::outcome::LogState;
use crate::plan::CONTAINER;
use crate::spool::TaskSpool;

/// The longest line that can be a frame is half of this; nothing of the runner is ever skipped.
const MAX_LINE: usize = 16 * 1024;
/// How many frames, and how many bytes of lines, are appended at once.
const BATCH_FRAMES: usize = 64;
const BATCH_BYTES: usize = 32 * 1024;
/// How often a connection fails, after the container has ended, until what is missing counts as lost.
const LAST_ATTEMPTS: u32 = 6;

/// How often the log of an ended container is read to its end until it counts as one without end frame.
const LAST_READINGS: u32 = 3;

/// What is known about the Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodSight {
    /// The runner may still write.
    Running,
    /// It cannot write any more.
    Over,
}

pub(super) struct Follower {
    source: LogSource,
    stores: LogStores,
    spool: Arc<TaskSpool>,
    sight: watch::Receiver<PodSight>,
    report: watch::Sender<LogReport>,
    /// How often the spool has asked for frames again, and how often that was heard.
    rewinds: watch::Receiver<u64>,
    heard_rewinds: u64,
    /// The number of the last frame, and its time.
    last: u64,
    last_ts: Option<Timestamp>,
    /// The last number before a hole for which the log was read again from its start.
    reread_at: Option<u64>,
    /// Read from the start when the next connection is opened.
    is_rereading: bool,
    batch: Vec<Arc<Frame>>,
    batch_bytes: usize,
}

/// Why a connection was given up.
enum Stop {
    Ended(End),
    Eof,
    Idle,
    Hole,
    /// Frames that were read are needed again.
    Rewind,
    Read(std::io::Error),
    /// The log cannot be opened; whether the Pod is there at all.
    Open {
        is_missing: bool,
        message: String,
    },
}

impl Follower {
    pub(super) fn new(
        source: LogSource,
        stores: LogStores,
        spool: Arc<TaskSpool>,
        sight: watch::Receiver<PodSight>,
        report: watch::Sender<LogReport>,
    ) -> Self {
        Self {
            source,
            stores,
            rewinds: spool.rewinds(),
            heard_rewinds: 0,
            spool,
            sight,
            report,
            last: 0,
            last_ts: None,
            reread_at: None,
            is_rereading: true,
            batch: Vec::with_capacity(BATCH_FRAMES),
            batch_bytes: 0,
        }
    }

    pub(super) async fn run(mut self) {
        let left = self.spool.open().await;
        self.last = self.spool.last();
        self.last_ts = left.ts;
        self.is_rereading = self.last_ts.is_none();
        let mut end = left.end;
        loop {
            let state = match end.take() {
                Some(end) => LogState::Ended(end),
                None => self.read_all().await,
            };
            self.spool.settle(self.heard_rewinds);
            self.report.send_modify(|report| report.state = state);
            // The queue ends only when the operator does.
            let _ = self.stores.wake.send(self.source.reference.clone()).await;
            // A store that loses everything may need what the spool does not have any more.
            let heard = self.heard_rewinds;
            if self.rewinds.wait_for(|now| *now != heard).await.is_err() {
                return;
            }
        }
    }

    async fn read_all(&mut self) -> LogState {
        let timing = self.stores.timing;
        let mut pause = timing.first_pause;
        let mut failures_at_end = 0;
        loop {
            let was_over = *self.sight.borrow_and_update() == PodSight::Over;
            let before = self.last;
            let stop = self.read().await;
            // What was read until then is never read again.
            self.flush().await;
            let task = &self.source.task;
            if self.last > before {
                pause = timing.first_pause;
                failures_at_end = 0;
            }
            match stop {
                Stop::Ended(end) => {
                    tracing::info!(task.id = %task, frames = self.last, "the log of the task has ended");
                    return LogState::Ended(end);
                }
                Stop::Eof if was_over => {
                    // Node agents report trouble as text in an answer that looks fine, so one such answer proves little.
                    failures_at_end += 1;
                    if failures_at_end >= LAST_READINGS {
                        tracing::info!(task.id = %task, frames = self.last, "the log of the task stops without an end frame");
                        return LogState::Exhausted;
                    }
                }
                Stop::Hole => continue,
                Stop::Rewind => {
                    tracing::warn!(task.id = %task, after = self.spool.last(), "the log is read again from its start, because the live log lost frames that the spool does not have any more");
                    continue;
                }
                Stop::Open {
                    is_missing: true, ..
                } if was_over => return LogState::Exhausted,
                Stop::Open { message, .. } if was_over => {
                    failures_at_end += 1;
                    tracing::warn!(task.id = %task, error = %message, "the log of an ended Pod cannot be opened");
                }
                Stop::Open { message, .. } => {
                    tracing::debug!(task.id = %task, error = %message, "the log cannot be opened yet");
                }
                Stop::Eof | Stop::Idle => {
                    tracing::debug!(task.id = %task, last = self.last, "the connection to the log ended early");
                }
                Stop::Read(error) => {
                    failures_at_end += u32::from(was_over);
                    tracing::debug!(task.id = %task, last = self.last, %error, "the connection to the log broke");
                }
            }
            if failures_at_end >= LAST_ATTEMPTS {
                tracing::warn!(task.id = %self.source.task, last = self.last, "the rest of the log cannot be read; giving up");
                return LogState::Exhausted;
            }
            self.stores.metrics.reconnects.inc();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // An ended container is worth looking at once.
                Ok(()) = self.sight.changed() => {}
            }
            pause = (pause * 2).min(timing.last_pause);
        }
    }

    /// Looks at how far the spool is: further, where the stores were, or back, where they lost something.
    fn look_at_spool(&mut self) -> Option<Stop> {
        let rewinds = *self.rewinds.borrow();
        if rewinds != self.heard_rewinds {
            self.heard_rewinds = rewinds;
            self.batch.clear();
            self.batch_bytes = 0;
            self.last = self.spool.last();
            self.last_ts = None;
            self.is_rereading = true;
            return Some(Stop::Rewind);
        }
        self.last = self.last.max(self.spool.last());
        None
    }

    /// Reads one connection until it ends.
    async fn read(&mut self) -> Stop {
        let params = LogParams {
            container: Some(CONTAINER.into()),
            follow: true,
            since_time: self.since(),
            ..LogParams::default()
        };
        self.is_rereading = false;
        let opening = self.stores.pods.log_stream(&self.source.pod_name, &params);
        let stream = match tokio::time::timeout(self.stores.timing.open, opening).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Stop::Open {
                    is_missing: matches!(&error, kube::Error::Api(status) if status.is_not_found()),
                    message: match error {
                        kube::Error::Api(status) => status.message.clone(),
                        other => other.to_string(),
                    },
                };
            }
            Err(_) => {
                return Stop::Open {
                    is_missing: false,
                    message: "no answer in time".into(),
                };
            }
        };
        self.read_lines(Lines::new(Box::pin(stream), MAX_LINE))
            .await
    }

    async fn read_lines<R: AsyncBufRead + Unpin>(&mut self, mut lines: Lines<R>) -> Stop {
        let timing = self.stores.timing;
        let mut heard = Instant::now();
        let mut flush_at = heard;
        loop {
            if let Some(stop) = self.look_at_spool() {
                return stop;
            }
            let now = Instant::now();
            if !self.batch.is_empty()
                && (now >= flush_at
                    || self.batch.len() >= BATCH_FRAMES
                    || self.batch_bytes >= BATCH_BYTES)
            {
                self.flush().await;
                flush_at = Instant::now() + timing.batch;
                continue;
            }
            let idle = match *self.sight.borrow() {
                PodSight::Running => timing.idle,
                PodSight::Over => timing.idle_at_end,
            };
            let silence_ends = heard + idle;
            let wait_until = if self.batch.is_empty() {
                silence_ends
            } else {
                flush_at.min(silence_ends)
            };
            let heard_rewinds = self.heard_rewinds;
            let read = tokio::select! {
                biased;
                read = lines.next() => read,
                () = tokio::time::sleep_until(wait_until) => {
                    if self.batch.is_empty() && Instant::now() >= silence_ends {
                        return Stop::Idle;
                    }
                    continue;
                }
                Ok(()) = self.sight.changed() => continue,
                Ok(_) = self.rewinds.wait_for(|now| *now != heard_rewinds) => continue,
            };
            heard = Instant::now();
            let stop = match read {
                Ok(Line::Whole(line)) => {
                    let length = line.len();
                    match parse_wire(line, self.source.nonce.expose_secret()) {
                        Ok(frame) => self.take(frame, length),
                        Err(_) => {
                            self.stores.metrics.dropped_lines.inc();
                            None
                        }
                    }
                }
                Ok(Line::Overlong) => {
                    self.stores.metrics.dropped_lines.inc();
                    None
                }
                Ok(Line::End) => Some(Stop::Eof),
                Err(error) => Some(Stop::Read(error)),
            };
            if let Some(stop) = stop {
                return stop;
            }
        }
    }

    /// Takes a frame in, if it is the next one.
    fn take(&mut self, frame: Frame, length: usize) -> Option<Stop> {
        if frame.body == Body::Beat || frame.seq <= self.last {
            return None;
        }
        let missing = frame.first() - 1 - self.last.min(frame.first() - 1);
        if missing > 0 {
            if self.reread_at != Some(self.last) {
                // What a reconnect left out may still be in the file.
                self.reread_at = Some(self.last);
                self.is_rereading = true;
                return Some(Stop::Hole);
            }
            // Whoever appends it knows whether the stores have these frames from an earlier operator.
            self.batch.push(Arc::new(Frame {
                seq: frame.first() - 1,
                ts: frame.ts.clone(),
                body: Body::Gap { count: missing },
            }));
        }
        if self.last == 0 {
            // An operator that takes over knows of earlier frames, so this is once a task.
            let waited = Timestamp::now().duration_since(self.source.submitted_at);
            let waited = Duration::try_from(waited).unwrap_or_default();
            self.stores.metrics.first_frame(waited);
        }
        self.last = frame.seq;
        self.last_ts = frame.ts.parse().ok();
        if self.report_picks(&frame) {
            tracing::debug!(task.id = %self.source.task, "the log names a thread or its usage");
        }
        self.batch_bytes += length;
        let end = match &frame.body {
            Body::End(end) => Some(Stop::Ended(end.clone())),
            _ => None,
        };
        self.batch.push(Arc::new(frame));
        end
    }

    fn report_picks(&self, frame: &Frame) -> bool {
        self.report
            .send_if_modified(|report| report.picks.look(frame))
    }

    async fn flush(&mut self) {
        if !self.batch.is_empty() {
            let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH_FRAMES));
            self.batch_bytes = 0;
            self.spool.push(batch).await;
        }
    }

    /// The API rounds to whole seconds, up or down, so a whole second is gone back in addition.
    fn since(&self) -> Option<Timestamp> {
        if self.is_rereading {
            return None;
        }
        let floored = Timestamp::from_second(self.last_ts?.as_second()).ok()?;
        floored.checked_sub(SignedDuration::from_secs(1)).ok()
    }
}
