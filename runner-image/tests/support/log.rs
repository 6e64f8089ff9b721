//! The frames of a task, checked as the operator checks them.

use codex_tasklog::{
    Body, Frame, FrameHasher, Joined, JoinedBody, Joiner, MAX_FRAME_BYTES, Stream, parse_wire,
};
use serde_json::Value;

use super::NONCE;

/// What has been read so far.
#[derive(Default)]
pub struct Log {
    pub frames: Vec<Frame>,
    pub pieces: Vec<Joined>,
    joiner: Joiner,
    hasher: FrameHasher,
}

impl Log {
    /// Checks the frame as the operator does.
    pub(super) fn push(&mut self, line: &[u8]) {
        assert!(line.len() <= MAX_FRAME_BYTES);
        let frame = parse_wire(line, NONCE)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(line)));
        let last = self.frames.last().map_or(0, |frame| frame.seq);
        if frame.body == Body::Beat {
            assert_eq!(frame.seq, last);
            return;
        }
        assert_eq!(frame.seq, last + 1, "a hole");
        assert!(
            !self.frames.last().is_some_and(Frame::is_end),
            "something after the end"
        );
        if let Body::End(end) = &frame.body {
            assert_eq!(end.last, last);
            assert_eq!(end.sha256, std::mem::take(&mut self.hasher).hex());
        } else {
            self.hasher.update(&frame);
        }
        self.pieces.extend(self.joiner.push(&frame));
        self.frames.push(frame);
    }

    pub fn lines(&self) -> Vec<(Stream, &str)> {
        let lines = self.pieces.iter().filter_map(|piece| match &piece.body {
            JoinedBody::Line { stream, text } => Some((*stream, text.as_str())),
            _ => None,
        });
        lines.collect()
    }

    pub fn stdout(&self) -> Vec<&str> {
        self.lines()
            .into_iter()
            .filter(|(stream, _)| *stream == Stream::Stdout)
            .map(|(_, text)| text)
            .collect()
    }

    pub fn stderr(&self) -> Vec<&str> {
        self.lines()
            .into_iter()
            .filter(|(stream, _)| *stream == Stream::Stderr)
            .map(|(_, text)| text)
            .collect()
    }

    pub fn events(&self, kind: &str) -> Vec<Value> {
        let events = self.pieces.iter().filter_map(|piece| match &piece.body {
            JoinedBody::Event { json } => Some(serde_json::from_str::<Value>(json).unwrap()),
            _ => None,
        });
        events.filter(|event| event["type"] == kind).collect()
    }
}
