//! A way through the store, for what the ring does not have.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use codex_tasklog::{Frame, JoinedBody, Joiner};
use futures::FutureExt as _;

use super::feed::{Fed, Feed, LogEnd};
use crate::streams::encode::{Encoder, View};

/// How much is read for one write, in bytes.
pub const CHUNK: usize = 64 * 1024;

/// What the store has next.
#[derive(Debug)]
pub enum Chunk {
    /// Whole events, up to the frame `last`.
    Bytes {
        /// The events.
        bytes: Bytes,
        /// The number of the last frame in them.
        last: u64,
    },
    /// There is no more.
    End(LogEnd),
}

/// Reads and encodes whole events, a chunk for each time it is asked. What is held in between is one batch of frames at most.
pub struct Way {
    feed: Feed,
    pending: VecDeque<Arc<Frame>>,
    joiner: Joiner,
    encoder: Encoder,
}

impl Way {
    /// Begins where the feed does.
    #[must_use]
    pub fn new(feed: Feed, view: View) -> Self {
        Self {
            feed,
            pending: VecDeque::new(),
            joiner: Joiner::default(),
            encoder: Encoder::new(view),
        }
    }

    /// The next chunk. Nothing is lost when the future is dropped before its end. The end comes as often as it is asked for.
    pub async fn next(&mut self) -> Chunk {
        let mut last = 0;
        loop {
            while self.encoder.len() < CHUNK {
                let Some(frame) = self.pending.pop_front() else {
                    break;
                };
                // The end frame is no event.
                if let Some(piece) = self.joiner.push(&frame)
                    && !matches!(piece.body, JoinedBody::End(_))
                {
                    last = piece.last;
                    self.encoder.joined(&piece);
                }
            }
            // Whatever is there already goes into the same chunk; nothing is waited for once there is something to hand out.
            let is_full = self.encoder.len() >= CHUNK;
            let fed = match self.encoder.is_empty() {
                true => Some(self.feed.next().await),
                false if is_full => None,
                false => self.feed.next().now_or_never(),
            };
            match fed {
                Some(Fed::Frames(frames)) => self.pending.extend(frames),
                Some(Fed::End(end)) if self.encoder.is_empty() => return Chunk::End(end),
                // The end comes again the next time.
                Some(Fed::End(_)) | None => {
                    let bytes = self.encoder.take();
                    return Chunk::Bytes { bytes, last };
                }
            }
        }
    }
}
