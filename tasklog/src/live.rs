//! What a live store does.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::error::LogError;
use crate::frame::Frame;

/// Batches of frames in the order of their numbers.
pub type FrameStream = BoxStream<'static, Result<Vec<Arc<Frame>>, LogError>>;

/// The reading side of the log of running tasks.
#[async_trait]
pub trait LiveLog: Send + Sync + 'static {
    /// The number of the last frame, 0 when there is none.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached.
    async fn last(&self, task: &str) -> Result<u64, LogError>;

    /// All frames after number `after`, those that are there and those to come. The stream ends after the end frame, and
    /// with [`LogError::Removed`] when the log is removed.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached.
    async fn subscribe(&self, task: &str, after: u64) -> Result<FrameStream, LogError>;
}

/// The writing side. Only the operator has it.
#[async_trait]
pub trait LiveLogWriter: LiveLog {
    /// Appends frames in the order of their numbers; those that the store has already are dropped, so that a second writer or a
    /// repetition changes nothing. Answers with the last number.
    ///
    /// # Errors
    /// [`LogError::Hole`] when the frames do not follow what is there.
    async fn append(&self, task: &str, frames: &[Arc<Frame>]) -> Result<u64, LogError>;

    /// Removes the log of a task, after the archive is complete.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached.
    async fn remove(&self, task: &str) -> Result<(), LogError>;
}
