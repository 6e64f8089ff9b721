//! One reader of one log: what is published where it follows, the stream where something is missing.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use redis::from_redis_value;
use tokio::sync::watch;

use super::entry::Incoming;
use super::feed::{Signal, Watched};
use super::link::{Link, Request, Script, unavailable};
use super::names::Names;
use crate::error::LogError;
use crate::frame::Frame;
use crate::live::FrameStream;

/// How many entries are read at once.
const ENTRIES: u64 = 8;
/// How often the stream is read although nothing says that there is more. Only a publication that got lost on a connection that
/// stayed whole needs it.
const RECHECK: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Subscription {
    link: Arc<Link>,
    names: Names,
    watched: Watched,
    signals: watch::Receiver<Signal>,
    after: u64,
    /// What was signalled before the last reading of the stream that found nothing more.
    checked: Option<Signal>,
    ended: bool,
}

/// What the stream has after a number.
enum Found {
    Frames(Vec<Arc<Frame>>),
    Nothing,
    Removed,
}

/// Entries as Redis answers them: the id and its fields.
pub(super) type Entries = Vec<(String, Vec<Vec<u8>>)>;

impl Subscription {
    pub(super) fn new(link: Arc<Link>, names: Names, watched: Watched, after: u64) -> Self {
        let signals = watched.topic.signals();
        Self {
            link,
            names,
            watched,
            signals,
            after,
            checked: None,
            ended: false,
        }
    }

    /// Waits for the subscription and reads for the first time, so that errors are told at once.
    pub(super) async fn open(mut self) -> Result<FrameStream, LogError> {
        let confirmed = self.signals.wait_for(|signal| signal.subscriptions > 0);
        let signal = *confirmed.await.map_err(|_| LogError::Removed)?;
        let first = match self.read().await? {
            Found::Frames(frames) => Some(self.took(frames)),
            Found::Nothing => {
                self.checked = Some(signal);
                None
            }
            // Told when the stream is polled.
            Found::Removed => None,
        };
        let rest = futures::stream::unfold(self, |mut subscription| async move {
            let batch = subscription.next().await?;
            Some((batch, subscription))
        });
        Ok(futures::stream::iter(first.map(Ok)).chain(rest).boxed())
    }

    async fn next(&mut self) -> Option<Result<Vec<Arc<Frame>>, LogError>> {
        if self.ended {
            return None;
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let signal = *self.signals.borrow_and_update();
            if let Some(entry) = self.watched.topic.recent(self.after) {
                if let Ok(frames) = entry.after(self.after) {
                    return Some(Ok(self.took(frames)));
                }
                // Somebody else published it; the stream is right.
                self.watched.topic.distrust();
                self.checked = None;
            }
            if self.must_read(signal) {
                match self.read().await {
                    Ok(Found::Frames(frames)) => return Some(Ok(self.took(frames))),
                    Ok(Found::Nothing) => self.checked = Some(signal),
                    Ok(Found::Removed) => return self.fail(LogError::Removed),
                    Err(LogError::Unavailable(error)) => {
                        // The reader keeps its number, and goes on when the store is back.
                        tracing::debug!(task.id = %self.names.task, after = self.after, %error, "the stream cannot be read; trying again");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LAST_PAUSE);
                    }
                    Err(error) => return self.fail(error),
                }
                continue;
            }
            match tokio::time::timeout(RECHECK, self.signals.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return self.fail(LogError::Removed),
                Err(_) => self.checked = None,
            }
        }
    }

    /// Whether the stream may have something that was not published to this reader.
    fn must_read(&self, signal: Signal) -> bool {
        self.checked.is_none_or(|checked| {
            signal.subscriptions != checked.subscriptions
                || signal.hints != checked.hints
                || (signal.messages != checked.messages && signal.newest > self.after)
        })
    }

    fn took(&mut self, frames: Vec<Arc<Frame>>) -> Vec<Arc<Frame>> {
        if let Some(last) = frames.last() {
            self.after = last.seq;
            self.ended = last.is_end();
        }
        frames
    }

    fn fail(&mut self, error: LogError) -> Option<Result<Vec<Arc<Frame>>, LogError>> {
        self.ended = true;
        Some(Err(error))
    }

    async fn read(&self) -> Result<Found, LogError> {
        let (entries, last, is_removed) =
            read(&self.link, &self.names, self.after, ENTRIES).await?;
        let mut frames = Vec::new();
        for (_, fields) in entries {
            let entry = Incoming::parse(fields.into_iter().nth(1).unwrap_or_default())?;
            if entry.first > self.after + 1 && frames.is_empty() {
                return Err(LogError::Trimmed { first: entry.first });
            }
            frames.extend(entry.after(self.after)?);
        }
        if !frames.is_empty() {
            Ok(Found::Frames(frames))
        } else if last > self.after {
            Err(LogError::Trimmed { first: last + 1 })
        } else if is_removed {
            Ok(Found::Removed)
        } else {
            Ok(Found::Nothing)
        }
    }
}

/// The next entries after a number, at most `count`; the last number of the log; whether it was removed.
pub(super) async fn read(
    link: &Link,
    names: &Names,
    after: u64,
    count: u64,
) -> Result<(Entries, u64, bool), LogError> {
    let request = Request {
        script: Script::Read,
        names,
        numbers: &[after.saturating_add(1), count],
        payload: &[],
    };
    let answer = link.ask(request).await?;
    from_redis_value(answer).map_err(|error| unavailable(&error.into()))
}
