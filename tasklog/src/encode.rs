//! The runner's side: numbers, splits and hashes what Codex writes.

use crate::frame::{Body, End, Frame, Stream};
use crate::hash::FrameHasher;
use crate::phases::Phases;

/// The longest frame on the wire in bytes, with its line end. Container runtimes split lines at 16 KiB or less; a frame
/// must never be split.
pub const MAX_FRAME_BYTES: usize = 8000;

/// Turns lines and events into numbered frames on the wire.
#[derive(Debug)]
pub struct FrameEncoder {
    nonce: String,
    last: u64,
    hasher: FrameHasher,
    /// What stands in every frame after its time.
    mark: String,
    copy: Option<Vec<u8>>,
}

/// What the runner says in the end frame.
#[derive(Clone, Debug, Default)]
pub struct EndReport {
    /// The exit code of Codex, where it has one.
    pub exit_code: Option<i32>,
    /// One word for the outcome where the exit code does not say it.
    pub reason: Option<String>,
    /// What happened and what to do about it.
    pub message: Option<String>,
    /// Number of the last frame that the uploaded record of the runner holds, where there is one.
    pub spooled: Option<u64>,
    /// When what was done.
    pub phases: Option<Box<Phases>>,
}

enum Kind {
    Line(Stream),
    Event,
}

impl FrameEncoder {
    /// An encoder that starts at number 1 and puts `nonce` into every frame.
    #[must_use]
    pub fn new(nonce: impl Into<String>) -> Self {
        let nonce = nonce.into();
        Self {
            mark: format!("\"nonce\":\"{nonce}\","),
            nonce,
            last: 0,
            hasher: FrameHasher::default(),
            copy: None,
        }
    }

    /// The same encoder, which also keeps what it writes in the form of the archive, for [`take_copy`](Self::take_copy).
    #[must_use]
    pub fn with_copy(mut self) -> Self {
        self.copy = Some(Vec::new());
        self
    }

