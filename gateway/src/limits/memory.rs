//! Counts in this process: for a single gateway, and for all of them while Redis is away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{Away, Decision, Rate, RateLimiter};

/// How many limits are kept; past that full buckets are forgotten, which loses nothing, and then the fullest.
const MAX_LIMITS: usize = 50_000;

/// Counts in this process.
#[derive(Debug, Default)]
pub struct MemoryLimiter {
    /// When the bucket of each limit is full again.
    full_at: Mutex<HashMap<String, Instant>>,
}

impl MemoryLimiter {
    /// Counts a request; this count is never away.
    pub(super) fn take_now(&self, name: &str, rate: Rate) -> Decision {
        self.take_at(name, rate, Instant::now())
    }

    fn take_at(&self, name: &str, rate: Rate, now: Instant) -> Decision {
        let Some(interval) = rate.interval() else {
            return unlimited(rate);
        };
        let capacity = interval * rate.burst();
        let mut limits = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let before = limits
            .get(name)
            .map_or(Duration::ZERO, |full| full.saturating_duration_since(now))
            .min(capacity);
        let after = before + interval;
        if after > capacity {
            return Decision {
                passes: false,
                limit: rate.burst(),
                remaining: 0,
                retry_after: after - capacity,
                reset: before,
            };
        }
        if limits.len() >= MAX_LIMITS && !limits.contains_key(name) {
            make_room(&mut limits, now);
        }
        limits.insert(name.to_owned(), now + after);
        let left = (capacity - after).as_micros() / interval.as_micros().max(1);
        Decision {
            passes: true,
            limit: rate.burst(),
            remaining: u32::try_from(left).unwrap_or(u32::MAX),
            retry_after: Duration::ZERO,
            reset: after,
        }
    }
}

#[async_trait]
impl RateLimiter for MemoryLimiter {
    async fn take(&self, name: &str, rate: Rate) -> Result<Decision, Away> {
        Ok(self.take_now(name, rate))
    }
}

/// What a limit that is none says.
pub(super) const fn unlimited(rate: Rate) -> Decision {
    Decision {
        passes: true,
        limit: rate.burst(),
        remaining: rate.burst(),
        retry_after: Duration::ZERO,
        reset: Duration::ZERO,
    }
}

fn make_room(limits: &mut HashMap<String, Instant>, now: Instant) {
    limits.retain(|_, full| *full > now);
    if limits.len() >= MAX_LIMITS {
        let mut times: Vec<Instant> = limits.values().copied().collect();
        let half = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(half);
        let median = *median;
        limits.retain(|_, full| *full > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_fill_evenly() {
        let limiter = MemoryLimiter::default();
        let start = Instant::now();
        let rate = Rate::with_burst(60, 3);
        let second = Duration::from_secs(1);
        for left in [2, 1, 0] {
            let decision = limiter.take_at("a", rate, start);
            assert!(decision.passes);
            assert_eq!(decision.remaining, left);
        }
        let refused = limiter.take_at("a", rate, start);
        assert!(!refused.passes);
        assert_eq!((refused.retry_after, refused.reset), (second, 3 * second));
        // Being refused costs nothing, and whoever waits as long as told passes.
        assert!(limiter.take_at("a", rate, start + second).passes);
        assert!(!limiter.take_at("a", rate, start + second).passes);
        assert!(limiter.take_at("b", rate, start).passes);
        assert_eq!(limiter.take_at("a", rate, start + 60 * second).remaining, 2);
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = MemoryLimiter::default();
        let start = Instant::now();
        for number in 0..=MAX_LIMITS {
            limiter.take_at(&number.to_string(), Rate::per_minute(1), start);
        }
        assert!(limiter.full_at.lock().unwrap().len() <= MAX_LIMITS);
    }
}
