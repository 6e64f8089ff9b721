//! The live store in a real Redis, and what it does when that fails.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod live;
#[path = "live/redis_server.rs"]
mod redis_server;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use codex_tasklog::{LiveLimits, LiveLog, LiveLogWriter, LogError, RedisConfig, RedisStore};
use futures::StreamExt as _;
use live::follow::{Archived, Habits, Recovery, numbers, read_all, until, write};
use live::{Fixture, Start, end, frames, unlimited};
use redis_server::RedisServer;
use secrecy::SecretString;

const TASK: &str = "0190d9f5-0000-7000-8000-000000000001";
const STREAM: &str = "codex:log:0190d9f5-0000-7000-8000-000000000001";

struct Redis {
    server: RedisServer,
    limits: LiveLimits,
}

#[async_trait]
impl Fixture for Redis {
    fn writer(&self) -> Arc<dyn LiveLogWriter> {
        Arc::new(self.server.store(self.limits))
    }

    fn reader(&self) -> Arc<dyn LiveLog> {
        Arc::new(self.server.store(self.limits))
    }

    async fn wipe(&self, _task: &str) {
        self.server.command("FLUSHALL").await;
    }

    async fn disturb(&self) {
        self.server.command("CLIENT KILL TYPE normal").await;
        self.server.command("CLIENT KILL TYPE pubsub").await;
    }
}

#[async_trait]
impl Start for Redis {
    async fn start(limits: LiveLimits) -> Self {
        Self {
            server: RedisServer::start().await,
            limits,
        }
    }
}

live_suite!(Redis);

/// Three readers: of everything, of a part, and a slow one.
fn readers(
    server: &RedisServer,
    archived: &Archived,
) -> Vec<(u64, tokio::task::JoinHandle<Vec<u64>>)> {
    [(0, 0), (150, 0), (0, 20)]
        .map(|(after, slowness)| {
            let habits = Habits {
                after,
                slowness: Duration::from_millis(slowness),
                ..Habits::default()
            };
            let store = Arc::new(server.store(unlimited()));
            let seen = read_all(store, TASK.into(), habits, archived.clone());
            (after, tokio::spawn(seen))
        })
        .into()
}

async fn check(readers: Vec<(u64, tokio::task::JoinHandle<Vec<u64>>)>, last: u64) {
    for (after, reader) in readers {
        let seen = tokio::time::timeout(live::follow::DEADLINE, reader);
        assert_eq!(
            seen.await.unwrap().unwrap(),
            (after + 1..=last).collect::<Vec<_>>()
        );
    }
}

/// Writes `from..=to` in small batches.
async fn write_slowly(store: &RedisStore, from: u64, to: u64, archived: &Archived) {
    for first in (from..=to).step_by(7) {
        let numbers = first..=(first + 6).min(to);
        write(store, TASK, numbers, None, Recovery::FromTheStart, archived).await;
        tokio::task::yield_now().await;
    }
}

