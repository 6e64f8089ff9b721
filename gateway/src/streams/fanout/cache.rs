//! Encoded parts of logs that somebody has read from the store, for the others who want the same.
//!
//! Frames never change, so neither does what is encoded from them, and nothing here can be out of date. All tasks share one amount of
//! memory; what was used longest ago goes first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use uuid::Uuid;

use super::feed::LogEnd;
use super::ring::{OVERHEAD, Segment};
use crate::streams::encode::View;

/// A log in one view.
pub type Log = (Uuid, View);

/// What is known of a log after a position.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Whole events, up to the frame `last`.
    Bytes {
        /// The events.
        bytes: Bytes,
        /// The number of the last frame in them.
        last: u64,
    },
    /// There is no more.
    End(LogEnd),
    /// The position is in the middle of an event.
    Inside,
}

/// Encoded parts of logs.
#[derive(Debug)]
pub struct Cache {
    limit: usize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    logs: HashMap<Log, Known>,
    /// The parts in the order of their last use.
    order: BTreeMap<u64, (Log, u64)>,
    /// Counts the uses.
    clock: u64,
    bytes: usize,
}

/// What is known of one log; never nothing.
#[derive(Debug, Default)]
struct Known {
    /// By the position that they begin after.
    parts: BTreeMap<u64, Part>,
    /// The position after which a complete log has nothing more.
    end: Option<(u64, LogEnd)>,
}

#[derive(Debug)]
struct Part {
    segment: Segment,
    used: u64,
}

impl Cache {
    /// A cache that holds at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            entries: Mutex::default(),
        }
    }

    /// What comes after a position; nothing when it is not known.
    pub fn after(&self, log: Log, position: u64) -> Option<Found> {
        let mut entries = self.lock();
        let known = entries.logs.get(&log)?;
        let part = known.parts.range(..=position).next_back();
        let Some((&start, part)) = part.filter(|(_, part)| part.segment.last > position) else {
            return match known.end {
                Some((after, end)) if after == position => Some(Found::End(end)),
                _ => None,
            };
        };
        let (bytes, last) = (part.segment.bytes.clone(), part.segment.last);
        entries.touch(log, start);
        drop(entries);
        // Looking for the place takes a moment, and the bytes need no lock.
        Some(
            Segment {
                after: start,
                last,
                bytes,
            }
            .found(position),
        )
    }

    /// Keeps a part for others.
    pub fn put(&self, log: Log, segment: Segment) {
        let cost = segment.bytes.len() + OVERHEAD;
        if cost > self.limit {
            return;
        }
        let mut entries = self.lock();
        let parts = entries.logs.get(&log).map(|known| &known.parts);
        let present = parts.and_then(|parts| parts.get(&segment.after));
        if present.is_some_and(|part| part.segment.last >= segment.last) {
            return;
        }
        entries.remove(log, segment.after);
        entries.bytes += cost;
        entries.clock += 1;
        let (start, used) = (segment.after, entries.clock);
        entries.order.insert(used, (log, start));
        let known = entries.logs.entry(log).or_default();
        known.parts.insert(start, Part { segment, used });
        while entries.bytes > self.limit {
            let Some((_, (log, start))) = entries.order.pop_first() else {
                return;
            };
            entries.remove(log, start);
        }
    }

    /// Keeps where a complete log ends, as long as some part of it is kept.
    pub fn put_end(&self, log: Log, after: u64, end: LogEnd) {
        if let Some(known) = self.lock().logs.get_mut(&log) {
            known.end = Some((after, end));
        }
    }

    /// How much is held, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Should something panic half-way, the sum is wrong at worst; what is handed out is right.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn touch(&mut self, log: Log, start: u64) {
        self.clock += 1;
        let known = self.logs.get_mut(&log);
        let Some(part) = known.and_then(|known| known.parts.get_mut(&start)) else {
            return;
        };
        self.order.remove(&part.used);
        part.used = self.clock;
        self.order.insert(self.clock, (log, start));
    }

    fn remove(&mut self, log: Log, start: u64) {
        let Some(known) = self.logs.get_mut(&log) else {
            return;
        };
        if let Some(part) = known.parts.remove(&start) {
            self.order.remove(&part.used);
            self.bytes -= part.segment.bytes.len() + OVERHEAD;
        }
        if known.parts.is_empty() {
            self.logs.remove(&log);
        }
    }
}

