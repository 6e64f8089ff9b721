//! How often somebody may ask. Counted in Redis, so that all gateways share the count, or in this process.
//!
//! The algorithm is GCRA: a bucket that fills evenly, so that nobody gets two minutes' worth around the turn of a minute, and of which one
//! number is kept.

mod memory;
mod policy;
mod rate;
mod redis;

use std::time::Duration;

use async_trait::async_trait;

pub use memory::MemoryLimiter;
pub use policy::{Failing, Kind, Limits, RateSettings, Refusal, Store};
pub use rate::Rate;
pub use redis::RedisLimiter;

/// What a limit says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request passes.
    pub passes: bool,
    /// How many may come at once.
    pub limit: u32,
    /// How many more would pass now.
    pub remaining: u32,
    /// After how long the next one passes; zero when it would now.
    pub retry_after: Duration,
    /// After how long as many pass at once as ever.
    pub reset: Duration,
}

/// The count is away.
#[derive(Debug, thiserror::Error)]
#[error("the count of requests cannot be reached: {0}")]
pub struct Away(pub String);

/// Counts requests.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Counts a request against the limit with this name.
    ///
    /// # Errors
    /// [`Away`] when the count cannot be reached soon.
    async fn take(&self, name: &str, rate: Rate) -> Result<Decision, Away>;
}
