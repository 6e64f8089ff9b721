//! Counts in Redis, which all gateways share.

use std::time::Duration;

use async_trait::async_trait;
use codex_tasklog::RedisConfig;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::memory::unlimited;
use super::{Away, Decision, Rate, RateLimiter};

const SCRIPT: &str = include_str!("gcra.lua");
/// How long a request waits for the count. It is one key and one round trip.
const PATIENCE: Duration = Duration::from_millis(250);
/// For how long nobody asks again after a failure, so that requests are not slow while Redis is away.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts in Redis.
pub struct RedisLimiter {
    client: Client,
    link: Mutex<Link>,
}

#[derive(Default)]
struct Link {
    connected: Option<Connected>,
    /// Until when Redis is left alone.
    paused_until: Option<Instant>,
}

#[derive(Clone)]
struct Connected {
    connection: MultiplexedConnection,
    /// How the server names the script.
    script: String,
}

impl RedisLimiter {
    /// Counts in the Redis at this address, and connects when there is something to count.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn new(config: &RedisConfig) -> Result<Self, Away> {
        let client = config.client().map_err(away)?;
        Ok(Self {
            client,
            link: Mutex::default(),
        })
    }

    async fn connected(&self) -> Result<Connected, Away> {
        let mut link = self.link.lock().await;
        if let Some(connected) = &link.connected {
            return Ok(connected.clone());
        }
        if link
            .paused_until
            .is_some_and(|until| Instant::now() < until)
        {
            return Err(Away("the last attempt has just failed".to_owned()));
        }
        let connected = self.connect().await.map_err(away);
        match &connected {
            Ok(connected) => link.connected = Some(connected.clone()),
            Err(_) => link.paused_until = Some(Instant::now() + PAUSE),
        }
        connected
    }

    async fn connect(&self) -> RedisResult<Connected> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let mut connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let script = redis::cmd("SCRIPT")
            .arg("LOAD")
            .arg(SCRIPT)
            .query_async(&mut connection)
            .await?;
        Ok(Connected { connection, script })
    }

    async fn forget(&self, pause: Duration) {
        let mut link = self.link.lock().await;
        link.connected = None;
        link.paused_until = Some(Instant::now() + pause);
    }

    async fn ask(&self, name: &str, interval: u128, burst: u32) -> Result<[i64; 4], Away> {
        let mut connected = self.connected().await?;
        let mut command = redis::cmd("EVALSHA");
        command.arg(&connected.script).arg(1).arg(name);
        command.arg(interval.to_string()).arg(burst);
        let answer: RedisResult<[i64; 4]> = command.query_async(&mut connected.connection).await;
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) => {
                // A server that lost the script lost nothing else, and can be asked again at once.
                let lost_script = error.kind() == ServerErrorKind::NoScript.into();
                self.forget(if lost_script { Duration::ZERO } else { PAUSE })
                    .await;
                Err(away(error))
            }
        }
    }
}

#[async_trait]
impl RateLimiter for RedisLimiter {
    async fn take(&self, name: &str, rate: Rate) -> Result<Decision, Away> {
        let Some(interval) = rate.interval() else {
            return Ok(unlimited(rate));
        };
        let interval = interval.as_micros();
        // The second attempt is for connections that broke while nobody used them, and for a server that forgot the script.
        let answer = match self.ask(name, interval, rate.burst()).await {
            Ok(answer) => answer,
            Err(first) => {
                if !first.0.contains("NOSCRIPT") {
                    return Err(first);
                }
                self.ask(name, interval, rate.burst()).await?
            }
        };
        let [passes, remaining, retry_after, reset] = answer;
        let micros = |number: i64| Duration::from_micros(number.max(0).unsigned_abs());
        Ok(Decision {
            passes: passes == 1,
            limit: rate.burst(),
            remaining: u32::try_from(remaining).unwrap_or(0),
            retry_after: micros(retry_after),
            reset: micros(reset),
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn away(error: RedisError) -> Away {
    Away(error.to_string())
}
