//! Whether Kubernetes can be told anything at all now.
//!
//! While it is away, one attempt at a time finds out whether it is back, with pauses that grow, however many tasks wait. So neither an API
//! server that is down nor one that has too much to do is asked more the longer it takes; and everything that waits is due as soon as
//! one attempt gets through.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How long everybody waits at most once Kubernetes is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What the attempts of a gateway have shown.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Option<Pause>>);

#[derive(Clone, Copy, Debug)]
struct Pause {
    length: Duration,
    until: Instant,
}

impl Outage {
    /// Whether Kubernetes did not answer the last time.
    pub(super) fn is_on(&self) -> bool {
        self.lock().is_some()
    }

    /// How long nobody should ask; nothing when somebody may.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let pause = (*self.lock())?;
        pause
            .until
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
    }

    /// An attempt from `begun` on got no answer. Answers with how long nobody should ask now.
    pub(super) fn failed(&self, begun: Instant, now: Instant) -> Duration {
        let mut pause = self.lock();
        let length = match *pause {
            None => FIRST_PAUSE,
            Some(before) if begun >= before.until => (before.length * 2).min(LONGEST_PAUSE),
            // Attempts that were under way together are one failure.
            Some(before) => return before.until.saturating_duration_since(now),
        };
        // Gateways that lost the same API server shall not come back in step.
        let wait = length.mul_f64(rand::random_range(0.75..=1.0));
        *pause = Some(Pause {
            length,
            until: now + wait,
        });
        wait
    }

    /// Kubernetes has answered. Answers whether it was away before.
    pub(super) fn answered(&self) -> bool {
        self.lock().take().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Pause>> {
        // Nothing in here panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_the_attempts_after_them() {
        let outage = Outage::default();
        let mut now = Instant::now();
        assert!(!outage.is_on() && outage.pause(now).is_none());
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = outage.failed(now, now);
            assert_eq!(outage.pause(now), Some(wait));
            now += wait;
            assert!(outage.pause(now).is_none() && outage.is_on());
            waits.push(wait);
        }
        assert!(waits[0] <= FIRST_PAUSE && waits[0] >= FIRST_PAUSE * 3 / 4);
        assert!(waits[2] > waits[0] * 2, "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= LONGEST_PAUSE));
        assert!(waits[7] >= LONGEST_PAUSE * 3 / 4);
    }

    #[test]
    fn attempts_that_were_under_way_together_are_one_failure() {
        let outage = Outage::default();
        let begun = Instant::now();
        let now = begun + Duration::from_secs(5);
        let wait = outage.failed(begun, now);
        for _ in 0..15 {
            assert_eq!(outage.failed(begun, now), wait);
        }
        // Also those that end long after.
        assert_eq!(outage.failed(begun, now + wait * 2), Duration::ZERO);
    }

    #[test]
    fn an_answer_ends_it() {
        let outage = Outage::default();
        let now = Instant::now();
        outage.failed(now, now);
        assert!(outage.answered() && !outage.answered());
        assert!(!outage.is_on() && outage.pause(now).is_none());
        assert!(outage.failed(now, now) <= FIRST_PAUSE);
    }
}
