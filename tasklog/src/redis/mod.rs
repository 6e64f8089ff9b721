//! The live store in Redis 7 or Valkey, shared by all operators and gateways.
//!
//! A log is a stream whose entries hold batches of frames; the id of an entry is the number of its last frame, so Redis itself
//! refuses what it has. Entries are also published, for readers that are up to date. Logs are never evicted if
//! `maxmemory-policy` is `noeviction`; where it is not, an evicted log is appended again like after a restart without data.
//! All logs live in one hash slot, because the limit of all logs needs their bytes in one place: Redis in cluster mode serves with one
//! shard, more would not share the work.

mod config;
mod entry;
mod feed;
mod link;
mod location;
mod names;
mod read;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::from_redis_value;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use config::RedisConfig;
pub use location::{LiveLocation, authorities_file, redis_address};

use self::entry::Outgoing;
use self::feed::Feed;
use self::link::{Link, Request, Script};
use self::names::Names;
use self::read::Subscription;
use crate::error::LogError;
use crate::frame::Frame;
use crate::live::{FrameStream, LiveLog, LiveLogWriter};

/// How long a reader waits for its subscription before it is told that the store is away.
const SUBSCRIBE: Duration = Duration::from_secs(5);

/// The live store in Redis. Clones share their connections.
#[derive(Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
}

struct Inner {
    config: RedisConfig,
    link: Arc<Link>,
    feed: Arc<Feed>,
    /// Ends the task that holds the subscriptions.
    _stop: DropGuard,
}

/// How many bytes of entries are appended in one go.
const WINDOW: usize = 1 << 20;

/// What the script that appends says.
enum Appended {
    /// The log reaches to this number, and has the entry.
    Done(u64),
    /// It has the first part of the entry, up to this number.
    Overlap(u64),
}

impl RedisStore {
    /// A store that connects when it is used, and again whenever the connection breaks. It has to be made inside of a Tokio runtime.
    ///
    /// # Errors
    /// [`LogError::Setting`] when the address cannot be used.
    pub fn new(config: RedisConfig) -> Result<Self, LogError> {
        let client = config
            .client()
            .map_err(|error| LogError::Setting(format!("the address of Redis: {error}")))?;
        let feed = Arc::new(Feed::default());
        let stop = CancellationToken::new();
        tokio::spawn(Arc::clone(&feed).run(client.clone(), stop.clone()));
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                link: Arc::new(Link::new(client)),
                feed,
                _stop: stop.drop_guard(),
            }),
        })
    }

    /// Appends entries that follow each other. They go out together: an entry after one that was refused is refused too, as a hole.
    async fn append_entries(
        &self,
        names: &Names,
        entries: &[Outgoing],
    ) -> Result<Vec<Result<Appended, LogError>>, LogError> {
        let RedisConfig { limits, expiry, .. } = &self.inner.config;
        let numbers: Vec<_> = entries
            .iter()
            .map(|entry| {
                [
                    entry.first,
                    entry.head,
                    entry.last,
                    limits.keep,
                    limits.task,
                    limits.total,
                    milliseconds(*expiry),
                ]
            })
            .collect();
        let requests: Vec<_> = std::iter::zip(entries, &numbers)
            .map(|(entry, numbers)| Request {
                script: Script::Append,
                names,
                numbers,
                payload: &entry.payload,
            })
            .collect();
        let answers = self.inner.link.ask_all(&requests).await?;
        let outcomes = std::iter::zip(entries, answers);
        Ok(outcomes
            .map(|(entry, answer)| outcome(entry, answer))
            .collect())
    }

    async fn run(&self, script: Script, names: &Names, numbers: &[u64]) -> Result<(), LogError> {
        let request = Request {
            script,
            names,
            numbers,
            payload: &[],
        };
        self.inner.link.ask(request).await.map(drop)
    }
}

#[async_trait]
impl LiveLog for RedisStore {
    async fn last(&self, task: &str) -> Result<u64, LogError> {
        crate::check_task_id(task)?;
        let (_, last, _) = read::read(&self.inner.link, &Names::new(task), 0, 0).await?;
        Ok(last)
    }

    async fn subscribe(&self, task: &str, after: u64) -> Result<FrameStream, LogError> {
        crate::check_task_id(task)?;
        let names = Names::new(task);
        let watched = self.inner.feed.watch(names.stream.clone());
        let subscription = Subscription::new(Arc::clone(&self.inner.link), names, watched, after);
        tokio::time::timeout(SUBSCRIBE, subscription.open())
            .await
            .unwrap_or_else(|_| {
                Err(LogError::Unavailable(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "Redis did not confirm the subscription in time",
                )))
            })
    }
}

#[async_trait]
impl LiveLogWriter for RedisStore {
    async fn append(&self, task: &str, frames: &[Arc<Frame>]) -> Result<u64, LogError> {
        crate::check_task_id(task)?;
        let names = Names::new(task);
        let mut rest = frames;
        let mut reached = None;
        while !rest.is_empty() {
            let entries = entry::encode(rest, WINDOW);
            let outcomes = self.append_entries(&names, &entries).await?;
            for (entry, outcome) in std::iter::zip(&entries, outcomes) {
                match outcome? {
                    Appended::Done(last) => {
                        rest = &rest[entry.count..];
                        reached = Some(last);
                    }
                    Appended::Overlap(last) => {
                        // Each round gets further, because the script only speaks of an overlap that ends inside of the entry.
                        rest = &rest[rest.partition_point(|frame| frame.seq <= last)..];
                        reached = Some(last);
                        // What was sent after it was refused as a hole.
                        break;
                    }
                }
            }
        }
        match reached {
            Some(last) => Ok(last),
            None => self.last(task).await,
        }
    }

    async fn trim(&self, task: &str, up_to: u64) -> Result<(), LogError> {
        crate::check_task_id(task)?;
        let RedisConfig { limits, expiry, .. } = &self.inner.config;
        let numbers = [up_to, limits.keep, milliseconds(*expiry)];
        self.run(Script::Trim, &Names::new(task), &numbers).await
    }

    async fn remove(&self, task: &str) -> Result<(), LogError> {
        crate::check_task_id(task)?;
        let linger = milliseconds(self.inner.config.linger);
        self.run(Script::Remove, &Names::new(task), &[linger]).await
    }
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RedisStore")
            .field(&self.inner.config)
            .finish()
    }
}

/// What the script says of an entry: the last number of the log, or a word, a number, and the limit where the word speaks of one.
fn outcome(entry: &Outgoing, answer: redis::Value) -> Result<Appended, LogError> {
    let damaged = |error| LogError::Damaged(format!("the answer of Redis: {error}"));
    if !matches!(answer, redis::Value::Array(_)) {
        return from_redis_value(answer)
            .map(Appended::Done)
            .map_err(damaged);
    }
    let mut parts: Vec<redis::Value> = from_redis_value(answer).map_err(damaged)?;
    parts.resize(3, redis::Value::Int(0));
    let parts = from_redis_value(redis::Value::Array(parts));
    let (word, number, limit): (String, u64, u64) = parts.map_err(damaged)?;
    match word.as_str() {
        "overlap" => Ok(Appended::Overlap(number)),
        "hole" => Err(LogError::Hole {
            last: number,
            found: entry.first,
        }),
        "removed" => Err(LogError::Removed),
        "full" => Err(LogError::Full {
            bytes: number,
            limit,
        }),
        other => Err(LogError::Damaged(format!("Redis answered {other:?}"))),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
