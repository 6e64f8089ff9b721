//! The part of the configuration that is about limits.

use codex_tasklog::redis_address;
use secrecy::SecretString;

use crate::limits::{Failing, Rate, RateSettings};

/// How often users may ask. A rate is the number of requests a minute, or with a colon how many of them may come at once: `60:10`. 0 is
/// without limit.
#[derive(Debug, clap::Args)]
pub struct RateConfig {
    /// Requests a minute of one user that change something, such as submitting a task: `60`, or `60:10` for at most ten at once; 0 is
    /// without limit.
    #[arg(long, env = "CODEX_RATE_WRITES", default_value = "60")]
    pub rate_writes: Rate,
    /// The same for an administrator.
    #[arg(long, env = "CODEX_RATE_WRITES_ADMIN", default_value = "600")]
    pub rate_writes_admin: Rate,
    /// Requests a minute of one user that only look.
    #[arg(long, env = "CODEX_RATE_READS", default_value = "3000")]
    pub rate_reads: Rate,
    /// The same for an administrator.
    #[arg(long, env = "CODEX_RATE_READS_ADMIN", default_value = "6000")]
    pub rate_reads_admin: Rate,
    /// The Redis in which all gateways count requests; without it that of `CODEX_LIVE_STORE`, and if that is none, each gateway counts for
    /// itself.
    #[arg(long, env = "CODEX_REDIS_URL", hide_env_values = true, value_parser = redis_address)]
    pub redis_url: Option<SecretString>,
    /// What happens while that Redis is away: `open` lets requests pass, and each gateway counts for itself; `closed` refuses them with 503.
    #[arg(long, env = "CODEX_RATE_FAILING", default_value = "open")]
    pub rate_failing: Failing,
}

impl RateConfig {
    /// The same without where they are counted.
    pub(super) const fn settings(&self) -> RateSettings {
        RateSettings {
            writes: self.rate_writes,
            reads: self.rate_reads,
            admin_writes: self.rate_writes_admin,
            admin_reads: self.rate_reads_admin,
            failing: self.rate_failing,
        }
    }
}
