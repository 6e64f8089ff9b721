//! One numbered piece of a task's output, and its form on the wire.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::phases::Phases;

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output of Codex, where it was not an event.
    Stdout,
    /// Standard error of Codex.
    Stderr,
}

impl Stream {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A numbered piece of a task's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Number of the frame, from 1 without holes.
    pub seq: u64,
    /// When the runner wrote it: RFC 3339, UTC.
    pub ts: String,
    /// What it carries.
    pub body: Body,
}

/// What a frame carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Text of a line, without its line end.
    Line {
        /// Where it came from.
        stream: Stream,
        /// The text; invalid UTF-8 has been replaced.
        text: String,
        /// Whether the next frame goes on with the same line.
        more: bool,
    },
    /// The JSON text of an event of Codex (`codex exec --json`) or of the runner (`type` begins with `runner.`).
    Event {
        /// The JSON text, or a part of it.
        json: String,
        /// Whether the next frame goes on with the same event.
        more: bool,
    },
    /// The last frame of every log.
    End(End),
    /// Frames that are lost for good: the number of the frame is that of the last one missing.
    Gap {
        /// How many are missing.
        count: u64,
    },
    /// A sign of life. It repeats the last number and is never stored.
    Beat,
}

/// How a task's process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The exit code of Codex; absent when it never ran or a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Number of the last frame before this one.
    pub last: u64,
    /// SHA-256 over the frames 1 to `last`, in hexadecimal; see [`FrameHasher`](crate::FrameHasher).
    pub sha256: String,
    /// Number of the last frame in the record that the runner uploaded ([`Artifact::Frames`](crate::Artifact::Frames)). It is `last`;
    /// absent when there is no such record: the container's log was short, or the upload failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spooled: Option<u64>,
    /// One word for the outcome where the exit code does not say it, for example `InvalidCwd` or `Canceled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What happened and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the runner did what. In a box, because every frame has room for an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<Box<Phases>>,
}

impl Frame {
    /// The first number that this frame stands for; only a gap stands for several.
    #[must_use]
    pub const fn first(&self) -> u64 {
        match self.body {
            Body::Gap { count } => self.seq.saturating_sub(count) + 1,
            _ => self.seq,
        }
    }

    /// What of this frame comes after number `known`: nothing, all of it, or the later part of a gap.
    #[must_use]
    pub fn after(self: &Arc<Self>, known: u64) -> Option<Arc<Self>> {
        if self.seq <= known {
            return None;
        }
        if self.first() > known {
            return Some(Arc::clone(self));
        }
        Some(Arc::new(Self {
            seq: self.seq,
            ts: self.ts.clone(),
            body: Body::Gap {
                count: self.seq - known,
            },
        }))
    }

    /// Whether the log ends here.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self.body, Body::End(_))
    }

    /// About how many bytes the frame takes, for limits: its text and what is around it.
    #[must_use]
    pub(crate) fn weight(&self) -> u64 {
        let text = match &self.body {
            Body::Line { text, .. } | Body::Event { json: text, .. } => text.len(),
            Body::End(end) => end.message.as_ref().map_or(0, String::len) + end.sha256.len(),
            Body::Gap { .. } | Body::Beat => 0,
        };
        u64::try_from(text).unwrap_or(u64::MAX - 128) + 128
    }

    /// The frame as one line of JSON without line end, with the nonce of the task where one is given.
    #[must_use]
    pub fn to_json(&self, nonce: Option<&str>) -> String {
        let mut wire = Wire {
            seq: self.seq,
            ts: self.ts.as_str().into(),
            nonce: nonce.map(Into::into),
            stream: None,
            line: None,
            event: None,
            more: false,
            end: None,
            gap: None,
            beat: false,
        };
        match &self.body {
            Body::Line { stream, text, more } => {
                wire.stream = Some(*stream);
                wire.line = Some(text.as_str().into());
                wire.more = *more;
            }
            Body::Event { json, more } => {
                wire.event = Some(json.as_str().into());
                wire.more = *more;
            }
            Body::End(end) => wire.end = Some(end.clone()),
            Body::Gap { count } => wire.gap = Some(*count),
            Body::Beat => wire.beat = true,
        }
        serde_json::to_string(&wire).expect("strings and numbers always serialize")
    }

    /// Reads a frame from a store, where the nonce has been removed already.
    ///
    /// # Errors
    /// [`ParseError`] when the text is not a frame.
    pub fn from_json(text: &[u8]) -> Result<Self, ParseError> {
        let wire: Wire<'_> = serde_json::from_slice(text).map_err(|_| ParseError::NotAFrame)?;
        wire.into_frame()
    }
}

