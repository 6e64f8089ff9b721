//! The processes that read.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::net::UnixStream;
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};

use super::{Closed, MAX_LINE, Reply, Request};
use crate::error::LogError;
use crate::frame::Frame;
use crate::live::{FrameStream, LiveLog};

/// The live log of another process on this machine.
#[derive(Clone, Debug)]
pub struct HubClient {
    socket: PathBuf,
}

/// How many frames a reader gets at once.
const BATCH: usize = 256;

type Lines = Framed<UnixStream, LinesCodec>;

impl HubClient {
    /// A client of the hub that listens on `socket`. Connections are made per request, so the hub may come and go.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    async fn request(&self, request: &Request) -> Result<Lines, LogError> {
        let socket = UnixStream::connect(&self.socket)
            .await
            .map_err(LogError::Unavailable)?;
        let mut lines = Framed::new(socket, LinesCodec::new_with_max_length(MAX_LINE));
        let text =
            serde_json::to_string(request).map_err(|error| LogError::Unavailable(error.into()))?;
        lines.send(text).await.map_err(unavailable)?;
        Ok(lines)
    }
}

#[async_trait]
impl LiveLog for HubClient {
    async fn last(&self, task: &str) -> Result<u64, LogError> {
        let mut lines = self
            .request(&Request::Last {
                task: task.to_owned(),
            })
            .await?;
        let line = lines
            .next()
            .await
            .ok_or_else(cut_off)?
            .map_err(unavailable)?;
        match serde_json::from_str(&line) {
            Ok(Reply::Last { last }) => Ok(last),
            _ => Err(LogError::Damaged(line)),
        }
    }

    async fn subscribe(&self, task: &str, after: u64) -> Result<FrameStream, LogError> {
        crate::check_task_id(task)?;
        let request = Request::Subscribe {
            task: task.to_owned(),
            after,
        };
        let lines = self.request(&request).await?;
        let subscription = Subscription {
            lines,
            stopped: None,
        };
        Ok(
            futures::stream::unfold(subscription, |mut subscription| async move {
                let batch = subscription.next().await?;
                Some((batch, subscription))
            })
            .boxed(),
        )
    }
}

struct Subscription {
    lines: Lines,
    /// Why no more frames come: cleanly, or with an error that is still to be told.
    stopped: Option<Option<LogError>>,
}

impl Subscription {
    /// Whatever has arrived already goes out as one batch.
    async fn next(&mut self) -> Option<Result<Vec<Arc<Frame>>, LogError>> {
        let mut batch = Vec::new();
        while self.stopped.is_none() && batch.len() < BATCH {
            let line = if batch.is_empty() {
                self.lines.next().await
            } else {
                match self.lines.next().now_or_never() {
                    Some(line) => line,
                    None => break,
                }
            };
            match line.map(|line| line.map_err(unavailable)) {
                Some(Ok(line)) => match parse(&line) {
                    Ok(frame) => batch.push(Arc::new(frame)),
                    Err(stop) => self.stopped = Some(stop),
                },
                Some(Err(error)) => self.stopped = Some(Some(error)),
                // A connection that ends without a word is a hub that died, not the end of the log.
                None => self.stopped = Some(Some(cut_off())),
            }
        }
        if !batch.is_empty() {
            return Some(Ok(batch));
        }
        self.stopped.as_mut()?.take().map(Err)
    }
}

/// A frame, or why there are no more of them.
fn parse(line: &str) -> Result<Frame, Option<LogError>> {
    if let Ok(frame) = Frame::from_json(line.as_bytes()) {
        return Ok(frame);
    }
    Err(match serde_json::from_str(line) {
        Ok(Reply::Closed {
            closed: Closed::End,
        }) => None,
        Ok(Reply::Closed {
            closed: Closed::Removed,
        }) => Some(LogError::Removed),
        Ok(Reply::Trimmed { trimmed }) => Some(LogError::Trimmed { first: trimmed }),
        _ => Some(LogError::Damaged(line.chars().take(80).collect())),
    })
}

fn unavailable(error: LinesCodecError) -> LogError {
    LogError::Unavailable(match error {
        LinesCodecError::Io(error) => error,
        error @ LinesCodecError::MaxLineLengthExceeded => {
            io::Error::new(io::ErrorKind::InvalidData, error)
        }
    })
}

fn cut_off() -> LogError {
    LogError::Unavailable(io::ErrorKind::UnexpectedEof.into())
}
