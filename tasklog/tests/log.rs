//! Every reader sees every number once, whatever happens to the stores in between.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use codex_tasklog::{
    Archive as _, Body, DirArchive, End, Frame, FrameStream, LiveLog, LiveLogWriter as _, LogError,
    MemoryStore, Reader, Stream, hub,
};
use futures::StreamExt as _;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const TASK: &str = "0190d9f5-0000-7000-8000-000000000001";
const DEADLINE: Duration = Duration::from_secs(20);

fn frames(numbers: std::ops::RangeInclusive<u64>) -> Vec<Arc<Frame>> {
    numbers
        .map(|seq| {
            let body = Body::Line {
                stream: Stream::Stderr,
                text: format!("line {seq}"),
                more: false,
            };
            Arc::new(Frame {
                seq,
                ts: "2026-01-01T00:00:00Z".into(),
                body,
            })
        })
        .collect()
}

fn end(seq: u64) -> Vec<Arc<Frame>> {
    let body = Body::End(End {
        exit_code: Some(0),
        last: seq - 1,
        ..End::default()
    });
    vec![Arc::new(Frame {
        seq,
        ts: "2026-01-01T00:00:00Z".into(),
        body,
    })]
}

async fn numbers(stream: FrameStream) -> Vec<u64> {
    let all = stream.map(|batch| batch.unwrap()).concat();
    let all = tokio::time::timeout(DEADLINE, all)
        .await
        .expect("the stream ends in time");
    all.iter().map(|frame| frame.seq).collect()
}

struct Hub {
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

impl Hub {
    fn start(path: &std::path::Path, store: &MemoryStore) -> Self {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(hub::serve(listener, Arc::new(store.clone()), stop.clone()));
        Self { stop, served }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.served.await.unwrap();
    }
}

#[tokio::test]
async fn appends_are_idempotent_and_refuse_holes() {
    let store = MemoryStore::default();
    assert_eq!(store.append(TASK, &frames(1..=3)).await.unwrap(), 3);
    assert_eq!(store.append(TASK, &frames(1..=5)).await.unwrap(), 5);
    assert_eq!(store.append(TASK, &frames(2..=4)).await.unwrap(), 5);
    let refused = store.append(TASK, &frames(7..=8)).await.unwrap_err();
    assert!(matches!(refused, LogError::Hole { last: 5, found: 7 }));
    store.append(TASK, &end(6)).await.unwrap();
    let all = numbers(store.subscribe(TASK, 0).await.unwrap()).await;
    assert_eq!(all, [1, 2, 3, 4, 5, 6]);
    let rest = numbers(store.subscribe(TASK, 4).await.unwrap()).await;
    assert_eq!(rest, [5, 6]);
}

#[tokio::test]
async fn subscribers_wait_for_what_comes() {
    let store = MemoryStore::default();
    let early = tokio::spawn(numbers(store.subscribe(TASK, 0).await.unwrap()));
    for seq in 1..=50 {
        store.append(TASK, &frames(seq..=seq)).await.unwrap();
        tokio::task::yield_now().await;
    }
    store.append(TASK, &end(51)).await.unwrap();
    assert_eq!(early.await.unwrap(), (1..=51).collect::<Vec<_>>());
}

#[tokio::test]
async fn ids_cannot_leave_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let archive = DirArchive::new(dir.path());
    for id in ["../x", "a/b", "", "..", "A", "a\0"] {
        assert!(
            matches!(archive.read(id, 0).await, Err(LogError::InvalidTaskId(_))),
            "{id:?}"
        );
        assert!(
            MemoryStore::default().subscribe(id, 0).await.is_err(),
            "{id:?}"
        );
    }
}

#[tokio::test]
async fn a_hub_that_dies_and_comes_back_empty_repeats_nothing_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("hub.sock");
    let archive = Arc::new(DirArchive::new(dir.path().join("archive")));
    let reader = Reader::new(Arc::new(hub::HubClient::new(&socket)), archive);
    let (_finished, finished) = watch::channel(false);

    let first = MemoryStore::default();
    first.append(TASK, &frames(1..=300)).await.unwrap();
    let hub = Hub::start(&socket, &first);
    let mut stream = reader.follow(TASK, 10, finished);
    let mut seen = Vec::new();
    while seen.len() < 290 {
        seen.extend(
            stream
                .next()
                .await
                .unwrap()
                .unwrap()
                .iter()
                .map(|frame| frame.seq),
        );
    }
    hub.stop().await;

    // The operator starts again with an empty store and reads the container log from the start.
    let second = MemoryStore::default();
    let hub = Hub::start(&socket, &second);
    second.append(TASK, &frames(1..=150)).await.unwrap();
    second.append(TASK, &frames(151..=400)).await.unwrap();
    second.append(TASK, &end(401)).await.unwrap();
    seen.extend(numbers(stream).await);
    assert_eq!(seen, (11..=401).collect::<Vec<_>>());
    hub.stop().await;
}

#[tokio::test]
async fn readers_move_from_the_live_log_to_the_archive() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Arc::new(DirArchive::new(dir.path()));
    let store = MemoryStore::default();
    let reader = Reader::new(Arc::new(store.clone()), archive.clone());
    let (finish, finished) = watch::channel(false);
    store.append(TASK, &frames(1..=5)).await.unwrap();
    let mut stream = reader.follow(TASK, 0, finished.clone());
    assert_eq!(stream.next().await.unwrap().unwrap().len(), 5);

    // The end is only in the archive: the live log goes before this reader has seen it.
    let all: Vec<_> = frames(1..=9).into_iter().chain(end(10)).collect();
    archive.put(TASK, &all).await.unwrap();
    store.remove(TASK).await.unwrap();
    finish.send_replace(true);
    assert_eq!(numbers(stream).await, [6, 7, 8, 9, 10]);
    assert_eq!(
        numbers(reader.follow(TASK, 3, finished)).await,
        (4..=10).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_task_that_never_started_has_an_empty_log_that_ends() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Arc::new(DirArchive::new(dir.path()));
    let reader = Reader::new(Arc::new(MemoryStore::default()), archive.clone());
    let (finish, finished) = watch::channel(false);
    let waiting = tokio::spawn(numbers(reader.follow(TASK, 0, finished)));
    archive.put(TASK, &[]).await.unwrap();
    finish.send_replace(true);
    assert_eq!(waiting.await.unwrap(), Vec::<u64>::new());
}

#[tokio::test]
async fn waiting_for_unknown_tasks_leaves_nothing_behind() {
    let store = MemoryStore::default();
    drop(store.subscribe(TASK, 0).await.unwrap());
    assert_eq!(
        format!("{store:?}"),
        format!("{:?}", MemoryStore::default())
    );
}
