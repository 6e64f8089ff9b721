//! What logs take, and when they go.

use std::collections::HashMap;

use codex_tasklog::{LiveLimits, LiveLog as _, LiveLogWriter as _, LogError};
use futures::StreamExt as _;

use crate::live::follow::until;
use crate::live::{frames, unlimited};
use crate::proxy::Proxy;
use crate::server::RedisServer;
use crate::support::{STREAM, TASK};

/// With limits as low as these, no room is set aside beyond what is used.
pub const EXACT: LiveLimits = LiveLimits {
    keep: 100_000,
    task: 200_000,
    total: 200_000,
};

/// What Redis has written down about all logs.
#[derive(Debug, PartialEq, Eq)]
pub struct Ledger {
    pub all: i64,
    /// The sum of what each log has.
    pub each: i64,
    pub logs: usize,
}

impl Ledger {
    pub async fn read(server: &RedisServer) -> Self {
        let ledger = server.command("HGETALL codex:{logs}:ledger").await;
        let mut logs: HashMap<String, i64> = redis::from_redis_value(ledger).unwrap();
        Self {
            all: logs.remove("*").unwrap_or(0),
            each: logs.values().sum(),
            logs: logs.len(),
        }
    }

    /// That of one log with so many bytes.
    pub const fn of(bytes: i64) -> Self {
        Self {
            all: bytes,
            each: bytes,
            logs: 1,
        }
    }
}

/// What the entries of the log weigh in truth.
pub async fn payload_bytes(server: &RedisServer) -> i64 {
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
        ..EXACT
    });
    for from in (1..=500).step_by(5) {
        store.append(TASK, &frames(from..=from + 4)).await.unwrap();
        store.trim(TASK, from + 4).await.unwrap();
    }
    let bytes = payload_bytes(&server).await;
    assert!((1_000..=2_000).contains(&bytes), "{bytes}");
    assert_eq!(Ledger::read(&server).await, Ledger::of(bytes));
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
        server.number("EXISTS codex:{logs}:log:another").await == 0
    })
    .await;
    store.append("third", &frames(1..=1)).await.unwrap();
    let ledger = Ledger::read(&server).await;
    assert_eq!((ledger.all, ledger.logs), (ledger.each, 1));
    assert_eq!(server.number("ZCARD codex:{logs}:expiry").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_is_set_aside_in_small_steps() {
    let server = RedisServer::start().await;
    let store = server.store(unlimited());
    let step = i64::try_from(unlimited().total / 262_144).unwrap();
    for number in 1..=300 {
        store.append(TASK, &frames(number..=number)).await.unwrap();
        let (bytes, ledger) = (payload_bytes(&server).await, Ledger::read(&server).await);
        assert_eq!(ledger.all, ledger.each);
        assert!(
            (bytes..=bytes + step).contains(&ledger.all),
            "{ledger:?} for {bytes}"
        );
    }
    store.trim(TASK, 300).await.unwrap();
    store.remove(TASK).await.unwrap();
    let bytes = payload_bytes(&server).await;
    assert_eq!(Ledger::read(&server).await, Ledger::of(bytes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_takes_four_commands() {
    let server = RedisServer::start().await;
    let store = server.store(unlimited());
    store.append(TASK, &frames(1..=1)).await.unwrap();
    server.command("CONFIG RESETSTAT").await;
    for number in 2..=101 {
        store.append(TASK, &frames(number..=number)).await.unwrap();
    }
    let stats = server.text("INFO commandstats").await;
    let calls: u32 = stats
        .lines()
        .filter(|line| line.starts_with("cmdstat_") && !line.contains("_evalsha:"))
        .filter_map(|line| {
            line.split_once("calls=")?
                .1
                .split(',')
                .next()?
                .parse::<u32>()
                .ok()
        })
        .sum();
    // Once or so more room is set aside, which takes some more.
    assert!((400..=440).contains(&calls), "{stats}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_frames_go_out_together() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let store = proxy.store(unlimited());
    store.append(TASK, &frames(1..=1)).await.unwrap();
    let before = proxy.requests();
    store.append(TASK, &frames(2..=10_000)).await.unwrap();
    let taken = proxy.requests() - before;
    assert!(server.number(&format!("XLEN {STREAM}")).await >= 40);
    assert!(taken <= 10, "{taken} round trips");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_all_logs_share_a_slot() {
    let server = RedisServer::listening(&["--cluster-enabled", "yes"]).await;
    server.command("CLUSTER ADDSLOTSRANGE 0 16383").await;
    until("a cluster", || async {
        server
            .text("CLUSTER INFO")
            .await
            .contains("cluster_state:ok")
    })
    .await;
    let store = server.store(EXACT);
    let mut stream = store.subscribe(TASK, 0).await.unwrap();
    store.append(TASK, &frames(1..=10)).await.unwrap();
    store.append("another", &frames(1..=10)).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().len(), 10);
    store.trim(TASK, 5).await.unwrap();
    store.remove(TASK).await.unwrap();
    assert_eq!(Ledger::read(&server).await.logs, 2);
}
