//! The hash that the runner puts into the end frame and the operator checks.

use sha2::{Digest as _, Sha256};

use crate::frame::{Body, Frame, Stream};

/// SHA-256 over the content of frames, independent of their JSON form and of time stamps.
///
/// Each line or event adds: its number (8 bytes, big endian), one byte for its kind (1 stdout, 2 stderr, 3 event), one byte
/// that is 1 when the next frame continues it, the length of its text (8 bytes, big endian) and the text.
#[derive(Clone, Debug, Default)]
pub struct FrameHasher {
    state: Sha256,
}

impl FrameHasher {
    /// Adds a frame. Beats, ends and gaps add nothing; after a gap the hash can no longer match.
    pub fn update(&mut self, frame: &Frame) {
        let (kind, text, more): (u8, &str, bool) = match &frame.body {
            Body::Line {
                stream: Stream::Stdout,
                text,
                more,
            } => (1, text, *more),
            Body::Line {
                stream: Stream::Stderr,
                text,
                more,
            } => (2, text, *more),
            Body::Event { json, more } => (3, json, *more),
            Body::End(_) | Body::Gap { .. } | Body::Beat => return,
        };
        self.state.update(frame.seq.to_be_bytes());
        self.state.update([kind, u8::from(more)]);
        self.state.update((text.len() as u64).to_be_bytes());
        self.state.update(text.as_bytes());
    }

    /// The hash so far, in hexadecimal.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.state.clone().finalize())
    }
}
