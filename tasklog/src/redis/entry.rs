//! One entry of a stream: a batch of frames.
//!
//! An entry is a line with its first and last number, and then each frame as a line of JSON. The same bytes are published,
//! so that a reader that listens needs nothing else. The id of the entry is its last number.

use std::io::Write as _;
use std::sync::Arc;

use crate::error::LogError;
use crate::frame::Frame;

/// An entry is closed when it has this many frames.
const MAX_FRAMES: usize = 256;
/// An entry is closed when it has this many bytes.
const MAX_BYTES: usize = 64 * 1024;

/// Frames that are about to be appended as one entry.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The first number that the entry stands for.
    pub first: u64,
    /// The number of its first frame; larger than `first` when that is a gap.
    pub head: u64,
    /// The number of its last frame.
    pub last: u64,
    /// How many frames it has.
    pub count: usize,
    pub payload: Vec<u8>,
}

/// The first of `frames` as one entry; none when there are none.
pub(super) fn encode(frames: &[Arc<Frame>]) -> Option<Outgoing> {
    let first = frames.first()?;
    let mut body = Vec::new();
    let mut count = 0;
    for frame in frames.iter().take(MAX_FRAMES) {
        body.push(b'\n');
        body.extend_from_slice(frame.to_json(None).as_bytes());
        count += 1;
        if body.len() >= MAX_BYTES {
            break;
        }
    }
    let last = frames[count - 1].seq;
    let mut payload = Vec::with_capacity(body.len() + 24);
    write!(payload, "{} {last}", first.first()).expect("a vector takes all bytes");
    payload.extend_from_slice(&body);
    Some(Outgoing {
        first: first.first(),
        head: first.seq,
        last,
        count,
        payload,
    })
}

/// An entry that was read.
#[derive(Debug)]
pub(super) struct Batch {
    pub first: u64,
    pub last: u64,
    pub frames: Vec<Arc<Frame>>,
    pub bytes: usize,
}

impl Batch {
    /// Reads an entry.
    pub(super) fn decode(payload: &[u8]) -> Result<Self, LogError> {
        let damaged = || {
            let text = String::from_utf8_lossy(&payload[..payload.len().min(80)]);
            LogError::Damaged(format!("an entry in Redis begins with {text:?}"))
        };
        let mut lines = payload.split(|byte| *byte == b'\n');
        let header = lines.next().and_then(|line| std::str::from_utf8(line).ok());
        let (first, last) = header
            .and_then(|header| header.split_once(' '))
            .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)))
            .ok_or_else(damaged)?;
        let frames: Vec<Arc<Frame>> = lines
            .map(|line| Frame::from_json(line).map(Arc::new))
            .collect::<Result<_, _>>()
            .map_err(|_| damaged())?;
        let is_whole = frames.first().is_some_and(|frame| frame.first() == first)
            && frames.last().is_some_and(|frame| frame.seq == last)
            && frames
                .windows(2)
                .all(|pair| pair[0].seq < pair[1].seq && pair[1].first() <= pair[0].seq + 1);
        if !is_whole {
            return Err(damaged());
        }
        Ok(Self {
            first,
            last,
            frames,
            bytes: payload.len(),
        })
    }

    /// Its frames after a number.
    pub(super) fn after(&self, after: u64) -> Vec<Arc<Frame>> {
        let start = self.frames.partition_point(|frame| frame.seq <= after);
        self.frames[start..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Body, Stream};

    fn line(seq: u64, text: &str) -> Arc<Frame> {
        Arc::new(Frame {
            seq,
            ts: "2026-01-01T00:00:00Z".into(),
            body: Body::Line {
                stream: Stream::Stdout,
                text: text.into(),
                more: false,
            },
        })
    }

    #[test]
    fn entries_round_trip_and_are_bounded() {
        let frames: Vec<_> = (5..=1000).map(|seq| line(seq, "a\nb\u{2028}")).collect();
        let entry = encode(&frames).unwrap();
        assert_eq!(
            (entry.first, entry.head, entry.last, entry.count),
            (5, 5, 260, 256)
        );
        let batch = Batch::decode(&entry.payload).unwrap();
        assert_eq!(batch.frames, frames[..256]);
        assert_eq!(batch.after(258).len(), 2);

        let large: Vec<_> = (1..=100).map(|seq| line(seq, &"x".repeat(7000))).collect();
        assert_eq!(encode(&large).unwrap().count, 10);
        assert!(encode(&[]).is_none());
    }

    #[test]
    fn a_gap_stands_for_all_its_numbers() {
        let gap = Arc::new(Frame {
            seq: 9,
            ts: String::new(),
            body: Body::Gap { count: 5 },
        });
        let entry = encode(&[gap, line(10, "")]).unwrap();
        assert_eq!((entry.first, entry.head, entry.last), (5, 9, 10));
        assert_eq!(Batch::decode(&entry.payload).unwrap().first, 5);
    }

    #[test]
    fn what_is_no_entry_is_damaged() {
        let entry = encode(&[line(1, "a"), line(2, "b")]).unwrap();
        let text = String::from_utf8(entry.payload).unwrap();
        for bad in [
            String::new(),
            "look".into(),
            "1 2".into(),
            text.replacen("1 2", "1 3", 1),
            text.replacen("1 2", "0 2", 1),
            text.replace("\"seq\":2", "\"seq\":4")
                .replacen("1 2", "1 4", 1),
            text[..text.len() - 1].into(),
        ] {
            assert!(
                matches!(Batch::decode(bad.as_bytes()), Err(LogError::Damaged(_))),
                "{bad}"
            );
        }
    }
}
