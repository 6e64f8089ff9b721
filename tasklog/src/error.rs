//! What can go wrong with a log.

/// Why a log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The id is not one of a task.
    #[error("{0:?} is not the id of a task")]
    InvalidTaskId(String),
    /// A store is not configured in a way that can work.
    #[error("{0}")]
    Setting(String),
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
    /// The frames before `first` are not in the live log any more; the archive has them.
    #[error("the live log begins with frame {first}; read what is before it from the archive")]
    Trimmed {
        /// The number of the first frame that is still there, or will be the next to come.
        first: u64,
    },
    /// The store holds as much as it may. Nothing is lost: the same frames are accepted as soon as older ones could be dropped.
    #[error(
        "the live log holds {bytes} bytes of at most {limit}; it takes more when frames of it are archived or other logs are removed, or with a higher limit"
    )]
    Full {
        /// What is held now: of the task, or of all tasks where that is what counts.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The store cannot be reached now; a later try may succeed.
    #[error("the store of the log cannot be reached: {0}")]
    Unavailable(#[source] std::io::Error),
    /// What the store holds is not a log.
    #[error("the stored log is damaged: {0}")]
    Damaged(String),
}