impl Segment {
    /// What of it comes after a position within it.
    pub fn found(&self, position: u64) -> Found {
        self.offset(position)
            .map_or(Found::Inside, |offset| Found::Bytes {
                bytes: self.bytes.slice(offset..),
                last: self.last,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: Log = (Uuid::nil(), View::Typed);

    /// Events that end at every second number.
    fn segment(after: u64, last: u64) -> Segment {
        let ends = (after + 1..=last).filter(|end| end % 2 == 0);
        let text: String = ends
            .map(|end| format!("event: log\nid: {end}\ndata: {{}}\n\n"))
            .collect();
        Segment {
            after,
            last,
            bytes: text.into(),
        }
    }

    fn last(found: Option<Found>) -> Option<u64> {
        match found? {
            Found::Bytes { last, .. } => Some(last),
            _ => None,
        }
    }

    #[test]
    fn positions_are_found_between_events_only() {
        let cache = Cache::new(10_000);
        assert_eq!(cache.after(TASK, 0), None);
        cache.put(TASK, segment(0, 10));
        cache.put(TASK, segment(10, 20));
        let whole = segment(0, 10).bytes;
        assert_eq!(
            cache.after(TASK, 0),
            Some(Found::Bytes {
                bytes: whole,
                last: 10
            })
        );
        assert_eq!(
            cache.after(TASK, 16),
            Some(Found::Bytes {
                bytes: segment(16, 20).bytes,
                last: 20
            })
        );
        assert_eq!(cache.after(TASK, 15), Some(Found::Inside));
        assert_eq!(cache.after(TASK, 20), None);
        assert_eq!(cache.after((Uuid::nil(), View::Raw), 0), None);
        let end = LogEnd {
            is_complete: true,
            position: 21,
        };
        cache.put_end(TASK, 20, end);
        assert_eq!(cache.after(TASK, 20), Some(Found::End(end)));
        assert_eq!(cache.after(TASK, 21), None);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let cost = segment(0, 10).bytes.len() + OVERHEAD + 8;
        let cache = Cache::new(3 * cost);
        for start in [0, 10, 20] {
            cache.put(TASK, segment(start, start + 10));
        }
        assert_eq!(last(cache.after(TASK, 0)), Some(10));
        cache.put(TASK, segment(30, 40));
        assert_eq!(cache.after(TASK, 10), None);
        assert_eq!(last(cache.after(TASK, 4)), Some(10));
        // The same again costs nothing, a longer one replaces it, and one that is too large is left alone.
        let before = cache.bytes();
        cache.put(TASK, segment(0, 10));
        cache.put(TASK, segment(0, 4));
        assert_eq!(cache.bytes(), before);
        cache.put(TASK, segment(0, 12));
        assert_eq!(last(cache.after(TASK, 0)), Some(12));
        cache.put(TASK, segment(0, 1000));
        assert_eq!(last(cache.after(TASK, 0)), Some(12));
        assert!(cache.bytes() <= 3 * cost);
    }

    #[test]
    fn nothing_is_left_of_what_was_evicted() {
        let cache = Cache::new(1000);
        for number in 0..50 {
            let log = (Uuid::from_u128(number), View::Raw);
            cache.put(log, segment(0, 10));
        }
        let entries = cache.lock();
        assert_eq!(entries.logs.len(), entries.order.len());
        let bytes: usize = entries
            .logs
            .values()
            .flat_map(|known| known.parts.values())
            .map(|part| part.segment.bytes.len() + OVERHEAD)
            .sum();
        assert!(bytes == entries.bytes && bytes <= 1000);
    }
}
