//! A server that dies, runs out of memory, is demoted, forgets.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use codex_tasklog::{LiveLimits, LiveLog as _, LiveLogWriter as _, LogError};
use futures::StreamExt as _;

use crate::bounds::{EXACT, Ledger, payload_bytes};
use crate::live::follow::{Archived, Recovery, until, write};
use crate::live::{frames, unlimited};
use crate::proxy::Proxy;
use crate::server::RedisServer;
use crate::support::{STREAM, TASK, check, finish, readers, write_slowly};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_and_restart_without_data() {
    let server = RedisServer::start().await;
    let archived = Archived::default();
    let readers = readers(|| server.store(unlimited()), &archived);
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
    let readers = readers(|| server.store(unlimited()), &archived);
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
    let readers = readers(|| server.store(unlimited()), &archived);
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
    let readers = readers(|| server.store(unlimited()), &archived);
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
    let readers = readers(|| server.store(unlimited()), &archived);
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
async fn evicted_keys_are_written_again() {
    let server = RedisServer::start().await;
    let archived = Archived::default();
    let readers = readers(|| server.store(EXACT), &archived);
    let store = server.store(EXACT);
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
    let bytes = payload_bytes(&server).await;
    assert_eq!(Ledger::read(&server).await, Ledger::of(bytes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_get_lost_cost_nothing() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let archived = Archived::default();
    let readers = readers(|| proxy.store(EXACT), &archived);
    let store = proxy.store(EXACT);
    for number in 1..=200 {
        if number % 10 == 0 {
            // Redis has the entry, and nobody knows.
            proxy.lose_next_answer();
        }
        let appended = store.append(TASK, &frames(number..=number)).await;
        assert_eq!(appended.unwrap(), number);
    }
    assert_eq!(proxy.lost_answers(), 20);
    assert_eq!(server.number(&format!("XLEN {STREAM}")).await, 200);
    let bytes = payload_bytes(&server).await;
    assert_eq!(Ledger::read(&server).await, Ledger::of(bytes));
    finish(&store, 201, &archived).await;
    check(readers, 201).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_loads_its_data_is_waited_for() {
    // Each of the other keys takes its time, and requests are answered in between.
    let server = RedisServer::with(&[
        "--loading-process-events-interval-bytes",
        "1024",
        "--rdbcompression",
        "no",
        "--key-load-delay",
        "20000",
    ])
    .await;
    let store = server.store(unlimited());
    store.append(TASK, &frames(1..=100)).await.unwrap();
    let value = "x".repeat(2_000);
    for key in 0..1_000 {
        server.command(&format!("SET other:{key} {value}")).await;
    }
    server.command("SAVE").await;
    server.kill();
    server.launch();
    until("loading", || async {
        server
            .ping()
            .await
            .is_err_and(|error| error.code() == Some("LOADING"))
    })
    .await;
    let archived = Archived::default();
    let recovery = Recovery::FromTheStart;
    tokio::join!(
        write(&store, TASK, 95..=110, None, recovery, &archived),
        server.command("CONFIG SET key-load-delay 0"),
    );
    assert_eq!(store.last(TASK).await.unwrap(), 110);
    assert_eq!(payload_numbers(&server).await, 110);
}

/// How many frames Redis has, each counted as often as it is there.
async fn payload_numbers(server: &RedisServer) -> usize {
    type Entries = Vec<(String, Vec<String>)>;
    let range = server.command(&format!("XRANGE {STREAM} - +")).await;
    let entries: Entries = redis::from_redis_value(range).unwrap();
    let lines = |fields: &Vec<String>| fields[1].lines().count() - 1;
    entries.iter().map(|(_, fields)| lines(fields)).sum()
}