    /// The lines and events since the last call as lines of the archive: without nonce, beats and end.
    pub fn take_copy(&mut self) -> Vec<u8> {
        self.copy.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Keeps no copies any more.
    pub fn drop_copy(&mut self) {
        self.copy = None;
    }

    /// The number of the last frame, 0 before the first.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Appends a line of text to `out`, as one or more frames.
    pub fn line(&mut self, stream: Stream, text: &str, ts: &str, out: &mut Vec<u8>) {
        self.split(&Kind::Line(stream), text, ts, out);
    }

    /// Appends an event, the JSON text of an object, to `out`, as one or more frames.
    pub fn event(&mut self, json: &str, ts: &str, out: &mut Vec<u8>) {
        self.split(&Kind::Event, json, ts, out);
    }

    /// Appends a sign of life.
    pub fn beat(&self, ts: &str, out: &mut Vec<u8>) {
        let frame = Frame {
            seq: self.last,
            ts: ts.to_owned(),
            body: Body::Beat,
        };
        self.write(&frame, out);
    }

    /// Appends the end frame. Nothing may follow it.
    pub fn end(mut self, mut report: EndReport, ts: &str, out: &mut Vec<u8>) {
        // A message that grew too long must not make a frame that the container runtime splits.
        if let Some(message) = &mut report.message {
            message.truncate(message.floor_char_boundary(1000));
        }
        let end = End {
            exit_code: report.exit_code,
            last: self.last,
            sha256: self.hasher.hex(),
            spooled: report.spooled,
            reason: report.reason,
            message: report.message,
            phases: report.phases,
        };
        self.last += 1;
        let frame = Frame {
            seq: self.last,
            ts: ts.to_owned(),
            body: Body::End(end),
        };
        self.write(&frame, out);
    }

    fn split(&mut self, kind: &Kind, mut text: &str, ts: &str, out: &mut Vec<u8>) {
        // Keys, quotes, the longest number and the words take less than 160 bytes.
        let budget = MAX_FRAME_BYTES - 160 - self.nonce.len() - ts.len();
        loop {
            let cut = cut_point(text, budget);
            let (head, rest) = text.split_at(cut);
            let more = !rest.is_empty();
            self.last += 1;
            let text_owned = head.to_owned();
            let frame = Frame {
                seq: self.last,
                ts: ts.to_owned(),
                body: match kind {
                    Kind::Line(stream) => Body::Line {
                        stream: *stream,
                        text: text_owned,
                        more,
                    },
                    Kind::Event => Body::Event {
                        json: text_owned,
                        more,
                    },
                },
            };
            self.hasher.update(&frame);
            let start = out.len();
            self.write(&frame, out);
            self.keep(&out[start..]);
            if !more {
                return;
            }
            text = rest;
        }
    }

    /// Keeps a copy of a frame without the nonce. The first mark is the right one: only a number and a time stand before it.
    fn keep(&mut self, wire: &[u8]) {
        let Some(copy) = &mut self.copy else {
            return;
        };
        let mark = self.mark.as_bytes();
        let at = wire.windows(mark.len()).position(|part| part == mark);
        let (head, tail) = wire.split_at(at.unwrap_or(wire.len()));
        copy.extend_from_slice(head);
        copy.extend_from_slice(tail.get(mark.len()..).unwrap_or_default());
    }

    fn write(&self, frame: &Frame, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(frame.to_json(Some(&self.nonce)).as_bytes());
        out.push(b'\n');
        debug_assert!(out.len() - start <= MAX_FRAME_BYTES, "a frame is too long");
    }
}

/// Where to cut so that the JSON string of the head takes at most `budget` bytes.
fn cut_point(text: &str, budget: usize) -> usize {
    // Worst case first: no character takes more than six times its bytes.
    if text.len() * 6 <= budget {
        return text.len();
    }
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += match character {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            c if (c as u32) < 0x20 => 6,
            c => c.len_utf8(),
        };
        if used > budget {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::parse_wire;
    use crate::join::{JoinedBody, Joiner};
    use crate::phases::Period;

    const TS: &str = "2026-01-01T00:00:00.000000Z";

    proptest! {
        #[test]
        fn split_lines_are_joined_again(
            texts in proptest::collection::vec(("[\\x00-\\x7fäß€😀\"\\\\]{0,3000}", 1usize..20, 0u8..3), 1..8)
        ) {
            let mut encoder = FrameEncoder::new("0123456789abcdef0123456789abcdef");
            let mut wire = Vec::new();
            let mut wanted = Vec::new();
            for (text, repeat, kind) in &texts {
                let text = text.repeat(*repeat);
                match kind {
                    0 => encoder.line(Stream::Stdout, &text, TS, &mut wire),
                    1 => encoder.line(Stream::Stderr, &text, TS, &mut wire),
                    _ => encoder.event(&text, TS, &mut wire),
                }
                wanted.push((*kind, text));
            }
            encoder.end(EndReport { exit_code: Some(0), ..EndReport::default() }, TS, &mut wire);

            let mut joiner = Joiner::default();
            let mut hasher = FrameHasher::default();
            let mut found = Vec::new();
            for (next, line) in (1..).zip(wire.split_inclusive(|b| *b == b'\n')) {
                prop_assert!(line.len() <= MAX_FRAME_BYTES);
                let frame = parse_wire(line, "0123456789abcdef0123456789abcdef").unwrap();
                prop_assert_eq!(frame.seq, next);
                hasher.update(&frame);
                if let Some(joined) = joiner.push(&frame) {
                    match joined.body {
                        JoinedBody::Line { stream: Stream::Stdout, text } => found.push((0, text)),
                        JoinedBody::Line { stream: Stream::Stderr, text } => found.push((1, text)),
                        JoinedBody::Event { json } => found.push((2, json)),
                        JoinedBody::End(end) => {
                            prop_assert_eq!(&end.sha256, &hasher.hex());
                            prop_assert_eq!(end.last + 1, frame.seq);
                        }
                        JoinedBody::Gap { .. } => prop_assert!(false, "no gap was written"),
                    }
                }
            }
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn long_messages_do_not_break_the_end_frame() {
        let mut out = Vec::new();
        let report = EndReport {
            message: Some("\u{1}".repeat(100_000)),
            phases: Some(Box::new(Phases {
                prepare: Some(Period(u64::MAX, u64::MAX)),
                codex: Some(Period(u64::MAX, u64::MAX)),
                patch: Some(Period(u64::MAX, u64::MAX)),
                upload: Some(Period(u64::MAX, u64::MAX)),
            })),
            ..EndReport::default()
        };
        FrameEncoder::new("n").end(report, TS, &mut out);
        assert!(out.len() <= MAX_FRAME_BYTES);
        assert!(parse_wire(&out, "n").unwrap().is_end());
    }
}
