//! How many logs are repaired at once.
//!
//! A repair holds the record of a runner in memory, up to 64 MiB of it, and decompresses and hashes it twice. When a node with many
//! tasks is lost, or a store comes back after an outage, they all want that at the same time.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Semaphore, SemaphorePermit};

/// More would not be faster on the few processors of an operator, and these take at most 256 MiB.
pub const MOST_REPAIRS: usize = 4;

/// Whose turn it is to be repaired: first come, first served. A repair that failed waits behind those that were waiting.
#[derive(Clone, Debug)]
pub struct Repairs {
    turns: Arc<Semaphore>,
    waiting: Gauge,
}

impl Repairs {
    /// `waiting` tells how many wait.
    #[must_use]
    pub fn new(waiting: Gauge) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(MOST_REPAIRS)),
            waiting,
        }
    }

    /// Waits for a turn, which lasts until it is dropped. Whoever gives up leaves the queue.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let _waiting = Waiting::new(&self.waiting);
        // Never closed, so there always is a turn.
        self.turns.acquire().await.ok()
    }
}

struct Waiting<'a>(&'a Gauge);

impl<'a> Waiting<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::BoxFuture;

    use super::*;

    #[tokio::test]
    async fn turns_come_in_order_and_whoever_gives_up_leaves_the_queue() {
        let waiting = Gauge::default();
        let repairs = Repairs::new(waiting.clone());
        let mut turns = Vec::new();
        for _ in 0..MOST_REPAIRS {
            turns.push(repairs.turn().await);
        }
        let mut next: Vec<BoxFuture<'_, _>> = (0..3).map(|_| repairs.turn().boxed()).collect();
        for turn in &mut next {
            assert!(turn.now_or_never().is_none());
        }
        assert_eq!(waiting.get(), 3);
        // The first of those that wait gives up; the turn is the second's, and not the third's.
        drop(next.remove(0));
        turns.pop();
        assert!((&mut next[1]).now_or_never().is_none());
        assert!((&mut next[0]).now_or_never().is_some());
        assert_eq!(waiting.get(), 1);
    }
}
