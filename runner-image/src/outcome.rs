//! What the end frame says, and the exit code that goes with it.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use codex_tasklog::EndReport;
use nix::sys::signal::Signal;

use crate::error::RunnerError;
use crate::exit;

/// How Codex ended.
#[derive(Debug)]
pub struct Ended {
    /// What the system says.
    pub status: ExitStatus,
    /// The runner had asked for it.
    pub was_stopped: bool,
}

/// How the task ended.
#[derive(Debug)]
pub struct End {
    /// For the end frame.
    pub report: EndReport,
    /// For whoever started the runner.
    pub code: u8,
}

impl End {
    /// The end of a task whose Codex never ran.
    pub fn failed(error: &RunnerError) -> Self {
        let report = EndReport {
            exit_code: None,
            reason: Some(error.reason().to_owned()),
            message: Some(error.to_string()),
            ..EndReport::default()
        };
        Self {
            report,
            code: error.exit_code(),
        }
    }

    /// The end of a task that could not be stopped in time.
    pub fn abandoned() -> Self {
        let report = EndReport {
            exit_code: None,
            reason: Some("Canceled".to_owned()),
            message: Some(stopped()),
            ..EndReport::default()
        };
        Self {
            report,
            code: exit::KILLED,
        }
    }

    /// The end of a task whose Codex ran. `said` is why it failed in the words of Codex.
    pub fn of_codex(ended: &Ended, said: Option<String>) -> Self {
        let exit_code = ended.status.code();
        let signal = ended.status.signal();
        let (reason, message) = match exit_code {
            // Whoever finishes in spite of the signal has finished.
            Some(0) => (None, None),
            _ if ended.was_stopped => (Some("Canceled"), Some(stopped())),
            Some(code) => (Some("ExitCode"), Some(said.unwrap_or_else(|| exited(code)))),
            None => (Some("CodexCrashed"), Some(crashed(signal.unwrap_or(0)))),
        };
        let code = exit_code.unwrap_or_else(|| 128 + signal.unwrap_or(0));
        let report = EndReport {
            exit_code,
            reason: reason.map(str::to_owned),
            message,
            ..EndReport::default()
        };
        Self {
            report,
            code: u8::try_from(code).unwrap_or(exit::PREPARATION),
        }
    }
}

fn stopped() -> String {
    "the task was told to stop (canceled, timed out or deleted); what it did until then is kept"
        .to_owned()
}

fn exited(code: i32) -> String {
    format!("Codex ended with exit code {code} and did not say why; its last commands may")
}

fn crashed(signal: i32) -> String {
    let known = Signal::try_from(signal).ok();
    let name = known.map_or_else(|| signal.to_string(), |signal| signal.to_string());
    let advice = match known {
        Some(Signal::SIGKILL) => {
            "most often the memory limit did it: give the repository's tasks more memory"
        }
        _ => {
            "the lines before it may say why; run the task again, and report it if it happens again"
        }
    };
    format!("Codex was ended by signal {name}; {advice}")
}
