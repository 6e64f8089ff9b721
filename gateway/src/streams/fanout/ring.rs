//! The newest events of one task in one view, encoded once.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::streams::sse;

/// What a segment costs beside its bytes, in bytes: its place in the queue and the allocation behind it.
pub const OVERHEAD: usize = 128;
/// Segments are put together up to this size for a reader that has several before it.
const GATHER: usize = 64 * 1024;
/// Larger segments go out as they are, because copying them would cost more than another write.
const SMALL: usize = 4 * 1024;

/// The newest events of one task in one view.
///
/// A position is the number of the last frame that somebody has. The ring holds what comes after `base`, up to `head`, as far as both are
/// ends of whole events.
#[derive(Debug)]
pub struct Ring {
    segments: VecDeque<Segment>,
    /// The number of the first segment, counted from the first that ever was.
    first: u64,
    base: u64,
    head: u64,
    bytes: usize,
}

/// Whole events.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The number of the last frame before them.
    pub after: u64,
    /// The number of the last frame in them.
    pub last: u64,
    /// The events.
    pub bytes: Bytes,
}

impl Segment {
    /// Where the event after a position begins; nothing when the position is not between two events of this segment.
    #[must_use]
    pub fn offset(&self, position: u64) -> Option<usize> {
        if position == self.after {
            return Some(0);
        }
        let mut blocks = sse::blocks(&self.bytes);
        let block = blocks.find(|block| block.number() == Some(position))?;
        Some(block.end)
    }
}

/// A place in a ring: a segment and an offset in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    segment: u64,
    offset: usize,
}

/// What a ring has at a place.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// These bytes, up to the event with the number `last`; `next` is the place after them.
    Bytes {
        /// Whole events.
        bytes: Bytes,
        /// The number of the last frame in them.
        last: u64,
        /// Where to go on.
        next: Place,
    },
    /// Nothing yet.
    Empty,
    /// Nothing any more: the place was evicted, and the store has what was there.
    Gone,
}

impl Ring {
    /// An empty ring at a position.
    #[must_use]
    pub const fn new(position: u64) -> Self {
        Self {
            segments: VecDeque::new(),
            first: 0,
            base: position,
            head: position,
            bytes: 0,
        }
    }

    /// Begins again at another position. Places from before are gone.
    pub fn restart(&mut self, position: u64) {
        self.first += self.segments.len() as u64 + 1;
        self.segments.clear();
        self.base = position;
        self.head = position;
        self.bytes = 0;
    }

    /// What the ring takes in memory, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds whole events up to the frame `last`.
    pub fn push(&mut self, bytes: Bytes, last: u64) {
        self.bytes += bytes.len() + OVERHEAD;
        let after = std::mem::replace(&mut self.head, last);
        self.segments.push_back(Segment { after, last, bytes });
    }

    /// Drops the oldest segments until at most `limit` bytes are held. The newest stays, so that those who keep up never need the store.
    pub fn trim(&mut self, limit: usize) {
        while self.bytes > limit && self.segments.len() > 1 {
            let Some(segment) = self.segments.pop_front() else {
                return;
            };
            self.bytes -= segment.bytes.len() + OVERHEAD;
            self.base = segment.last;
            self.first += 1;
        }
    }

    /// The place after a position, if the ring has it: not when it is too old, yet to come, or in the middle of an event.
    #[must_use]
    pub fn seek(&self, position: u64) -> Option<Place> {
        if position < self.base || position > self.head {
            return None;
        }
        let index = self
            .segments
            .partition_point(|segment| segment.last <= position);
        let number = self.first + u64::try_from(index).ok()?;
        let Some(segment) = self.segments.get(index) else {
            return Some(Place {
                segment: number,
                offset: 0,
            });
        };
        Some(Place {
            segment: number,
            offset: segment.offset(position)?,
        })
    }

