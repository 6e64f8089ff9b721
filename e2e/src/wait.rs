//! Waiting for a condition, never for a time.

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail};

/// How long a scenario waits for anything. Generous: it only matters when something is broken.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// Asks `probe` again and again until it answers with a value.
///
/// # Errors
/// When the deadline passes, with `what` in the text; and the error of the probe.
pub async fn until<T, F, P>(what: &str, mut probe: P) -> Result<T>
where
    P: FnMut() -> F,
    F: Future<Output = Result<Option<T>>>,
{
    let started = std::time::Instant::now();
    loop {
        if let Some(value) = probe().await? {
            return Ok(value);
        }
        if started.elapsed() > DEADLINE {
            bail!("waited {DEADLINE:?} in vain for {what}");
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
