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

/// The first of `frames` as entries: about `window` bytes of them, but at least one entry where there are frames.
pub(super) fn encode(frames: &[Arc<Frame>], window: usize) -> Vec<Outgoing> {
    let mut rest = frames;
    let mut bytes = 0;
    let mut entries = Vec::new();
    while bytes < window
        && let Some(entry) = encode_one(rest)
    {
        bytes += entry.payload.len();
        rest = &rest[entry.count..];
        entries.push(entry);
    }
    entries
}

/// The first of `frames` as one entry; none when there are none.
fn encode_one(frames: &[Arc<Frame>]) -> Option<Outgoing> {
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

/// An entry that came: its numbers are known, its frames only when somebody wants them.
#[derive(Debug)]
pub(super) struct Incoming {
    pub first: u64,
    pub last: u64,
    payload: Vec<u8>,
    /// Where the frames begin.
    body: usize,
}

impl Incoming {
    /// Reads the numbers of an entry.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when it is none.
    pub(super) fn parse(payload: Vec<u8>) -> Result<Self, LogError> {
        let numbers = || {
            let end = payload.iter().position(|byte| *byte == b'\n')?;
            let header = std::str::from_utf8(&payload[..end]).ok()?;
            let (first, last) = header.split_once(' ')?;
            Some((first.parse().ok()?, last.parse().ok()?, end + 1))
        };
        match numbers() {
            Some((first, last, body)) => Ok(Self {
                first,
                last,
                payload,
                body,
            }),
            None => Err(damaged(&payload)),
        }
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.payload.len()
    }

    /// Its frames after a number.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when they are not what its numbers say.
    pub(super) fn after(&self, after: u64) -> Result<Vec<Arc<Frame>>, LogError> {
        let lines = self.payload[self.body..].split(|byte| *byte == b'\n');
        let mut frames: Vec<Arc<Frame>> = lines
            .map(|line| Frame::from_json(line).map(Arc::new))
            .collect::<Result<_, _>>()
            .map_err(|_| damaged(&self.payload))?;
        let is_whole = frames
            .first()
            .is_some_and(|frame| frame.first() == self.first)
            && frames.last().is_some_and(|frame| frame.seq == self.last)
            && frames
                .windows(2)
                .all(|pair| pair[0].seq < pair[1].seq && pair[1].first() <= pair[0].seq + 1);
        if !is_whole {
            return Err(damaged(&self.payload));
        }
        frames.drain(..frames.partition_point(|frame| frame.seq <= after));
        Ok(frames)
    }
}

fn damaged(payload: &[u8]) -> LogError {
    let text = String::from_utf8_lossy(&payload[..payload.len().min(80)]);
    LogError::Damaged(format!("an entry in Redis begins with {text:?}"))
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

    fn read(payload: &[u8]) -> Result<Vec<Arc<Frame>>, LogError> {
        Incoming::parse(payload.to_vec())?.after(0)
    }

    #[test]
    fn entries_round_trip_and_are_bounded() {
        let frames: Vec<_> = (5..=1000).map(|seq| line(seq, "a\nb\u{2028}")).collect();
        let entries = encode(&frames, 1 << 20);
        let shapes: Vec<_> = entries
            .iter()
            .map(|entry| (entry.first, entry.head, entry.last, entry.count))
            .collect();
        let expected = [
            (5, 5, 260, 256),
            (261, 261, 516, 256),
            (517, 517, 772, 256),
            (773, 773, 1000, 228),
        ];
        assert_eq!(shapes, expected);
        let entry = Incoming::parse(entries[0].payload.clone()).unwrap();
        assert_eq!((entry.first, entry.last), (5, 260));
        assert_eq!(entry.after(0).unwrap(), frames[..256]);
        assert_eq!(entry.after(258).unwrap().len(), 2);

        let large: Vec<_> = (1..=100).map(|seq| line(seq, &"x".repeat(7000))).collect();
        let entries = encode(&large, 100_000);
        assert_eq!(entries.iter().map(|entry| entry.count).sum::<usize>(), 20);
        assert_eq!(encode(&large, 1).len(), 1);
        assert!(encode(&[], 1).is_empty());
    }

    #[test]
    fn a_gap_stands_for_all_its_numbers() {
        let gap = Arc::new(Frame {
            seq: 9,
            ts: String::new(),
            body: Body::Gap { count: 5 },
        });
        let entry = encode(&[gap, line(10, "")], 1).remove(0);
        assert_eq!((entry.first, entry.head, entry.last), (5, 9, 10));
        assert_eq!(read(&entry.payload).unwrap()[0].first(), 5);
    }

    #[test]
    fn what_is_no_entry_is_damaged() {
        let entry = encode(&[line(1, "a"), line(2, "b")], 1).remove(0);
        let text = String::from_utf8(entry.payload).unwrap();
        for bad in [
            String::new(),
            "look".into(),
            "1 2".into(),
            "1 2\n".into(),
            text.replacen("1 2", "1 3", 1),
            text.replacen("1 2", "0 2", 1),
            text.replace("\"seq\":2", "\"seq\":4")
                .replacen("1 2", "1 4", 1),
            text[..text.len() - 1].into(),
        ] {
            assert!(
                matches!(read(bad.as_bytes()), Err(LogError::Damaged(_))),
                "{bad}"
            );
        }
    }
}
