//! The reader over an archive that grows and a live log that loses what is archived.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use codex_tasklog::{
    Archive as _, ArchiveWriter, Body, Frame, FrameStream, LiveLimits, LiveLog, LiveLogWriter as _,
    LogError, MemoryStore, Reader,
};
use futures::StreamExt as _;
use proptest::prelude::*;
use tokio::sync::watch;

use crate::support::{Backend, DEADLINE, Fault, TASK, assert_same, collect, log};

/// A live log that keeps nothing that is archived.
fn forgetful() -> MemoryStore {
    MemoryStore::new(LiveLimits {
        keep: 0,
        ..LiveLimits::default()
    })
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Upload,
    Trim,
    Fail(Fault),
    /// The live log is lost, and filled again with what the archive does not have.
    Restart,
    Watch {
        after: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (1..20usize).prop_map(Step::Append),
        2 => Just(Step::Upload),
        2 => Just(Step::Trim),
        1 => Just(Step::Fail(Fault::Refuse)),
        1 => Just(Step::Restart),
        2 => (0..90usize).prop_map(|after| Step::Watch { after }),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_reader_sees_every_number_once(steps in steps(), lines in 5..40u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(history(&steps, &log(lines)));
    }
}

async fn history(steps: &[Step], frames: &[Arc<Frame>]) {
    let backend = Backend::folder();
    let archive = backend.store.archive(600);
    let mut writer = archive.writer(TASK).await.unwrap();
    let live = forgetful();
    let (finish, finished) = watch::channel(false);
    let reader = Reader::new(Arc::new(live.clone()), Arc::new(archive.clone()));
    let mut watchers = Vec::new();
    let mut watch = |after: usize| {
        let stream = reader.follow(TASK, after as u64, finished.clone());
        watchers.push((after, tokio::spawn(collect(stream))));
    };
    watch(0);
    let mut appended = 0;
    for step in steps {
        match step {
            Step::Append(count) => {
                let next = (appended + count).min(frames.len());
                live.append(TASK, &frames[appended..next]).await.unwrap();
                appended = next;
            }
            // A failure leaves what was not uploaded to the next time.
            Step::Upload => {
                let _ = writer.append(&frames[..appended]).await;
            }
            Step::Trim => live.trim(TASK, writer.uploaded()).await.unwrap(),
            Step::Fail(fault) => backend.store.fail(&[*fault]),
            Step::Restart => {
                live.remove(TASK).await.unwrap();
                live.trim(TASK, writer.uploaded()).await.unwrap();
                let safe = writer.uploaded() as usize;
                live.append(TASK, &frames[safe.min(appended)..appended])
                    .await
                    .unwrap();
            }
            Step::Watch { after } => watch(*after),
        }
        tokio::task::yield_now().await;
    }
    backend.store.heal();
    live.append(TASK, &frames[appended..]).await.unwrap();
    writer.append(frames).await.unwrap();
    writer.finish().await.unwrap();
    live.trim(TASK, writer.uploaded()).await.unwrap();
    finish.send_replace(true);
    live.remove(TASK).await.unwrap();
    watch(3);
    for (after, watcher) in watchers {
        let seen = tokio::time::timeout(DEADLINE, watcher)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_same(&seen, frames.get(after..).unwrap_or_default());
    }
}

/// A running log of which the first half is only in the archive.
async fn half_archived(backend: &Backend, frames: &[Arc<Frame>]) -> (Reader, MemoryStore) {
    let archive = backend.store.archive(600);
    let mut writer = archive.writer(TASK).await.unwrap();
    let live = forgetful();
    live.append(TASK, &frames[..frames.len() - 1])
        .await
        .unwrap();
    writer.append(&frames[..frames.len() / 2]).await.unwrap();
    writer.flush().await.unwrap();
    live.trim(TASK, writer.uploaded()).await.unwrap();
    assert!(live.subscribe_begins_after(frames.len() / 2));
    (Reader::new(Arc::new(live.clone()), Arc::new(archive)), live)
}

trait Begins {
    fn subscribe_begins_after(&self, number: usize) -> bool;
}

impl Begins for MemoryStore {
    fn subscribe_begins_after(&self, number: usize) -> bool {
        self.snapshot(TASK)
            .first()
            .is_some_and(|frame| frame.seq == number as u64 + 1)
    }
}

#[tokio::test]
async fn a_running_log_is_read_over_the_seam() {
    let backend = Backend::folder();
    let frames = log(40);
    let (reader, live) = half_archived(&backend, &frames).await;
    let present = &frames[..frames.len() - 1];
    for after in [0, 7, frames.len() / 2, frames.len() - 2] {
        let record = reader.record(TASK, after as u64).await.unwrap();
        assert_same(&collect(record).await.unwrap(), &present[after..]);
    }
    let (_finish, finished) = watch::channel(false);
    let mut stream = reader.follow(TASK, 0, finished);
    let mut seen = Vec::new();
    while seen.len() < present.len() {
        seen.extend(stream.next().await.unwrap().unwrap());
    }
    live.append(TASK, &frames).await.unwrap();
    seen.extend(collect(stream).await.unwrap());
    assert_same(&seen, &frames);
}

#[tokio::test]
async fn the_last_lines_are_whole_and_read_from_near_the_end() {
    let backend = Backend::folder();
    let frames = log(200);
    let (reader, live) = half_archived(&backend, &frames).await;
    let lines = |found: &[Arc<Frame>]| {
        let ends = |frame: &&Arc<Frame>| matches!(&frame.body, Body::Line { more: false, .. });
        found.iter().filter(ends).count()
    };
    let check = async |all: &[Arc<Frame>]| {
        for count in [0, 1, 2, 3, 10, 150, 199, 200, 5_000] {
            let tail = collect(reader.tail(TASK, count).await.unwrap())
                .await
                .unwrap();
            assert_eq!(lines(&tail), count.min(200), "{count}");
            assert_same(&tail, &all[all.len() - tail.len()..]);
            if let Some(Body::Line { text, .. }) = tail.first().map(|frame| &frame.body) {
                assert!(text.contains("piece 1 "), "it begins in the middle: {text}");
            }
        }
    };
    check(&frames[..frames.len() - 1]).await;
    live.append(TASK, &frames).await.unwrap();
    backend.store.archive(600).put(TASK, &frames).await.unwrap();
    live.remove(TASK).await.unwrap();
    check(&frames).await;
    backend.store.take_gets();
    collect(reader.tail(TASK, 3).await.unwrap()).await.unwrap();
    assert!(backend.store.take_gets() < 16, "only the end is read");
}

#[tokio::test]
async fn what_an_archive_that_was_given_up_has_is_shown() {
    let backend = Backend::folder();
    let frames = log(40);
    let archive = backend.store.archive(600);
    let mut writer = archive.writer(TASK).await.unwrap();
    writer.append(&frames[..30]).await.unwrap();
    let uploaded = writer.uploaded() as usize;
    assert!(uploaded > 0);
    let reader = Reader::new(Arc::new(MemoryStore::default()), Arc::new(archive));
    let record = reader.record(TASK, 0).await.unwrap();
    assert_same(&collect(record).await.unwrap(), &frames[..uploaded]);
    let tail = collect(reader.tail(TASK, 1).await.unwrap()).await.unwrap();
    assert_eq!(tail.last().unwrap().seq, uploaded as u64);
    let (_finish, finished) = watch::channel(true);
    let mut stream = reader.follow(TASK, 0, finished);
    let mut seen = Vec::new();
    while seen.len() < uploaded {
        let batch = tokio::time::timeout(Duration::from_secs(20), stream.next()).await;
        seen.extend(batch.unwrap().unwrap().unwrap());
    }
    assert_same(&seen, &frames[..uploaded]);
}

#[tokio::test]
async fn a_task_without_log_has_an_empty_record() {
    let backend = Backend::folder();
    let archive = Arc::new(backend.store.archive(600));
    let reader = Reader::new(Arc::new(MemoryStore::default()), archive);
    let record = reader.record(TASK, 0).await.unwrap();
    assert!(collect(record).await.unwrap().is_empty());
    let tail = reader.tail(TASK, 5).await.unwrap();
    assert!(collect(tail).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_chunk_of_a_running_log_is_an_error_and_not_an_end() {
    use codex_tasklog::{LogError, ObjectStore as _};
    let backend = Backend::folder();
    let frames = log(40);
    let (reader, _live) = half_archived(&backend, &frames).await;
    let folder = format!("tasks/{TASK}/chunks");
    for name in backend.store.list(&folder).await.unwrap() {
        let key = format!("{folder}/{name}");
        backend
            .store
            .replace(&key, bytes::Bytes::from_static(b"?"))
            .await
            .unwrap();
    }
    let record = reader.record(TASK, 0).await.unwrap();
    assert!(matches!(collect(record).await, Err(LogError::Damaged(_))));
    // A writer that starts has to get them again.
    assert_eq!(
        backend
            .store
            .archive(600)
            .writer(TASK)
            .await
            .unwrap()
            .last(),
        0
    );
}

/// A live log that is archived and removed just before somebody subscribes to it.
struct Leaving {
    live: MemoryStore,
    writer: tokio::sync::Mutex<Option<ArchiveWriter>>,
}

#[async_trait]
impl LiveLog for Leaving {
    async fn last(&self, task: &str) -> Result<u64, LogError> {
        self.live.last(task).await
    }

    async fn subscribe(&self, task: &str, after: u64) -> Result<FrameStream, LogError> {
        if let Some(mut writer) = self.writer.lock().await.take() {
            writer.finish().await?;
            self.live.remove(task).await?;
        }
        self.live.subscribe(task, after).await
    }
}

#[tokio::test]
async fn a_log_that_is_removed_before_it_is_read_comes_from_the_archive() {
    let backend = Backend::folder();
    let archive = backend.store.archive(600);
    let frames = log(10);
    let live = MemoryStore::default();
    live.append(TASK, &frames).await.unwrap();
    let mut writer = archive.writer(TASK).await.unwrap();
    writer.append(&frames).await.unwrap();
    let leaving = Leaving {
        live,
        writer: tokio::sync::Mutex::new(Some(writer)),
    };
    let reader = Reader::new(Arc::new(leaving), Arc::new(archive));
    let record = reader.record(TASK, 0).await.unwrap();
    assert_same(&collect(record).await.unwrap(), &frames);
}
