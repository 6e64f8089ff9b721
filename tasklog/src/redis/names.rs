//! The keys and channels of Redis.
//!
//! All keys share the hash tag `{logs}`, so that scripts may use them together where Redis runs in cluster mode.

/// How many bytes are set aside for each log, and for all of them.
const LEDGER: &str = "codex:{logs}:ledger";
/// When logs expire, by task.
const EXPIRY: &str = "codex:{logs}:expiry";

/// The names of one task.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub task: String,
    /// The stream, and the channel on which its entries are published.
    pub stream: String,
    /// A hash: the last number, what is safe in the archive, whether the log was removed, how many bytes it may grow.
    state: String,
}

impl Names {
    pub(super) fn new(task: &str) -> Self {
        let stream = format!("codex:{{logs}}:log:{task}");
        Self {
            task: task.to_owned(),
            state: format!("{stream}:state"),
            stream,
        }
    }

    /// What each script is given, in the order that it expects.
    pub(super) fn keys(&self) -> [&str; 4] {
        [&self.stream, &self.state, LEDGER, EXPIRY]
    }
}
