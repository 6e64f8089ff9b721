//! The keys and channels of Redis.

/// The bytes of all logs by task.
const SIZES: &str = "codex:logs:sizes";
/// The sum of these bytes.
const TOTAL: &str = "codex:logs:total";
/// When logs expire, by task.
const EXPIRY: &str = "codex:logs:expiry";

/// The names of one task.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub task: String,
    /// The stream, and the channel on which its entries are published.
    pub stream: String,
    /// A hash: the last number, what is safe in the archive, whether the log was removed.
    pub state: String,
}

impl Names {
    pub(super) fn new(task: &str) -> Self {
        Self {
            task: task.to_owned(),
            stream: format!("codex:log:{task}"),
            state: format!("codex:log:{task}:state"),
        }
    }

    /// What each script is given, in the order that it expects.
    pub(super) fn keys(&self) -> [String; 5] {
        [
            self.stream.clone(),
            self.state.clone(),
            SIZES.into(),
            TOTAL.into(),
            EXPIRY.into(),
        ]
    }
}
