//! Following a task on the terminal: `run` and `logs` end here.

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
    time::Duration,
};

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    Client, ClientError,
    api::View,
    follow::{Event, Follow, Step},
    render::Renderer,
    text::clean,
};

/// The exit code for a canceled task, and for leaving with Ctrl-C: what shells use for SIGINT.
const INTERRUPTED: u8 = 130;

/// Without `-f`, a running task is shown until nothing has come for this time.
const QUIET: Duration = Duration::from_millis(1500);

/// How events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Pretty,
    /// Each event as one line of JSON: `{"event","id"?,"data"}`.
    Json,
    /// The lines as they were written; those of standard error go to standard error.
    Raw,
}

/// What Ctrl-C does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnInterrupt {
    /// The first cancels the task, the second leaves.
    Cancel,
    /// It leaves.
    Leave,
}

/// Until when a task is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Its end.
    Done,
    /// Its end, or until it has nothing more to say for the moment.
    Quiet,
}

/// What to watch, and how.
#[derive(Debug)]
pub struct Watch {
    /// The gateway.
    pub client: Client,
    /// The task.
    pub task: String,
    /// Show what comes after this number.
    pub after: u64,
    /// How to show it.
    pub form: Form,
    /// What Ctrl-C does.
    pub on_interrupt: OnInterrupt,
    /// Until when.
    pub until: Until,
}

impl Watch {
    /// Shows the task. The exit code is the task's own once it is done; 130 when it was canceled.
    ///
    /// # Errors
    /// When the gateway refuses or stays away.
    pub async fn run(self) -> Result<ExitCode, ClientError> {
        match self.show().await {
            // Whoever reads our output has seen enough.
            Err(ClientError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Ok(ExitCode::SUCCESS)
            }
            other => other,
        }
    }

    async fn show(self) -> Result<ExitCode, ClientError> {
        let view = if self.form == Form::Raw {
            View::Raw
        } else {
            View::Items
        };
        let mut interrupts = signal(SignalKind::interrupt())?;
        let mut follow = Follow::new(self.client.clone(), self.task.clone(), self.after, view);
        let mut screen = Screen::new(self.form);
        let mut interrupted = self.on_interrupt == OnInterrupt::Leave;
        let mut cancel: Option<BoxFuture<'_, Result<(), ClientError>>> = None;
        let mut reconnecting = false;
        // Each connection begins with the present state; before that, quiet only means that the gateway is slow.
        let mut connected = false;
        loop {
            let step = tokio::select! {
                step = follow.next() => step?,
                () = tokio::time::sleep(QUIET), if self.until == Until::Quiet && connected => {
                    return Ok(ExitCode::SUCCESS);
                }
                () = next_interrupt(&mut interrupts) => {
                    if std::mem::replace(&mut interrupted, true) {
                        screen.remark(&format!("leaving; `codex-remote logs -f {}` shows the rest", self.task))?;
                        return Ok(ExitCode::from(INTERRUPTED));
                    }
                    screen.remark("canceling the task; Ctrl-C again leaves without waiting for its end")?;
                    cancel = Some(Box::pin(self.client.cancel_task(&self.task)));
                    continue;
                }
                result = finished(&mut cancel) => {
                    cancel = None;
                    if let Err(error) = result {
                        screen.remark(&format!("cannot cancel the task: {error}"))?;
                        interrupted = false;
                    }
                    continue;
                }
            };
            match step {
                Step::Event(event) => {
                    (reconnecting, connected) = (false, true);
                    screen.event(&event)?;
                    if event.name == "done" {
                        return Ok(exit_code(&event.data));
                    }
                }
                Step::Reconnecting(why) => {
                    connected = false;
                    // Once for each loss, not for each try.
                    if !std::mem::replace(&mut reconnecting, true) {
                        screen.remark(&format!("reconnecting: {why}"))?;
                    }
                }
            }
        }
    }
}

/// The exit code of this program for the payload of `done`.
fn exit_code(done: &Value) -> ExitCode {
    if done["state"] == "canceled" {
        return ExitCode::from(INTERRUPTED);
    }
    match (done["exit_code"].as_i64(), done["state"].as_str()) {
        (Some(0), Some("completed") | None) | (None, Some("completed")) => ExitCode::SUCCESS,
        // A process reports eight bits; what does not fit is still a failure.
        (Some(code), _) => ExitCode::from(
            u8::try_from(code)
                .ok()
                .filter(|code| *code != 0)
                .unwrap_or(1),
        ),
        (None, _) => ExitCode::FAILURE,
    }
}

async fn next_interrupt(interrupts: &mut Signal) {
    if interrupts.recv().await.is_none() {
        // No signal can come any more, so neither does this end.
        std::future::pending::<()>().await;
    }
}

/// Waits for a future that may not be there; then for ever.
async fn finished<T>(future: &mut Option<BoxFuture<'_, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

enum Screen {
    Pretty(Renderer<io::Stdout>),
    Json,
    Raw,
}

impl Screen {
    fn new(form: Form) -> Self {
        match form {
            Form::Pretty => {
                let colors = io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
                Self::Pretty(Renderer::new(io::stdout(), colors))
            }
            Form::Json => Self::Json,
            Form::Raw => Self::Raw,
        }
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        match self {
            Self::Pretty(renderer) => renderer.event(event),
            Self::Json => {
                let mut line = json!({"event": event.name});
                if let Some(id) = event.id {
                    line["id"] = id.into();
                }
                line["data"] = event.data.clone();
                write_line(&mut io::stdout(), &line.to_string())
            }
            Self::Raw => match (event.name.as_str(), event.data["line"].as_str()) {
                ("log", Some(line)) if event.data["stream"] == "stderr" => {
                    raw_line(&mut io::stderr(), line)
                }
                ("log", Some(line)) => raw_line(&mut io::stdout(), line),
                ("gap", _) => write_line(
                    &mut io::stderr(),
                    &format!("codex-remote: lost for good: {}", event.data),
                ),
                _ => Ok(()),
            },
        }
    }

    /// Remarks stay out of what programs read.
    fn remark(&mut self, remark: &str) -> io::Result<()> {
        match self {
            Self::Pretty(renderer) => renderer.remark(remark),
            Self::Json | Self::Raw => {
                write_line(&mut io::stderr(), &format!("codex-remote: {remark}"))
            }
        }
    }
}

/// A file or pipe gets every byte; a terminal gets nothing that steers it.
fn raw_line(out: &mut (impl io::Write + io::IsTerminal), line: &str) -> io::Result<()> {
    if out.is_terminal() {
        write_line(out, &clean(line))
    } else {
        write_line(out, line)
    }
}

fn write_line(out: &mut impl io::Write, line: &str) -> io::Result<()> {
    out.write_all(format!("{line}\n").as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_tasks_own() {
        for (done, code) in [
            (json!({"exit_code": 0, "state": "completed"}), 0),
            (json!({"exit_code": 0}), 0),
            (json!({"exit_code": 3, "state": "error"}), 3),
            (json!({"exit_code": 256, "state": "error"}), 1),
            (json!({"exit_code": null, "state": "error"}), 1),
            (json!({"exit_code": 0, "state": "error"}), 1),
            (json!({"exit_code": 1, "state": "canceled"}), 130),
        ] {
            assert_eq!(exit_code(&done), ExitCode::from(code), "{done}");
        }
    }
}
