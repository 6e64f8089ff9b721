//! The spool of a task through crashes, bounds and files that are not whole.

use std::sync::Arc;
use std::time::Duration;

use codex_tasklog::{Body, Frame, Stream};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const TASK: &str = "task-1";
const POD: &str = "pod-1";

fn frame(seq: u64) -> Arc<Frame> {
    Arc::new(Frame {
        seq,
        ts: format!("2026-01-01T00:00:{:02}Z", seq % 60),
        body: Body::Line {
            stream: Stream::Stdout,
            text: format!("line {seq} {}", "x".repeat(seq as usize * 37 % 301)),
            more: false,
        },
    })
}

fn frames(range: std::ops::RangeInclusive<u64>) -> Vec<Arc<Frame>> {
    range.map(frame).collect()
}

fn spool(folder: &TempDir, task: u64, total: u64) -> Spool {
    let metrics = Arc::new(Metrics::default());
    Spool::open(folder.path(), SpoolLimits { task, total }, metrics).unwrap()
}

async fn opened(spool: &Spool) -> Arc<TaskSpool> {
    let task = spool.task(TASK, Some(POD));
    task.open().await;
    task
}

/// All frames after `after` that are there.
async fn rest(task: &TaskSpool, mut after: u64) -> Vec<Arc<Frame>> {
    let cursor = Cursor::default();
    let mut all = Vec::new();
    while after < task.last() {
        match task.batch(&cursor, after).await {
            Batch::Frames(frames) => {
                after = frames.last().unwrap().seq;
                all.extend(frames);
            }
            Batch::Missing => panic!("frame {} is missing", after + 1),
        }
    }
    all
}

#[tokio::test]
async fn frames_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = spool(&folder, 1 << 20, 1 << 20);
    let task = opened(&first).await;
    task.push(frames(1..=100)).await;
    task.push(frames(101..=150)).await;
    assert_eq!(rest(&task, 0).await, frames(1..=150));
    drop(task);

    let next = spool(&folder, 1 << 20, 1 << 20);
    let task = next.task(TASK, Some(POD));
    let left = task.open().await;
    assert_eq!(left.ts, frame(150).ts.parse().ok());
    assert_eq!((task.last(), next.bytes() > 0), (150, true));
    assert_eq!(rest(&task, 40).await, frames(41..=150));
    task.push(frames(151..=160)).await;
    assert_eq!(rest(&task, 149).await, frames(150..=160));
    drop(task);
    // Whoever knows only the task finds it too.
    let task = next.task(TASK, None);
    task.open().await;
    assert_eq!(rest(&task, 0).await, frames(1..=160));
    drop(task);
    next.remove(TASK).await;
    assert_eq!((next.bytes(), next.folders(|_| true).len()), (0, 0));
}

#[tokio::test]
async fn a_torn_line_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let shared = spool(&folder, 1 << 20, 1 << 20);
    let task = opened(&shared).await;
    task.push(frames(1..=20)).await;
    drop(task);
    let path = shared.folders(|_| true)[0].join(format!("{:020}.ndjson", 1));
    let text = std::fs::read(&path).unwrap();
    let last_line = text[..text.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    for cut in [text.len() - 1, last_line + 1, last_line] {
        std::fs::write(&path, &text[..cut]).unwrap();
        let task = opened(&shared).await;
        assert_eq!(rest(&task, 0).await, frames(1..=19), "cut at {cut}");
    }
    // What is read again follows, also after a line of somebody else.
    std::fs::write(&path, [&text[..last_line], b"kubelet says no\n"].concat()).unwrap();
    let task = opened(&shared).await;
    task.push(frames(20..=30)).await;
    drop(task);
    let task = opened(&shared).await;
    assert_eq!(rest(&task, 0).await, frames(1..=30));
}

#[tokio::test]
async fn a_second_operator_keeps_its_frames_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let shared = spool(&folder, 1 << 20, 1 << 20);
    let first = opened(&shared).await;
    first.push(frames(1..=10)).await;
    let bytes = shared.bytes();
    let second = opened(&shared).await;
    assert_eq!(second.last(), 0);
    second.push(frames(1..=12)).await;
    assert_eq!(rest(&second, 0).await, frames(1..=12));
    assert_eq!(shared.bytes(), bytes);
    assert_eq!(rest(&first, 0).await, frames(1..=10));
}

#[tokio::test]
async fn a_full_spool_waits_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let shared = spool(&folder, 64 << 10, 64 << 10);
    let task = opened(&shared).await;
    let pushing = tokio::spawn({
        let task = Arc::clone(&task);
        async move {
            for batch in 0..400 {
                task.push(frames(batch * 50 + 1..=batch * 50 + 50)).await;
            }
        }
    });
    let mut progress = task.progress();
    // Files, then what memory holds, and then no more.
    let stalled = async {
        while shared.metrics.spool_stalls.get() == 0 {
            progress.changed().await.unwrap();
        }
    };
    tokio::select! {
        () = stalled => {}
        () = async { while shared.metrics.spool_stalls.get() == 0 { tokio::task::yield_now().await } } => {}
    }
    let held = task.last();
    assert!(held < 20_000 && !pushing.is_finished());
    assert!(shared.bytes() <= 64 << 10);
    assert!(*shared.pressure().borrow());

    // Nothing is lost while somebody takes frames out and the archive says nothing.
    let cursor = Cursor::default();
    let mut after = 0;
    while after < 20_000 {
        match task.batch(&cursor, after).await {
            Batch::Frames(batch) => {
                for found in batch {
                    assert_eq!(found, frame(after + 1));
                    after += 1;
                }
                task.appended(after);
            }
            Batch::Missing => panic!("frame {} is missing", after + 1),
        }
    }
    pushing.await.unwrap();
    assert!(shared.bytes() <= 64 << 10);
    task.archived(20_000).await;
    assert!(!*shared.pressure().borrow());
}

