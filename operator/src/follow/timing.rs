//! How long the readers of logs wait for what.

use std::time::Duration;

/// Times of the readers.
#[derive(Clone, Copy, Debug)]
pub struct FollowTiming {
    /// How long frames are collected before they are appended; the first ones go at once.
    pub batch: Duration,
    /// A connection that is silent for longer is broken: the runner gives a sign of life every 15 s.
    pub idle: Duration,
    /// The same, once the container has ended and its log only has to be read to the end.
    pub idle_at_end: Duration,
    /// The first pause before a connection is made, or frames are appended, again; it doubles up to `last_pause`.
    pub first_pause: Duration,
    /// The longest pause.
    pub last_pause: Duration,
    /// How long a connection may take to open.
    pub open: Duration,
    /// The first pause before a failed archive is tried again; it doubles up to five minutes.
    pub archive_pause: Duration,
    /// How long viewers wait for an archive that is away to say whether it has frames that are not in the container's log.
    pub ask: Duration,
}

impl Default for FollowTiming {
    fn default() -> Self {
        Self {
            batch: Duration::from_millis(20),
            idle: Duration::from_secs(60),
            idle_at_end: Duration::from_secs(5),
            first_pause: Duration::from_millis(50),
            last_pause: Duration::from_secs(2),
            open: Duration::from_secs(30),
            archive_pause: Duration::from_secs(1),
            ask: Duration::from_secs(30),
        }
    }
}
