//! What is published, for the tasks that somebody in this process watches.
//!
//! All of them share one connection. Publication delivers at most once, so it only saves reading: each topic says
//! when something may have been missed, and its readers then read the stream.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use redis::aio::PubSubSink;
use redis::{Client, Msg, RedisResult};
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::entry::Incoming;

const CONNECT: Duration = Duration::from_secs(3);
const RESPONSE: Duration = Duration::from_secs(5);
/// How often the connection is tried, so that one that died without a word is noticed.
const PING: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// How many channels one command subscribes to.
const CHANNELS: usize = 256;
/// How many bytes of newest entries are kept for the readers of a task.
const RECENT_BYTES: usize = 1 << 20;
/// How many are kept for all readers of this process. Above it a task keeps its newest entry only; its readers find the others in
/// the stream.
const ALL_RECENT_BYTES: usize = 64 << 20;

/// All topics that are watched in this process.
#[derive(Default)]
pub(super) struct Feed {
    topics: Mutex<HashMap<String, Arc<Topic>>>,
    /// Channels that came or went since the connection was last told.
    changed: Mutex<HashSet<String>>,
    wake: Notify,
    /// The bytes of recent entries of all topics.
    bytes: Arc<AtomicUsize>,
}

/// The newest entries of a task.
pub(super) struct Topic {
    recent: Mutex<Recent>,
    state: watch::Sender<Signal>,
    watchers: Mutex<usize>,
}

/// Entries as they came, the newest last.
struct Recent {
    entries: VecDeque<Arc<Incoming>>,
    bytes: usize,
    bytes_of_all: Arc<AtomicUsize>,
}

impl Recent {
    fn push(&mut self, entry: Incoming) {
        self.bytes += entry.bytes();
        self.bytes_of_all
            .fetch_add(entry.bytes(), Ordering::Relaxed);
        self.entries.push_back(Arc::new(entry));
        while self.entries.len() > 1
            && (self.bytes > RECENT_BYTES
                || self.bytes_of_all.load(Ordering::Relaxed) > ALL_RECENT_BYTES)
        {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry.bytes();
            self.bytes_of_all
                .fetch_sub(entry.bytes(), Ordering::Relaxed);
        }
    }
}

impl Drop for Recent {
    fn drop(&mut self) {
        self.bytes_of_all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Tells readers to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signal {
    /// How often the connection subscribed; 0 while it never did. What was published between two subscriptions is missed.
    pub subscriptions: u64,
    /// How many messages came.
    pub messages: u64,
    /// How many of them were not entries, but hints to read the stream.
    pub hints: u64,
    /// The last number of the newest entry.
    pub newest: u64,
}

/// Keeps a topic subscribed.
pub(super) struct Watched {
    feed: Arc<Feed>,
    channel: String,
    pub topic: Arc<Topic>,
}

impl Topic {
    fn new(bytes_of_all: Arc<AtomicUsize>) -> Self {
        Self {
            recent: Mutex::new(Recent {
                entries: VecDeque::new(),
                bytes: 0,
                bytes_of_all,
            }),
            state: watch::Sender::default(),
            watchers: Mutex::new(0),
        }
    }

    pub(super) fn signals(&self) -> watch::Receiver<Signal> {
        self.state.subscribe()
    }

    /// The recent entry that holds the number after `after`.
    pub(super) fn recent(&self, after: u64) -> Option<Arc<Incoming>> {
        let recent = lock(&self.recent);
        let holds = |entry: &&Arc<Incoming>| entry.first <= after + 1 && entry.last > after;
        recent.entries.iter().rev().find(holds).cloned()
    }

    /// Forgets all entries, because one of them is none.
    pub(super) fn distrust(&self) {
        let mut recent = lock(&self.recent);
        while !recent.entries.is_empty() {
            recent.pop();
        }
    }

    /// Takes what was published. It must be quick: what this process does not take fast enough is queued without a bound, so
    /// frames are left to those who read them.
    fn take(&self, payload: &[u8]) {
        match Incoming::parse(payload.to_vec()) {
            Ok(entry) => {
                let newest = entry.last;
                lock(&self.recent).push(entry);
                self.state.send_modify(|signal| {
                    signal.messages += 1;
                    signal.newest = newest;
                });
            }
            Err(_) => self.state.send_modify(|signal| signal.hints += 1),
        }
    }
}

impl Feed {
    /// Subscribes to a channel until the answer is dropped.
    pub(super) fn watch(self: &Arc<Self>, channel: String) -> Watched {
        let mut topics = lock(&self.topics);
        let topic = Arc::clone(topics.entry(channel.clone()).or_insert_with(|| {
            lock(&self.changed).insert(channel.clone());
            self.wake.notify_one();
            Arc::new(Topic::new(Arc::clone(&self.bytes)))
        }));
        *lock(&topic.watchers) += 1;
        Watched {
            feed: Arc::clone(self),
            channel,
            topic,
        }
    }

    /// Keeps a connection as long as something is watched, until `stop`.
    pub(super) async fn run(self: Arc<Self>, client: Client, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.until_watched() => {}
            }
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.session(&client, &mut pause) => ended,
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "the subscriptions in Redis are interrupted; connecting again");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    async fn until_watched(&self) {
        while lock(&self.topics).is_empty() {
            self.wake.notified().await;
        }
    }

    async fn session(&self, client: &Client, pause: &mut Duration) -> RedisResult<()> {
        let connecting = timeout(CONNECT, client.get_async_pubsub());
        let (sink, mut messages) = connecting.await.map_err(|_| too_late())??.split();
        let mut subscriber = Subscriber {
            sink,
            channels: HashSet::new(),
        };
        let all: Vec<String> = lock(&self.topics).keys().cloned().collect();
        lock(&self.changed).extend(all);
        subscriber.update(self).await?;
        *pause = FIRST_PAUSE;
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.deliver(&message),
                    None => return Ok(()),
                },
                () = self.wake.notified() => subscriber.update(self).await?,
                _ = ping.tick() => {
                    timeout(RESPONSE, subscriber.sink.ping::<redis::Value>())
                        .await
                        .map_err(|_| too_late())??;
                }
            }
        }
    }

    fn deliver(&self, message: &Msg) {
        let topic = lock(&self.topics).get(message.get_channel_name()).cloned();
        if let Some(topic) = topic {
            topic.take(message.get_payload_bytes());
        }
    }
}

