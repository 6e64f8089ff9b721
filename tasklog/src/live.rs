//! What a live store does.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::error::LogError;
use crate::frame::Frame;

/// Batches of frames in the order of their numbers.
pub type FrameStream = BoxStream<'static, Result<Vec<Arc<Frame>>, LogError>>;

/// How much a live store holds, in bytes of frames as JSON. Memory for bookkeeping comes on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveLimits {
    /// What one log keeps of frames that are safe in the archive, for readers that are a little behind. Above it they are dropped,
    /// oldest first; frames that are not in the archive are never dropped.
    pub keep: u64,
    /// What one log holds at most. Frames that do not fit are refused with [`LogError::Full`].
    pub task: u64,
    /// What all logs together hold at most, likewise.
    pub total: u64,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self {
            keep: 16 << 20,
            task: 512 << 20,
            total: 4 << 30,
        }
    }
}

/// The reading side of the log of running tasks.
#[async_trait]
pub trait LiveLog: Send + Sync + 'static {
    /// The number of the last frame, 0 when there is none.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached.
    async fn last(&self, task: &str) -> Result<u64, LogError>;

    /// All frames after number `after`, those that are there and those to come. The stream ends after the end frame,
    /// with [`LogError::Removed`] when the log is removed, and with [`LogError::Trimmed`] when the reader fell behind what is kept.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached. [`LogError::Trimmed`], here or as the first item of the
    /// stream, when frame `after + 1` was dropped.
    async fn subscribe(&self, task: &str, after: u64) -> Result<FrameStream, LogError>;
}

/// The writing side. Only the operator has it.
#[async_trait]
pub trait LiveLogWriter: LiveLog {
    /// Appends frames in the order of their numbers; those that the store has already are dropped, so that a second writer or a
    /// repetition changes nothing. Answers with the last number.
    ///
    /// # Errors
    /// [`LogError::Hole`] when the frames do not follow what is there: also after the store came back empty or with less than it
    /// had, and then the frames have to be appended again from there on. [`LogError::Full`] and [`LogError::Unavailable`] when the
    /// frames, or the later part of them, were not taken: nothing is lost if they are appended again.
    async fn append(&self, task: &str, frames: &[Arc<Frame>]) -> Result<u64, LogError>;

    /// Says that all frames up to number `up_to` are safe in the archive. The store drops them, oldest first and in the units in
    /// which they were appended, where [`LiveLimits`] want it. A log that does not reach so far, because the store lost it,
    /// goes on with `up_to + 1`.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached.
    async fn trim(&self, task: &str, up_to: u64) -> Result<(), LogError>;

    /// Removes the log of a task, after the archive is complete. Readers that are behind finish reading first, for a limited time.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached.
    async fn remove(&self, task: &str) -> Result<(), LogError>;
}
