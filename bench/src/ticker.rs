//! Even intervals. The timers of the runtime have a resolution of a millisecond, which is what is measured here.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::mpsc;

use crate::system;

/// How many ticks may be missed before the clock waits.
const BEHIND: usize = 1024;

/// Ticks at even intervals, from a thread that ends when this is dropped.
pub(crate) struct Ticker {
    due: mpsc::Receiver<u64>,
}

impl Ticker {
    /// Begins now.
    pub(crate) fn start(period: Duration) -> Self {
        let (sender, due) = mpsc::channel(BEHIND);
        std::thread::spawn(move || tick(period, &sender));
        Self { due }
    }

    /// Waits for the next tick and answers with the time when it was due. Ticks that were missed come at once.
    ///
    /// # Errors
    /// When the thread is gone.
    pub(crate) async fn tick(&mut self) -> Result<u64> {
        self.due.recv().await.context("the ticker ended")
    }
}

fn tick(period: Duration, sender: &mpsc::Sender<u64>) {
    let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
    let mut due = system::now();
    loop {
        due += period;
        std::thread::sleep(Duration::from_nanos(due.saturating_sub(system::now())));
        if sender.blocking_send(due).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ticks_are_even_and_never_early() {
        let mut ticker = Ticker::start(Duration::from_micros(700));
        let mut before = ticker.tick().await.unwrap();
        for _ in 0..20 {
            let due = ticker.tick().await.unwrap();
            assert_eq!(due - before, 700_000);
            assert!(system::now() >= due);
            before = due;
        }
    }
}
