//! What the runner says: frames on standard output, in the order of their numbers.

mod lines;
mod writer;

use std::sync::Arc;

use codex_tasklog::Stream;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use lines::{Lines, MAX_LINE_BYTES};
pub use writer::{BEAT_INTERVAL, Record, Writer, start};

/// How many bytes may wait to be written. Whoever has more waits, and so does Codex at its pipes.
const WAITING_BYTES: usize = 2 * MAX_LINE_BYTES;
/// How many pieces may wait to be written.
const WAITING_PIECES: usize = 256;

/// Where lines and events go. Clones share the order.
#[derive(Clone, Debug)]
pub struct Output {
    pieces: mpsc::Sender<Piece>,
    budget: Arc<Semaphore>,
    broken: CancellationToken,
}

#[derive(Debug)]
struct Piece {
    ts: String,
    body: Body,
    _budget: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum Body {
    Line(Stream, String),
    Event(String),
    /// Asks for the record of everything before it.
    Record(oneshot::Sender<Record>),
    End(codex_tasklog::EndReport),
}

/// Events of the runner itself.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub enum RunnerEvent<'a> {
    /// The workspace is ready and Codex starts.
    #[serde(rename = "runner.started")]
    Started {
        /// The folder that Codex works in.
        cwd: &'a str,
        /// Where the repository is mounted.
        repository: &'a str,
        /// The commit that the copy begins with.
        #[serde(skip_serializing_if = "Option::is_none")]
        commit: Option<&'a str>,
        /// The branch of the copy.
        #[serde(skip_serializing_if = "Option::is_none")]
        branch: Option<&'a str>,
        /// The version of Codex, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        codex_version: Option<&'a str>,
    },
    /// Something that a user should know and that does not stop the task.
    #[serde(rename = "runner.warning")]
    Warning {
        /// What it is, and what to do about it.
        message: &'a str,
    },
    /// What the task changed.
    #[serde(rename = "runner.patch")]
    Patch {
        /// For `git apply`, in the root of the repository.
        patch: &'a str,
        /// Length of the patch.
        bytes: usize,
        /// How many files it touches.
        files: usize,
        /// Whether files are missing because the patch was too long. What is there still applies.
        truncated: bool,
    },
}

impl Output {
    /// Writes a line of text.
    pub async fn line(&self, stream: Stream, text: String, ts: String) {
        let length = text.len();
        self.send(Body::Line(stream, text), length, ts).await;
    }

    /// Writes an event, the JSON text of an object.
    pub async fn event(&self, json: String, ts: String) {
        let length = json.len();
        self.send(Body::Event(json), length, ts).await;
    }

    /// Writes an event of the runner.
    pub async fn tell(&self, event: &RunnerEvent<'_>) {
        let json = serde_json::to_string(event).expect("strings and numbers always serialize");
        self.event(json, now()).await;
    }

    /// Tells the user about something that does not stop the task.
    pub async fn warn(&self, message: &str) {
        self.tell(&RunnerEvent::Warning { message }).await;
    }

    /// Whether nobody reads any more.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.is_cancelled()
    }

    /// Returns when nobody reads any more.
    pub async fn broken(&self) {
        self.broken.cancelled().await;
    }

    async fn send(&self, body: Body, length: usize, ts: String) {
        let permits = u32::try_from(length.min(WAITING_BYTES)).expect("the budget is small");
        let budget = Arc::clone(&self.budget)
            .acquire_many_owned(permits)
            .await
            .ok();
        // The writer only goes away when standard output is broken, which `broken` says.
        let _ = self
            .pieces
            .send(Piece {
                ts,
                body,
                _budget: budget,
            })
            .await;
    }
}

/// The present time as it stands in frames: RFC 3339, microseconds, UTC.
pub fn now() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_have_six_digits() {
        let now = super::now();
        assert_eq!(now.len(), "2026-01-01T00:00:00.000000Z".len(), "{now}");
        assert!(now.ends_with('Z'));
    }
}
