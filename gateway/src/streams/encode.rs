//! Server-sent events: statuses and joined frames in, bytes out.

use std::io::Write as _;

use bytes::Bytes;
use codex_tasklog::{Joined, JoinedBody, Stream};
use serde::Serialize;
use utoipa::ToSchema;

use crate::database::status::TaskStatus;
use crate::http::openapi::events::OutputStream;
use crate::http::record::State;

/// Which events a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum View {
    /// Events of Codex as `item`, lines as `log`.
    #[default]
    Typed,
    /// Everything as `log`.
    Raw,
}

/// How much memory an encoder keeps for the next events, in bytes.
const KEPT: usize = 128 * 1024;

/// Collects events as bytes.
#[derive(Debug, Default)]
pub struct Encoder {
    view: View,
    out: Vec<u8>,
}

/// The data of a `status` event.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatusData<'a> {
    #[schema(value_type = State)]
    state: &'a str,
    /// When this state was reached.
    #[schema(format = DateTime)]
    ts: String,
    /// Place in the queue, from 1.
    #[schema(minimum = 1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_position: Option<i64>,
    /// One word for the outcome, or for why the task waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    /// Whether somebody has asked for the end of the task; left out when not.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "is_false")]
    cancel_requested: bool,
}

/// The data of a `done` event.
#[derive(Serialize, ToSchema)]
pub(crate) struct DoneData<'a> {
    /// What Codex ended with, where it ended by itself.
    #[schema(required)]
    exit_code: Option<i32>,
    #[schema(value_type = State)]
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

/// The data of a `log` event.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogData<'a> {
    line: &'a str,
    #[schema(format = DateTime)]
    ts: &'a str,
    #[schema(value_type = OutputStream)]
    stream: &'a str,
    /// The number of the first frame of the line, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
}

/// The data of a `gap` event.
#[derive(Serialize, ToSchema)]
pub(crate) struct GapData<'a> {
    /// How many frames are lost.
    count: u64,
    /// The number of the first of them.
    from: u64,
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<&'a str>,
}

impl Encoder {
    /// An encoder with nothing in it.
    #[must_use]
    pub const fn new(view: View) -> Self {
        Self {
            view,
            out: Vec::new(),
        }
    }