    /// What is at a place. Small segments are put together.
    #[must_use]
    pub fn read(&self, place: Place) -> Read {
        let Some(index) = place.segment.checked_sub(self.first) else {
            return Read::Gone;
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(segment) = self.segments.get(index) else {
            return Read::Empty;
        };
        let mut taken = 1;
        let mut last = segment.last;
        let mut bytes = segment.bytes.slice(place.offset..);
        let small = |segment: &&Segment| segment.bytes.len() <= SMALL;
        let mut more = self
            .segments
            .range(index + 1..)
            .take_while(small)
            .peekable();
        if bytes.len() <= SMALL && more.peek().is_some() {
            let mut gathered = bytes.to_vec();
            for segment in more {
                if gathered.len() + segment.bytes.len() > GATHER {
                    break;
                }
                gathered.extend_from_slice(&segment.bytes);
                last = segment.last;
                taken += 1;
            }
            bytes = gathered.into();
        }
        Read::Bytes {
            bytes,
            last,
            next: Place {
                segment: place.segment + taken,
                offset: 0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Events that end at these numbers.
    fn encoded(ends: &[u64]) -> Bytes {
        let text: String = ends
            .iter()
            .map(|end| format!("event: log\nid: {end}\ndata: {{\"n\":{end}}}\n\n"))
            .collect();
        text.into()
    }

    /// Reads as far as it goes; answers with the numbers, or nothing when the place is gone.
    fn drain(ring: &Ring, place: &mut Place) -> Option<Vec<u64>> {
        let mut numbers = Vec::new();
        loop {
            match ring.read(*place) {
                Read::Bytes { bytes, last, next } => {
                    numbers.extend(sse::blocks(&bytes).filter_map(|block| block.number()));
                    assert!(numbers.last().is_none_or(|number| *number == last));
                    *place = next;
                }
                Read::Empty => return Some(numbers),
                Read::Gone => return None,
            }
        }
    }

    #[test]
    fn what_keeps_up_is_never_gone() {
        let mut ring = Ring::new(0);
        let mut place = ring.seek(0).unwrap();
        for number in 1..100 {
            ring.push(encoded(&[number]), number);
            ring.trim(0);
            assert_eq!(drain(&ring, &mut place), Some(vec![number]));
        }
        assert!(ring.seek(97).is_none() && ring.seek(98).is_some() && ring.seek(100).is_none());
        assert!(ring.bytes() < 200);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever is pushed and evicted: from every position that the ring knows, a reader gets everything after it once.
        #[test]
        fn every_position_is_right_or_unknown(
            start in 0_u64..50,
            // The frames of each event, by flush.
            flushes in prop::collection::vec(prop::collection::vec(1_u64..4, 1..40), 0..12),
            limit in 0_usize..20_000,
        ) {
            let mut ring = Ring::new(start);
            let mut ends = vec![start];
            let mut held = ring.seek(start).unwrap();
            let mut held_at = start;
            for flush in &flushes {
                let from = ends.len();
                for frames in flush {
                    ends.push(ends[ends.len() - 1] + frames);
                }
                ring.push(encoded(&ends[from..]), ends[ends.len() - 1]);
                ring.trim(limit);
                let head = ends[ends.len() - 1];
                for position in start.saturating_sub(2)..=head + 2 {
                    let Some(mut place) = ring.seek(position) else {
                        prop_assert!(!ends.contains(&position) || position < ring.base, "{position} is unknown");
                        continue;
                    };
                    prop_assert!(ends.contains(&position));
                    let expected: Vec<_> = ends.iter().copied().filter(|end| *end > position).collect();
                    prop_assert_eq!(drain(&ring, &mut place), Some(expected));
                }
                // A reader that reads now and then either goes on where it was, or learns that it cannot.
                if flush.len() % 3 == 0 {
                    match drain(&ring, &mut held) {
                        Some(numbers) => {
                            let expected: Vec<_> = ends.iter().copied().filter(|end| *end > held_at).collect();
                            prop_assert_eq!(numbers, expected);
                        }
                        None => {
                            prop_assert!(held_at < ring.base);
                            held = ring.seek(head).unwrap();
                        }
                    }
                    held_at = head;
                }
            }
        }
    }
}
