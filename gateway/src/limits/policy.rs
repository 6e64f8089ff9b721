//! Who may do how much, and what happens when the count is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use uuid::Uuid;

use super::{Decision, MemoryLimiter, Rate, RateLimiter};
use crate::metrics::{self, Metrics};

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only looks.
    Read,
    /// It changes something.
    Write,
}

impl Kind {
    /// The kind of a method.
    #[must_use]
    pub fn of(method: &http::Method) -> Self {
        if method.is_safe() {
            Self::Read
        } else {
            Self::Write
        }
    }
}

/// What happens to requests while Redis is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Failing {
    /// They go on; each gateway counts for itself.
    #[default]
    Open,
    /// They are refused with 503.
    Closed,
}

/// The rates.
#[derive(Clone, Copy, Debug)]
pub struct RateSettings {
    /// Of users, for what changes something.
    pub writes: Rate,
    /// Of users, for what only looks.
    pub reads: Rate,
    /// Of administrators, for what changes something.
    pub admin_writes: Rate,
    /// Of administrators, for what only looks.
    pub admin_reads: Rate,
    /// What happens while Redis is away.
    pub failing: Failing,
}

impl Default for RateSettings {
    fn default() -> Self {
        Self {
            writes: Rate::per_minute(60),
            reads: Rate::per_minute(3_000),
            admin_writes: Rate::per_minute(600),
            admin_reads: Rate::per_minute(6_000),
            failing: Failing::default(),
        }
    }
}

/// Where requests are counted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// In this process, as configured.
    Memory,
    /// In Redis.
    Redis,
    /// In this process, because Redis is away.
    Degraded,
    /// Nowhere: Redis is away, and requests are refused.
    Away,
}

impl Store {
    /// The word in `/readyz`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Degraded => "degraded",
            Self::Away => "away",
        }
    }
}

/// Why a request does not pass.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    /// There were too many.
    TooMany(Decision),
    /// Nobody can count.
    Away,
}

/// The limits of a gateway.
pub struct Limits {
    settings: RateSettings,
    shared: Option<Arc<dyn RateLimiter>>,
    local: MemoryLimiter,
    /// Whether the last request found Redis away.
    is_away: AtomicBool,
    metrics: Arc<Metrics>,
}

impl Limits {
    /// Counts in `shared`, or in this process where there is none.
    #[must_use]
    pub fn new(
        settings: RateSettings,
        shared: Option<Arc<dyn RateLimiter>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            settings,
            shared,
            local: MemoryLimiter::default(),
            is_away: AtomicBool::new(false),
            metrics,
        }
    }

    /// Counts a request of a user. Nothing is answered where there is no limit.
    ///
    /// # Errors
    /// [`Refusal`] when it does not pass.
    pub async fn take(
        &self,
        user: Uuid,
        is_admin: bool,
        kind: Kind,
    ) -> Result<Option<Decision>, Refusal> {
        let (rate, name) = match (kind, is_admin) {
            (Kind::Write, false) => (self.settings.writes, format!("user:{user}:rpm")),
            (Kind::Write, true) => (self.settings.admin_writes, format!("user:{user}:rpm")),
            (Kind::Read, false) => (self.settings.reads, format!("user:{user}:reads:rpm")),
            (Kind::Read, true) => (self.settings.admin_reads, format!("user:{user}:reads:rpm")),
        };
        if rate == Rate::UNLIMITED {
            return Ok(None);
        }
        let decision = self.count(&name, rate).await?;
        if decision.passes {
            return Ok(Some(decision));
        }
        self.metrics.requests_limited.inc();
        Err(Refusal::TooMany(decision))
    }

    /// Where requests are counted, found out by asking.
    pub async fn probe(&self) -> Store {
        let Some(shared) = &self.shared else {
            return Store::Memory;
        };
        // A limit that is never full, and gone a moment later.
        let answer = shared.take("probe:rpm", Rate::per_minute(1_000_000)).await;
        match (answer, self.settings.failing) {
            (Ok(_), _) => Store::Redis,
            (Err(_), Failing::Open) => Store::Degraded,
            (Err(_), Failing::Closed) => Store::Away,
        }
    }

    async fn count(&self, name: &str, rate: Rate) -> Result<Decision, Refusal> {
        let Some(shared) = &self.shared else {
            return Ok(self.local.take_now(name, rate));
        };
        match shared.take(name, rate).await {
            Ok(decision) => {
                if self.is_away.swap(false, Ordering::Relaxed) {
                    tracing::info!("requests are counted in Redis again");
                }
                Ok(decision)
            }
            Err(error) => {
                self.metrics.limiter_errors.inc();
                self.metrics.store_error(metrics::Store::Redis);
                // Once for each outage, not once for each request.
                if !self.is_away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, failing = ?self.settings.failing, "requests cannot be counted in Redis");
                }
                match self.settings.failing {
                    Failing::Open => Ok(self.local.take_now(name, rate)),
                    Failing::Closed => Err(Refusal::Away),
                }
            }
        }
    }
}
