//! Connections: how many there are, and what happens when they do not come about.

use std::sync::Arc;
use std::time::Duration;

use codex_tasklog::{LiveLog as _, LiveLogWriter as _, LogError, RedisConfig, RedisStore};
use futures::StreamExt as _;
use secrecy::SecretString;

use crate::live::follow::{Archived, Habits, numbers, read_all, until};
use crate::live::{end, frames, unlimited};
use crate::server::RedisServer;
use crate::support::{TASK, check, finish, write_slowly};

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
