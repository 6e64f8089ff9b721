//! What can go wrong with a log.

/// Why a log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The id is not one of a task.
    #[error("{0:?} is not the id of a task")]
    InvalidTaskId(String),
    /// The frames to append do not follow what is there.
    #[error("frame {found} cannot follow frame {last}; append the frames between them first")]
    Hole {
        /// The last number in the store.
        last: u64,
        /// The first number of the refused frames.
        found: u64,
    },
    /// The live log was removed; the archive has it.
    #[error("the live log of the task was removed")]
    Removed,
    /// The store cannot be reached now; a later try may succeed.
    #[error("the store of the log cannot be reached: {0}")]
    Unavailable(#[source] std::io::Error),
    /// What the store holds is not a log.
    #[error("the stored log is damaged: {0}")]
    Damaged(String),
}