    /// How many bytes wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Everything that waits.
    #[must_use]
    pub fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.out).into()
    }

    /// The same, for bytes that stay: their memory is exactly as large as they are, and the encoder keeps its own.
    #[must_use]
    pub fn freeze(&mut self) -> Bytes {
        let bytes = Bytes::copy_from_slice(&self.out);
        self.out.clear();
        self.out.shrink_to(KEPT);
        bytes
    }

    /// How many milliseconds a client waits before it connects again. It stands in the event that comes next.
    pub fn retry(&mut self, milliseconds: u32) {
        let _ = writeln!(self.out, "retry: {milliseconds}");
    }

    /// A `status` event.
    pub fn status(&mut self, status: &TaskStatus) {
        let data = StatusData {
            state: status.phase.as_str(),
            ts: rfc3339(status.since()),
            queue_position: status.queue_position,
            reason: status.reason.as_deref(),
            message: status.message.as_deref(),
            exit_code: status.exit_code,
            cancel_requested: status.cancel_requested_at.is_some() && !status.phase.is_final(),
        };
        self.event("status", None, &data);
    }

    /// The `done` event; the last one of a stream.
    pub fn done(&mut self, status: &TaskStatus) {
        let data = DoneData {
            exit_code: status.exit_code,
            state: status.phase.as_str(),
            reason: status.reason.as_deref(),
            message: status.message.as_deref(),
        };
        self.event("done", None, &data);
    }

    /// A comment that shows that the connection lives.
    pub fn heartbeat(&mut self) {
        self.out.extend_from_slice(b":\n\n");
    }

    /// Frames that are lost for good: those from `first` to `last`.
    pub fn gap(&mut self, first: u64, last: u64, ts: Option<&str>) {
        let data = GapData {
            count: last + 1 - first,
            from: first,
            ts,
        };
        self.event("gap", Some(last), &data);
    }

    /// A line, an event of Codex, or a gap. The end frame is no event of its own: `done` stands for it.
    pub fn joined(&mut self, piece: &Joined) {
        match &piece.body {
            JoinedBody::Line { stream, text } => self.line(piece, text, *stream),
            JoinedBody::Event { json } => {
                let object = match self.view {
                    View::Typed => object_body(json),
                    View::Raw => None,
                };
                match object {
                    Some(rest) => self.item(piece, rest),
                    None => self.line(piece, json, Stream::Stdout),
                }
            }
            JoinedBody::Gap { .. } => self.gap(piece.first, piece.last, Some(&piece.ts)),
            JoinedBody::End(_) => {}
        }
    }

    fn line(&mut self, piece: &Joined, text: &str, stream: Stream) {
        let data = LogData {
            line: text,
            ts: &piece.ts,
            stream: stream.as_str(),
            from: from(piece),
        };
        self.event("log", Some(piece.last), &data);
    }

    /// The object goes out as it came in, with two keys put before its own: nothing is parsed, and nothing that Codex may add one day
    /// is lost.
    fn item(&mut self, piece: &Joined, rest: &str) {
        self.begin("item", Some(piece.last));
        self.out.extend_from_slice(b"{\"ts\":");
        self.json(&piece.ts);
        if let Some(from) = from(piece) {
            let _ = write!(self.out, ",\"from\":{from}");
        }
        if !rest.trim_start().starts_with('}') {
            self.out.push(b',');
        }
        // A line break inside JSON is white space between tokens, but would end the field of the event.
        let start = self.out.len();
        self.out.extend_from_slice(rest.as_bytes());
        for byte in &mut self.out[start..] {
            if matches!(*byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        self.out.extend_from_slice(b"\n\n");
    }

    fn event(&mut self, name: &str, id: Option<u64>, data: &impl Serialize) {
        self.begin(name, id);
        self.json(data);
        self.out.extend_from_slice(b"\n\n");
    }

    fn begin(&mut self, name: &str, id: Option<u64>) {
        let _ = writeln!(self.out, "event: {name}");
        if let Some(id) = id {
            let _ = writeln!(self.out, "id: {id}");
        }
        self.out.extend_from_slice(b"data: ");
    }

    fn json(&mut self, value: &(impl Serialize + ?Sized)) {
        serde_json::to_writer(&mut self.out, value)
            .expect("numbers and strings always serialize into memory");
    }
}

/// What follows the opening brace, when the text looks like an object. A piece of an event that was too long to be joined does not.
pub(crate) fn object_body(json: &str) -> Option<&str> {
    let json = json.trim();
    json.ends_with('}').then(|| json.strip_prefix('{'))?
}

/// The first frame of a piece, where there are several: a client that counts sees that no number is missing.
fn from(piece: &Joined) -> Option<u64> {
    (piece.first != piece.last).then_some(piece.first)
}

/// Milliseconds are as fine as people and databases agree on.
pub(crate) fn rfc3339(time: chrono::DateTime<chrono::Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;
    use codex_tasklog::End;

    fn piece(first: u64, last: u64, body: JoinedBody) -> Joined {
        Joined {
            first,
            last,
            ts: "T".into(),
            body,
        }
    }

    fn event(json: &str) -> JoinedBody {
        JoinedBody::Event { json: json.into() }
    }

    fn encoded(view: View, piece: &Joined) -> String {
        let mut encoder = Encoder::new(view);
        encoder.joined(piece);
        String::from_utf8(encoder.take().to_vec()).unwrap()
    }

    #[test]
    fn items_keep_their_text() {
        let json = "{\"type\":\"x\",\"n\": 1e400,\"id\":1,\"id\":2}";
        assert_eq!(
            encoded(View::Typed, &piece(3, 3, event(json))),
            "event: item\nid: 3\ndata: {\"ts\":\"T\",\"type\":\"x\",\"n\": 1e400,\"id\":1,\"id\":2}\n\n"
        );
        assert_eq!(
            encoded(View::Typed, &piece(2, 4, event("{ }"))),
            "event: item\nid: 4\ndata: {\"ts\":\"T\",\"from\":2 }\n\n"
        );
        let text = encoded(View::Typed, &piece(1, 1, event("{\n\"a\":\r\n1}")));
        assert_eq!(text.matches('\n').count(), 4);
    }

    #[test]
    fn what_is_no_object_is_a_line() {
        for json in ["[1]", "{\"cut", "", "\"x\""] {
            let text = encoded(View::Typed, &piece(1, 1, event(json)));
            assert!(text.starts_with("event: log\nid: 1\n"), "{text}");
        }
    }

    #[test]
    fn raw_views_have_lines_only() {
        assert_eq!(
            encoded(View::Raw, &piece(1, 1, event("{\"a\":1}"))),
            "event: log\nid: 1\ndata: {\"line\":\"{\\\"a\\\":1}\",\"ts\":\"T\",\"stream\":\"stdout\"}\n\n"
        );
        let line = JoinedBody::Line {
            stream: Stream::Stderr,
            text: "a\r\nid: 9\n\n\u{2028}".into(),
        };
        let text = encoded(View::Raw, &piece(5, 7, line));
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("\"stream\":\"stderr\",\"from\":5}"), "{text}");
    }

    #[test]
    fn gaps_say_how_many_and_ends_say_nothing() {
        assert_eq!(
            encoded(View::Typed, &piece(4, 6, JoinedBody::Gap { count: 3 })),
            "event: gap\nid: 6\ndata: {\"count\":3,\"from\":4,\"ts\":\"T\"}\n\n"
        );
        let end = piece(7, 7, JoinedBody::End(End::default()));
        assert_eq!(encoded(View::Typed, &end), "");
    }
}
