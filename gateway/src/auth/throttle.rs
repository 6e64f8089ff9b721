//! Slows down whoever guesses passwords.
//!
//! Failures are counted for each pair of account and address, so that nobody can lock somebody else out, and for each address,
//! so that one address cannot try every account. The counts are in this process only; shared limits are a matter of Redis.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures of one account from one address that are free.
const FREE_PER_ACCOUNT: u32 = 5;
/// Failures of one address, over all accounts, that are free.
const FREE_PER_ADDRESS: u32 = 50;
/// The first wait; it doubles with every further failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// How long a failure is remembered.
const MEMORY: Duration = Duration::from_secs(15 * 60);
/// How many counts are kept; past that the oldest are forgotten.
const MAX_COUNTS: usize = 20_000;

/// Counts failed logins.
#[derive(Debug, Default)]
pub struct Throttle {
    counts: Mutex<HashMap<Key, Count>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Account(String, IpAddr),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    last: Instant,
}

impl Throttle {
    /// Counts an attempt as failed before it is made, so that many at once cannot slip through.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub fn begin(&self, account: &str, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = [
            (
                Key::Account(account.to_lowercase(), address),
                FREE_PER_ACCOUNT,
            ),
            (Key::Address(address), FREE_PER_ADDRESS),
        ];
        for (key, free) in &keys {
            if let Some(wait) = counts.get(key).and_then(|count| count.wait(*free, now)) {
                return Err(wait);
            }
        }
        if counts.len() + keys.len() > MAX_COUNTS {
            make_room(&mut counts, now);
        }
        for (key, _) in keys {
            let count = counts.entry(key).or_insert(Count {
                failures: 0,
                last: now,
            });
            if now.duration_since(count.last) > MEMORY {
                count.failures = 0;
            }
            count.failures += 1;
            count.last = now;
        }
        Ok(())
    }

    /// The attempt was good after all: the account starts afresh, and the address gets its failure back.
    pub fn succeeded(&self, account: &str, address: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.remove(&Key::Account(account.to_lowercase(), address));
        if let Some(count) = counts.get_mut(&Key::Address(address)) {
            count.failures = count.failures.saturating_sub(1);
        }
    }
}

impl Count {
    /// How long this count still forbids an attempt.
    fn wait(&self, free: u32, now: Instant) -> Option<Duration> {
        let extra = self.failures.checked_sub(free)?;
        let wait = FIRST_WAIT
            .saturating_mul(2_u32.saturating_pow(extra))
            .min(LONGEST_WAIT);
        let left = wait.checked_sub(now.duration_since(self.last))?;
        (!left.is_zero()).then_some(left)
    }
}

fn make_room(counts: &mut HashMap<Key, Count>, now: Instant) {
    counts.retain(|_, count| now.duration_since(count.last) <= MEMORY);
    if counts.len() >= MAX_COUNTS {
        let mut times: Vec<Instant> = counts.values().map(|count| count.last).collect();
        let half = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(half);
        let median = *median;
        counts.retain(|_, count| count.last > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn failures_make_wait_longer_and_success_forgives() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for _ in 0..FREE_PER_ACCOUNT {
            throttle.begin("A@x", HERE, start).unwrap();
        }
        assert_eq!(throttle.begin("a@X", HERE, start), Err(FIRST_WAIT));
        // Nobody else is locked out, and time heals.
        throttle.begin("a@x", THERE, start).unwrap();
        throttle.begin("b@x", HERE, start).unwrap();
        throttle.begin("a@x", HERE, start + FIRST_WAIT).unwrap();
        assert_eq!(
            throttle.begin("a@x", HERE, start + FIRST_WAIT),
            Err(FIRST_WAIT * 2)
        );
        throttle.succeeded("a@x", HERE);
        throttle.begin("a@x", HERE, start + FIRST_WAIT).unwrap();
    }

    #[test]
    fn one_address_cannot_try_every_account() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for account in 0..FREE_PER_ADDRESS {
            throttle
                .begin(&format!("{account}@x"), HERE, start)
                .unwrap();
        }
        assert!(throttle.begin("new@x", HERE, start).is_err());
        throttle.begin("new@x", THERE, start).unwrap();
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for number in 0..u32::try_from(MAX_COUNTS).unwrap() {
            let address = IpAddr::V4(std::net::Ipv4Addr::from(number));
            let now = start + Duration::from_micros(u64::from(number));
            throttle.begin("a@x", address, now).unwrap();
        }
        assert!(throttle.counts.lock().unwrap().len() <= MAX_COUNTS);
    }
}