/// Why a line of a container's log is not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is not JSON of the right form.
    #[error("the line is not a frame")]
    NotAFrame,
    /// It does not carry the nonce of the task, so the runner did not write it.
    #[error("the line does not carry the nonce of the task")]
    WrongNonce,
}

/// Reads a line of a container's log. Whatever does not carry the nonce was not written by the runner.
///
/// # Errors
/// [`ParseError`] says why the line is dropped.
pub fn parse_wire(line: &[u8], nonce: &str) -> Result<Frame, ParseError> {
    let wire: Wire<'_> = serde_json::from_slice(line).map_err(|_| ParseError::NotAFrame)?;
    if wire.nonce.as_deref() != Some(nonce) {
        return Err(ParseError::WrongNonce);
    }
    wire.into_frame()
}

type Text<'a> = std::borrow::Cow<'a, str>;

/// The form on the wire: one flat object.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    seq: u64,
    #[serde(borrow)]
    ts: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    nonce: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<Stream>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "is_false")]
    more: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<End>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gap: Option<u64>,
    #[serde(default, skip_serializing_if = "is_false")]
    beat: bool,
}

impl Wire<'_> {
    fn into_frame(self) -> Result<Frame, ParseError> {
        let more = self.more;
        let body = match (
            self.stream,
            self.line,
            self.event,
            self.end,
            self.gap,
            self.beat,
        ) {
            (Some(stream), Some(text), None, None, None, false) => Body::Line {
                stream,
                text: text.into_owned(),
                more,
            },
            (None, None, Some(json), None, None, false) => Body::Event {
                json: json.into_owned(),
                more,
            },
            (None, None, None, Some(end), None, false) => Body::End(end),
            (None, None, None, None, Some(count), false) if count <= self.seq => {
                Body::Gap { count }
            }
            (None, None, None, None, None, true) => Body::Beat,
            _ => return Err(ParseError::NotAFrame),
        };
        if self.seq == 0 && body != Body::Beat {
            return Err(ParseError::NotAFrame);
        }
        Ok(Frame {
            seq: self.seq,
            ts: self.ts.into_owned(),
            body,
        })
    }
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
    use crate::phases::Period;

    #[test]
    fn frames_round_trip_and_need_the_nonce() {
        let bodies = [
            Body::Line {
                stream: Stream::Stderr,
                text: "a \"b\" \u{1}\n".into(),
                more: true,
            },
            Body::Event {
                json: r#"{"type":"x"}"#.into(),
                more: false,
            },
            Body::End(End {
                exit_code: Some(1),
                last: 6,
                sha256: "ab".into(),
                spooled: Some(6),
                reason: None,
                message: None,
                phases: Some(Box::new(Phases {
                    codex: Some(Period(1, 2)),
                    ..Phases::default()
                })),
            }),
            Body::Gap { count: 3 },
            Body::Beat,
        ];
        for body in bodies {
            let frame = Frame {
                seq: 7,
                ts: "2026-01-01T00:00:00Z".into(),
                body,
            };
            let line = frame.to_json(Some("n1"));
            assert_eq!(parse_wire(line.as_bytes(), "n1").unwrap(), frame);
            assert_eq!(
                parse_wire(line.as_bytes(), "n2"),
                Err(ParseError::WrongNonce)
            );
            assert_eq!(
                Frame::from_json(frame.to_json(None).as_bytes()).unwrap(),
                frame
            );
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for line in [
            "",
            "hello",
            "{}",
            r#"{"seq":1,"ts":"","nonce":"n"}"#,
            r#"{"seq":1,"ts":"","nonce":"n","stream":"stdout"}"#,
            r#"{"seq":0,"ts":"","nonce":"n","event":"{}"}"#,
            r#"{"seq":1,"ts":"","nonce":"n","gap":2}"#,
            r#"{"seq":1,"ts":"","nonce":"n","event":"{}","beat":true}"#,
            "failed to create fsnotify watcher: too many open files",
        ] {
            assert!(parse_wire(line.as_bytes(), "n").is_err(), "{line}");
        }
    }
}