/// A connection and what it is subscribed to.
struct Subscriber {
    sink: PubSubSink,
    channels: HashSet<String>,
}

impl Subscriber {
    /// Subscribes to what came and unsubscribes from what went.
    async fn update(&mut self, feed: &Feed) -> RedisResult<()> {
        let changed = std::mem::take(&mut *lock(&feed.changed));
        let (wanted, unwanted): (Vec<String>, Vec<String>) = {
            let topics = lock(&feed.topics);
            changed
                .into_iter()
                .partition(|channel| topics.contains_key(channel))
        };
        for channels in wanted.chunks(CHANNELS) {
            timeout(RESPONSE, self.sink.subscribe(channels))
                .await
                .map_err(|_| too_late())??;
            let topics = lock(&feed.topics);
            for channel in channels {
                self.channels.insert(channel.clone());
                if let Some(topic) = topics.get(channel) {
                    topic.state.send_modify(|signal| signal.subscriptions += 1);
                }
            }
        }
        let unwanted: Vec<String> = unwanted
            .into_iter()
            .filter(|channel| self.channels.remove(channel))
            .collect();
        for channels in unwanted.chunks(CHANNELS) {
            timeout(RESPONSE, self.sink.unsubscribe(channels))
                .await
                .map_err(|_| too_late())??;
        }
        Ok(())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut topics = lock(&self.feed.topics);
        let mut watchers = lock(&self.topic.watchers);
        *watchers -= 1;
        if *watchers == 0 {
            topics.remove(&self.channel);
            lock(&self.feed.changed).insert(self.channel.clone());
            self.feed.wake.notify_one();
        }
    }
}

fn too_late() -> redis::RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// A panic elsewhere leaves these collections whole, so a poisoned lock is still usable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(feed: &Arc<Feed>, watched: &Watched, number: u64, size: usize) {
        let mut payload = format!("{number} {number}\n").into_bytes();
        payload.resize(size, b'x');
        watched.topic.take(&payload);
        assert!(feed.bytes.load(Ordering::Relaxed) <= ALL_RECENT_BYTES + 100 * size);
    }

    #[test]
    fn recent_entries_are_bounded_for_each_task_and_in_all() {
        const SIZE: usize = 64 * 1024;
        let feed = Arc::new(Feed::default());
        let watched: Vec<_> = (0..100)
            .map(|task| feed.watch(format!("task-{task}")))
            .collect();
        for number in 1..=100 {
            publish(&feed, &watched[0], number, SIZE);
        }
        assert_eq!(feed.bytes.load(Ordering::Relaxed), RECENT_BYTES);
        assert!(watched[0].topic.recent(99).is_some());
        assert!(watched[0].topic.recent(84).is_some());
        assert!(watched[0].topic.recent(83).is_none());
        for number in 1..=20 {
            for watched in &watched[1..] {
                publish(&feed, watched, number, SIZE);
            }
        }
        let bytes = feed.bytes.load(Ordering::Relaxed);
        assert!(bytes > ALL_RECENT_BYTES / 2, "{bytes}");
        for watched in &watched {
            let newest = lock(&watched.topic.recent).entries.back().unwrap().last;
            assert!(newest == 20 || newest == 100);
        }
        drop(watched);
        assert_eq!(feed.bytes.load(Ordering::Relaxed), 0);
    }
}