async fn finish(store: &RedisStore, last: u64, archived: &Archived) {
    write(
        store,
        TASK,
        last..=last,
        Some(last),
        Recovery::FromTheStart,
        archived,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_and_restart_without_data() {
    let server = RedisServer::start().await;
    let archived = Archived::default();
    let readers = readers(&server, &archived);
    let store = server.store(unlimited());
    write_slowly(&store, 1, 400, &archived).await;
    for round in 0..3 {
        server.kill();
        let away = store.append(TASK, &frames(401..=401)).await.unwrap_err();
        assert!(matches!(away, LogError::Unavailable(_)), "{away}");
        server.run().await;
        let from = 401 + round * 100;
        let hole = store.append(TASK, &frames(from..=from)).await.unwrap_err();
        assert!(matches!(hole, LogError::Hole { last: 0, .. }), "{hole}");
        write_slowly(&store, from, from + 99, &archived).await;
    }
    finish(&store, 701, &archived).await;
    check(readers, 701).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_and_restart_with_data() {
    let server = Arc::new(RedisServer::durable().await);
    let archived = Archived::default();
    let readers = readers(&server, &archived);
    let writing = tokio::spawn({
        let (store, archived) = (server.store(unlimited()), archived.clone());
        async move {
            write_slowly(&store, 1, 3_000, &archived).await;
            finish(&store, 3_001, &archived).await;
        }
    });
    let watching = server.store(unlimited());
    for reached in [500, 1_000, 2_000] {
        until("progress", || async {
            watching.last(TASK).await.is_ok_and(|last| last >= reached)
        })
        .await;
        server.kill();
        server.run().await;
        // What was acknowledged is there.
        let last = watching.last(TASK).await.unwrap();
        assert!(last >= reached, "{last} of {reached}");
    }
    writing.await.unwrap();
    check(readers, 3_001).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn out_of_memory_refuses_and_loses_nothing() {
    let server = RedisServer::start().await;
    let archived = Archived::default();
    let readers = readers(&server, &archived);
    let store = server.store(LiveLimits {
        keep: 0,
        ..unlimited()
    });
    write_slowly(&store, 1, 200, &archived).await;
    server.command("CONFIG SET maxmemory 1").await;
    let refused = store.append(TASK, &frames(201..=210)).await.unwrap_err();
    assert!(matches!(refused, LogError::Unavailable(_)), "{refused}");
    assert!(refused.to_string().contains("OOM"), "{refused}");
    // Reading goes on, and so does everything that frees memory.
    assert_eq!(store.last(TASK).await.unwrap(), 200);
    let mut stream = store.subscribe(TASK, 190).await.unwrap();
    assert_eq!(
        stream.next().await.unwrap().unwrap().last().unwrap().seq,
        200
    );
    archived.store(100, Ordering::SeqCst);
    store.trim(TASK, 100).await.unwrap();
    assert!(server.number(&format!("XLEN {STREAM}")).await < 20);
    store.remove("another").await.unwrap();
    server.command("CONFIG SET maxmemory 0").await;
    write_slowly(&store, 195, 400, &archived).await;
    finish(&store, 401, &archived).await;
    check(readers, 401).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_server_is_not_written_to() {
    let server = Arc::new(RedisServer::start().await);
    let archived = Archived::default();
    let readers = readers(&server, &archived);
    let store = server.store(unlimited());
    write_slowly(&store, 1, 200, &archived).await;
    // A primary that never answers: the data stays, writes are refused.
    server.command("REPLICAOF 127.0.0.1 1").await;
    let refused = store.append(TASK, &frames(201..=210)).await.unwrap_err();
    assert!(matches!(refused, LogError::Unavailable(_)), "{refused}");
    assert!(refused.to_string().contains("read only"), "{refused}");
    // A short failover is not even noticed.
    let promoted = tokio::spawn({
        let server = Arc::clone(&server);
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            server.command("REPLICAOF NO ONE").await;
        }
    });
    assert_eq!(store.append(TASK, &frames(195..=210)).await.unwrap(), 210);
    promoted.await.unwrap();
    finish(&store, 211, &archived).await;
    check(readers, 211).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_and_paused_connections_lose_nothing() {
    let server = Arc::new(RedisServer::start().await);
    let archived = Archived::default();
    let readers = readers(&server, &archived);
    let store = server.store(unlimited());
    let cutting = tokio::spawn({
        let server = Arc::clone(&server);
        async move {
            for round in 0..100 {
                let kind = if round % 2 == 0 { "normal" } else { "pubsub" };
                server.command(&format!("CLIENT KILL TYPE {kind}")).await;
                if round % 25 == 0 {
                    server.command("CLIENT PAUSE 300 ALL").await;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            server.command("SCRIPT FLUSH").await;
        }
    });
    let mut written = 0;
    while !cutting.is_finished() || written < 2_000 {
        write_slowly(&store, written + 1, written + 50, &archived).await;
        written += 50;
    }
    cutting.await.unwrap();
    finish(&store, written + 1, &archived).await;
    check(readers, written + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_reconnects_at_any_point() {
    let server = RedisServer::start().await;
    let archived = Archived::default();
    let store = server.store(unlimited());
    let shared = Arc::new(server.store(unlimited()));
    let readers: Vec<_> = (1..=10)
        .map(|patience| {
            let habits = Habits {
                patience,
                ..Habits::default()
            };
            let seen = read_all(shared.clone(), TASK.into(), habits, archived.clone());
            (0, tokio::spawn(seen))
        })
        .collect();
    write_slowly(&store, 1, 3_000, &archived).await;
    finish(&store, 3_001, &archived).await;
    check(readers, 3_001).await;
    // A reader that begins again 200 times, each time with the number that it has.
    let mut seen = Vec::new();
    for _ in 0..200 {
        let after = seen.last().copied().unwrap_or(0);
        let mut stream = shared.subscribe(TASK, after).await.unwrap();
        let batch = stream.next().await.unwrap().unwrap();
        seen.extend(batch.iter().take(15).map(|frame| frame.seq));
    }
    assert_eq!(seen, (1..=3_000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evicted_keys_are_written_again() {
    let server = RedisServer::start().await;
    let archived = Archived::default();
    let readers = readers(&server, &archived);
    let store = server.store(unlimited());
    write_slowly(&store, 1, 200, &archived).await;
    // Only the state: the stream knows its last number.
    server.command(&format!("DEL {STREAM}:state")).await;
    assert_eq!(store.last(TASK).await.unwrap(), 200);
    assert_eq!(store.append(TASK, &frames(190..=210)).await.unwrap(), 210);
    // A state that lies about it.
    server
        .command(&format!("HSET {STREAM}:state last 180"))
        .await;
    assert_eq!(store.append(TASK, &frames(181..=220)).await.unwrap(), 220);
    // Only the stream.
    server.command(&format!("DEL {STREAM}")).await;
    assert_eq!(store.last(TASK).await.unwrap(), 0);
    let hole = store.append(TASK, &frames(221..=230)).await.unwrap_err();
    assert!(matches!(hole, LogError::Hole { last: 0, .. }), "{hole}");
    write_slowly(&store, 221, 300, &archived).await;
    finish(&store, 301, &archived).await;
    check(readers, 301).await;
    let length = payload_bytes(&server).await;
    assert_eq!(server.number("GET codex:logs:total").await, length);
}

/// What the entries of the log weigh in truth.
async fn payload_bytes(server: &RedisServer) -> i64 {
    type Entries = Vec<(String, Vec<Vec<u8>>)>;
    let range = server.command(&format!("XRANGE {STREAM} - +")).await;
    let entries: Entries = redis::from_redis_value(range).unwrap();
    entries
        .iter()
        .map(|(_, fields)| i64::try_from(fields[1].len()).unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_are_counted_until_a_log_expires() {
    let server = RedisServer::start().await;
    let store = server.store(LiveLimits {
        keep: 2_000,
        ..unlimited()
    });
    for from in (1..=500).step_by(5) {
        store.append(TASK, &frames(from..=from + 4)).await.unwrap();
        store.trim(TASK, from + 4).await.unwrap();
    }
    let bytes = payload_bytes(&server).await;
    assert!((1_000..=2_000).contains(&bytes), "{bytes}");
    assert_eq!(server.number("GET codex:logs:total").await, bytes);
    assert_eq!(
        server
            .number(&format!("HGET codex:logs:sizes {TASK}"))
            .await,
        bytes
    );
    // Nobody keeps a log for ever, even when it is never removed.
    let days = server.number(&format!("TTL {STREAM}")).await / (24 * 60 * 60);
    assert!((6..=7).contains(&days), "{days}");

    store.remove(TASK).await.unwrap();
    let left = server.number(&format!("PTTL {STREAM}")).await;
    assert!((1..=400).contains(&left), "{left}");
    let refused = store.append(TASK, &frames(501..=501)).await.unwrap_err();
    assert!(matches!(refused, LogError::Removed), "{refused}");
    // A repetition is not an error: everything is there.
    assert_eq!(store.append(TASK, &frames(496..=500)).await.unwrap(), 500);
    until("expiry", || async {
        server
            .number(&format!("EXISTS {STREAM} {STREAM}:state"))
            .await
            == 0
    })
    .await;
    store.append("another", &frames(1..=1)).await.unwrap();
    store.remove("another").await.unwrap();
    until("expiry", || async {
        server.number("EXISTS codex:log:another").await == 0
    })
    .await;
    store.append("third", &frames(1..=1)).await.unwrap();
    let total = server.number("GET codex:logs:total").await;
    assert_eq!(total, server.number("HGET codex:logs:sizes third").await);
    assert_eq!(server.number("HLEN codex:logs:sizes").await, 1);
    assert_eq!(server.number("ZCARD codex:logs:expiry").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_readers_of_a_process_share_one_connection() {
    let server = RedisServer::start().await;
    let store = server.store(unlimited());
    let mut streams = Vec::new();
    for number in 0..60 {
        let task = format!("task-{}", number % 20);
        streams.push(store.subscribe(&task, 0).await.unwrap());
    }
    let subscriptions = || async {
        let clients = server.text("CLIENT LIST TYPE pubsub").await;
        let counts = clients
            .split(' ')
            .filter_map(|word| word.strip_prefix("sub="));
        counts
            .map(|count| count.parse::<u32>().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(subscriptions().await, [20]);
    // Of three readers of each task, the last one unsubscribes.
    streams.drain(..40);
    store.append("task-7", &frames(1..=1)).await.unwrap();
    let batch = streams[7].next().await.unwrap().unwrap();
    assert_eq!(batch[0].seq, 1);
    assert_eq!(subscriptions().await, [20]);
    streams.drain(5..);
    until("unsubscription", || async { subscriptions().await == [5] }).await;
    // What nobody watches is not subscribed to; what comes again is.
    let again = store.subscribe("task-7", 0).await.unwrap();
    assert_eq!(subscriptions().await, [6]);
    store
        .append("task-7", &[frames(2..=2).remove(0), end(3)])
        .await
        .unwrap();
    assert_eq!(numbers(again).await, [1, 2, 3]);
    drop(streams);
    drop(store);
    until("goodbye", || async { subscriptions().await.is_empty() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_are_used_and_not_told() {
    let server = RedisServer::with(&["--requirepass", "s3cret-word"]).await;
    let open = |password: &str| {
        let password = SecretString::from(password);
        let config = RedisConfig::new(&server.address().into(), Some(&password)).unwrap();
        RedisStore::new(config).unwrap()
    };
    let store = open("s3cret-word");
    assert_eq!(store.append(TASK, &frames(1..=2)).await.unwrap(), 2);
    assert!(store.subscribe(TASK, 0).await.is_ok());
    assert!(!format!("{store:?}").contains("s3cret"));
    let stranger = open("wr0ng-word");
    let refused = stranger.append(TASK, &frames(3..=3)).await.unwrap_err();
    assert!(matches!(refused, LogError::Unavailable(_)));
    assert!(!refused.to_string().contains("wr0ng"), "{refused}");
}

#[tokio::test]
async fn a_server_that_is_away_is_told_in_time() {
    let config = RedisConfig::new(&"redis://127.0.0.1:1".into(), None).unwrap();
    let store = RedisStore::new(config).unwrap();
    let started = std::time::Instant::now();
    for refused in [
        store.append(TASK, &frames(1..=1)).await.map(drop),
        store.trim(TASK, 1).await,
        store.remove(TASK).await,
        store.last(TASK).await.map(drop),
        store.subscribe(TASK, 0).await.map(drop),
    ] {
        assert!(
            matches!(refused, Err(LogError::Unavailable(_))),
            "{refused:?}"
        );
    }
    assert!(started.elapsed() < Duration::from_secs(25));
}
