//! PID 1 of a task Pod: prepares the workspace, runs Codex and frames its output.
//!
//! The order of things, and where it stands:
//!
//! 1. `harden`: no process of the task can read or write this one.
//! 2. [`Config`]: what the operator planned, from the environment.
//! 3. `workspace`: the task's own copy of the repository.
//! 4. `forwarder`: the model for Codex, without a credential.
//! 5. `engine`, `pump`: Codex itself, its output as frames (`output`).
//! 6. `process`, `shutdown`: signals, and the end of everything that is left.
//! 7. `patch`, `outcome`: what changed in the copy, and how the task ended.
//! 8. `leave`, `spool`, `session`, `pod_proxy`: what stays of the task besides its output.
//!
//! `clock` notes when all of that was, for the trace of the task. `run` puts them together.

mod clock;
mod codex_home;
mod config;
mod engine;
mod error;
mod forwarder;
pub mod harden;
mod leave;
mod outcome;
mod output;
mod patch;
mod pod_proxy;
mod process;
mod pump;
mod run;
mod session;
mod shutdown;
mod spool;
mod workspace;

pub use config::{Config, ConfigError, ConfigErrors, McpServer};
pub use run::run;

/// Exit codes of the runner itself. Otherwise it ends with the code of Codex, or 128 and the number of the signal that
/// ended it.
pub mod exit {
    /// The task could not be prepared; the end frame says why.
    pub const PREPARATION: u8 = 1;
    /// A variable of the environment is missing or wrong (`EX_USAGE`); there are no frames.
    pub const USAGE: u8 = 64;
    /// The system refused something that the runner cannot do without (`EX_OSERR`).
    pub const SYSTEM: u8 = 71;
    /// Standard output is gone (`EX_IOERR`): nobody follows the task any more.
    pub const OUTPUT: u8 = 74;
    /// The runner was told to stop, and what it had started did not end in time: 128 + SIGKILL.
    pub const KILLED: u8 = 137;
    /// The runner was told to stop before Codex ran: 128 + SIGTERM.
    pub const STOPPED: u8 = 143;
}
