//! Joins the frames of a split line or event again.

use crate::frame::{Body, End, Frame, Stream};

/// The longest line that is joined, in bytes. A longer one is handed out in several pieces, so that memory stays bounded
/// whatever the log holds.
const MAX_JOINED_BYTES: usize = 16 * 1024 * 1024;

/// A whole line, event, end or gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Number of the first frame that it is made of.
    pub first: u64,
    /// Number of the last frame that it is made of; a client that has it resumes after this number.
    pub last: u64,
    /// When the runner wrote the last part.
    pub ts: String,
    /// What it says.
    pub body: JoinedBody,
}

/// What a joined piece says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinedBody {
    /// A line of text.
    Line {
        /// Where it came from.
        stream: Stream,
        /// The whole text.
        text: String,
    },
    /// The whole JSON text of an event.
    Event {
        /// The JSON text.
        json: String,
    },
    /// The end of the log.
    End(End),
    /// Frames that are lost for good.
    Gap {
        /// How many.
        count: u64,
    },
}

/// Joins frames in the order of their numbers.
#[derive(Debug, Default)]
pub struct Joiner {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    first: u64,
    stream: Option<Stream>,
    text: String,
}

impl Joiner {
    /// Takes the next frame; answers with a piece when it is whole.
    pub fn push(&mut self, frame: &Frame) -> Option<Joined> {
        let (stream, text, more) = match &frame.body {
            Body::Beat => return None,
            Body::Line { stream, text, more } => (Some(*stream), text, *more),
            Body::Event { json, more } => (None, json, *more),
            Body::End(end) => return Some(self.whole(frame, JoinedBody::End(end.clone()))),
            Body::Gap { count } => {
                return Some(self.whole(frame, JoinedBody::Gap { count: *count }));
            }
        };
        let mut open = self.open.take().unwrap_or_else(|| Open {
            first: frame.seq,
            stream,
            text: String::new(),
        });
        open.text.push_str(text);
        if more && open.text.len() < MAX_JOINED_BYTES {
            self.open = Some(open);
            return None;
        }
        let body = match open.stream {
            Some(stream) => JoinedBody::Line {
                stream,
                text: open.text,
            },
            None => JoinedBody::Event { json: open.text },
        };
        Some(Joined {
            first: open.first,
            last: frame.seq,
            ts: frame.ts.clone(),
            body,
        })
    }

    /// Ends and gaps are whole by themselves; a half line before a gap can never be completed and is part of the loss.
    fn whole(&mut self, frame: &Frame, body: JoinedBody) -> Joined {
        let first = self.open.take().map_or(frame.first(), |open| open.first);
        let body = match body {
            JoinedBody::Gap { .. } => JoinedBody::Gap {
                count: frame.seq + 1 - first,
            },
            other => other,
        };
        Joined {
            first,
            last: frame.seq,
            ts: frame.ts.clone(),
            body,
        }
    }
}
