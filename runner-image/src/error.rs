//! Why a task cannot go on.

use std::path::PathBuf;

use crate::exit;

/// Why Codex did not run. The text goes into the end frame, for the user.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The working directory is outside of the repository, or is no directory.
    #[error("{0}")]
    InvalidCwd(String),
    /// The copy of the repository, or another preparation, failed.
    #[error("{0}")]
    Workspace(String),
    /// The session to go on from is not there, or is none.
    #[error("the session of task {task} cannot be continued: {problem}; start a new task instead")]
    Session {
        /// The earlier task.
        task: String,
        /// Why not.
        problem: String,
    },
    /// There is no Codex to start.
    #[error(
        "cannot start Codex at {path}: {source}; the runner image has to hold it, or CODEX_BIN has to name it"
    )]
    CodexMissing {
        /// Where it was looked for.
        path: PathBuf,
        /// Why it does not start.
        source: std::io::Error,
    },
    /// SIGTERM came before Codex ran.
    #[error("the task was told to stop (canceled, timed out or deleted) before Codex started")]
    Canceled,
    /// Standard output is gone.
    #[error("nobody reads the output of the task any more")]
    OutputGone,
}

impl RunnerError {
    /// The reason in the end frame; the words are those of `codex_crds::reasons`.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::InvalidCwd(_) => "InvalidCwd",
            Self::Workspace(_) => "Workspace",
            Self::Session { .. } => "SessionMissing",
            Self::CodexMissing { .. } => "CodexMissing",
            Self::Canceled => "Canceled",
            Self::OutputGone => "RunnerLost",
        }
    }

    /// The exit code of the runner.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::InvalidCwd(_)
            | Self::Workspace(_)
            | Self::Session { .. }
            | Self::CodexMissing { .. } => exit::PREPARATION,
            Self::Canceled => exit::STOPPED,
            Self::OutputGone => exit::OUTPUT,
        }
    }
}