#[tokio::test]
async fn what_is_needed_again_and_gone_is_said_to_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let shared = spool(&folder, 64 << 10, 64 << 10);
    let task = opened(&shared).await;
    for batch in 0..400 {
        task.push(frames(batch * 50 + 1..=batch * 50 + 50)).await;
        task.appended(batch * 50 + 50);
    }
    // The live log lost everything; only the container's log has the beginning.
    let rewinds = task.rewinds();
    assert_eq!(task.batch(&Cursor::default(), 0).await, Batch::Missing);
    task.rewind(0).await;
    assert_eq!((*rewinds.borrow(), task.last()), (1, 0));
    assert_eq!(task.progress().borrow().peak, 20_000);
    task.push(frames(1..=50)).await;
    assert_eq!(rest(&task, 0).await, frames(1..=50));
    task.settle(0);
    assert_eq!(task.progress().borrow().peak, 20_000);
    task.settle(1);
    assert_eq!(task.progress().borrow().peak, 50);
}

#[tokio::test]
async fn only_what_nobody_needs_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let shared = spool(&folder, 1 << 20, 1 << 20);
    for (task, is_held) in [
        ("over", false),
        ("runs", false),
        ("strange", false),
        ("held", true),
    ] {
        let task = shared.task(task, Some(POD));
        task.open().await;
        task.push(frames(1..=3)).await;
        if is_held {
            std::mem::forget(task);
        }
    }
    let old = shared.task("old", Some(POD));
    old.open().await;
    drop(old);
    let long_ago = SystemTime::now() - 2 * ORPHAN_AGE;
    let path = folder.path().join("old_pod-1");
    for path in [path.join("lock"), path] {
        let file = std::fs::File::open(path).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    std::fs::create_dir(folder.path().join("lost+found")).unwrap();
    shared
        .sweep(|task| match task {
            "over" | "held" => Some(true),
            "runs" => Some(false),
            _ => None,
        })
        .await;
    let mut left: Vec<_> = shared.folders(|_| true);
    left.sort();
    let left: Vec<_> = left.iter().filter_map(|path| owner(path)).collect();
    assert_eq!(left, ["held", "runs", "strange"]);
    assert!(folder.path().join("lost+found").exists());
}

#[derive(Clone, Debug)]
enum Act {
    /// Frames come from the container.
    Push(u64),
    /// The live log takes so many.
    Append(u64),
    /// So many percent of what is appended is archived.
    Archive(u64),
    /// The process dies, in the middle of a line that has so many bytes.
    Crash(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => (1..120_u64).prop_map(Act::Push),
        4 => (1..200_u64).prop_map(Act::Append),
        2 => (0..=100_u64).prop_map(Act::Archive),
        1 => (0..200_usize).prop_map(Act::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Two stores keep what they took; the container keeps nothing that was read. No frame is missing or comes twice.
    #[test]
    fn nothing_that_was_taken_is_lost(acts in proptest::collection::vec(act(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(60), history(acts)).await.unwrap();
        });
    }
}

async fn history(acts: Vec<Act>) {
    let folder = tempfile::tempdir().unwrap();
    let shared = spool(&folder, 1 << 20, 1 << 20);
    let mut task = opened(&shared).await;
    let (mut written, mut live, mut archived) = (0, 0, 0);
    for act in acts {
        match act {
            Act::Push(count) => {
                task.push(frames(written + 1..=written + count)).await;
                written += count;
            }
            Act::Append(count) => {
                let end = written.min(live + count);
                let cursor = Cursor::default();
                while live < end {
                    let Batch::Frames(batch) = task.batch(&cursor, live).await else {
                        panic!("frame {} is missing", live + 1);
                    };
                    for found in batch {
                        assert_eq!(found, frame(live + 1));
                        live += 1;
                    }
                }
                task.appended(live);
            }
            Act::Archive(percent) => {
                archived = archived.max(live * percent / 100);
                task.archived(archived).await;
            }
            Act::Crash(torn) => {
                drop(task);
                let mut files: Vec<_> = std::fs::read_dir(folder.path().join("task-1_pod-1"))
                    .unwrap()
                    .map(|entry| entry.unwrap().path())
                    .filter(|path| path.extension().is_some())
                    .collect();
                files.sort();
                if let Some(path) = files.last() {
                    let mut text = std::fs::read(path).unwrap();
                    let line = frame(written + 1).to_json(None);
                    text.extend(&line.as_bytes()[..torn.min(line.len())]);
                    std::fs::write(path, text).unwrap();
                }
                // The live log was in the memory of the process.
                live = archived;
                task = opened(&shared).await;
                task.skip_to(live);
                assert_eq!(task.last(), written);
            }
        }
    }
    assert_eq!(rest(&task, live).await, frames(live + 1..=written));
}
