//! Logs of which something was lost, and the record of the runner that has it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use codex_tasklog::{
    Archive, ArchiveWriter, Artifact, Body, End, Frame, FrameHasher, LogError, ObjectStore, Repair,
    SpoolLimits, SpoolWriter,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Backend, Fault, Faulty, TASK, assert_same, collect, log};

/// What the runner uploads: everything but the end frame.
async fn upload_record(store: &Faulty, task: &str, frames: &[Arc<Frame>]) {
    let mut spool = SpoolWriter::new(Vec::new(), SpoolLimits::default()).unwrap();
    for frame in frames.iter().filter(|frame| !frame.is_end()) {
        spool
            .write(format!("{}\n", frame.to_json(None)).as_bytes())
            .unwrap();
    }
    let (object, _) = spool.finish().unwrap();
    let key = Artifact::Frames.key(task).unwrap();
    store.replace(&key, object.into()).await.unwrap();
}

/// The log as it is seen without these frames: with gaps, and perhaps without its end.
fn without(frames: &[Arc<Frame>], lost: &BTreeSet<u64>) -> Vec<Arc<Frame>> {
    let mut seen = Vec::new();
    let mut last = 0;
    for frame in frames.iter().filter(|frame| !lost.contains(&frame.seq)) {
        if frame.seq > last + 1 {
            seen.push(Arc::new(Frame {
                seq: frame.seq - 1,
                ts: "2026-01-01T00:00:00Z".into(),
                body: Body::Gap {
                    count: frame.seq - 1 - last,
                },
            }));
        }
        last = frame.seq;
        seen.push(Arc::clone(frame));
    }
    seen
}

/// Ends a log as the operator does when its end frame was lost.
async fn make_up_end(writer: &mut ArchiveWriter, like: &Frame) -> Result<(), LogError> {
    if writer.has_ended() {
        return Ok(());
    }
    let end = End {
        exit_code: Some(0),
        last: writer.last(),
        sha256: writer.hash(),
        ..End::default()
    };
    let frame = Frame {
        seq: writer.last() + 1,
        ts: like.ts.clone(),
        body: Body::End(end),
    };
    writer.append(&[Arc::new(frame)]).await
}

async fn is_whole(store: &Faulty, task: &str, frames: &[Arc<Frame>]) {
    let archive = store.archive(1);
    let manifest = archive.manifest(task).await.unwrap().unwrap();
    assert_eq!((manifest.lost, manifest.last), (0, frames.len() as u64));
    let mut hasher = FrameHasher::default();
    frames.iter().for_each(|frame| hasher.update(frame));
    assert_eq!(manifest.sha256, hasher.hex());
    for after in 0..frames.len() {
        let rest = archive.read(task, after as u64).await.unwrap().unwrap();
        assert_same(&collect(rest).await.unwrap(), &frames[after..]);
    }
}

#[tokio::test]
async fn what_is_missing_comes_in_chunks_of_its_own() {
    let backend = Backend::folder();
    let frames = log(30);
    let lost = BTreeSet::from([5, 6, 7, 20, 33, 34]);
    let mut writer = backend.store.archive(600).writer(TASK).await.unwrap();
    writer.append(&without(&frames, &lost)).await.unwrap();
    assert_eq!(writer.lost(), 6);
    assert_eq!(writer.repair().await.unwrap(), Repair::NoRecord);
    upload_record(&backend.store, TASK, &frames).await;
    assert_eq!(writer.repair().await.unwrap(), Repair::Filled(6));
    let manifest = writer.finish().await.unwrap();
    is_whole(&backend.store, TASK, &frames).await;
    // The chunk with just the missing frames comes before the one with the gap.
    let ranges: Vec<_> = manifest
        .chunks
        .iter()
        .map(|chunk| (chunk.first, chunk.last))
        .collect();
    for (first, last) in [(5, 7), (20, 20), (33, 34)] {
        let at = ranges
            .iter()
            .position(|range| *range == (first, last))
            .unwrap();
        assert_eq!(ranges[at + 1].0, first, "{ranges:?}");
    }
    assert_eq!(writer.repair().await.unwrap(), Repair::Whole);
}

#[tokio::test]
async fn an_archive_that_was_completed_with_gaps_is_repaired_later() {
    let backend = Backend::folder();
    let frames = log(20);
    let seen = without(&frames, &BTreeSet::from([1, 2, 11]));
    backend.store.archive(500).put(TASK, &seen).await.unwrap();
    assert_eq!(
        backend
            .store
            .archive(1)
            .manifest(TASK)
            .await
            .unwrap()
            .unwrap()
            .lost,
        3
    );
    upload_record(&backend.store, TASK, &frames).await;
    let mut writer = backend.store.archive(500).writer(TASK).await.unwrap();
    assert_eq!(writer.repair().await.unwrap(), Repair::Filled(3));
    writer.finish().await.unwrap();
    is_whole(&backend.store, TASK, &frames).await;
}

#[tokio::test]
async fn a_record_that_does_not_fit_is_not_believed() {
    let backend = Backend::folder();
    let frames = log(20);
    let forged: Vec<_> = frames
        .iter()
        .map(|frame| match &frame.body {
            Body::Line { stream, more, .. } if frame.seq == 12 => Arc::new(Frame {
                body: Body::Line {
                    stream: *stream,
                    text: "forged".into(),
                    more: *more,
                },
                ..(**frame).clone()
            }),
            _ => Arc::clone(frame),
        })
        .collect();
    let end = frames.len() as u64;
    // With the end frame any change is seen; without it, those in frames that arrived.
    for (lost, record) in [
        (BTreeSet::from([12]), &forged[..]),
        (BTreeSet::from([3, end]), &forged[..]),
        (BTreeSet::from([3]), &frames[..10]),
        (BTreeSet::from([3, end]), &frames[..10]),
    ] {
        let task = format!("t{}-{}", record.len(), lost.len());
        upload_record(&backend.store, &task, record).await;
        let mut writer = backend.store.archive(500).writer(&task).await.unwrap();
        writer.append(&without(&frames, &lost)).await.unwrap();
        let repair = writer.repair().await.unwrap();
        assert!(matches!(repair, Repair::Refused(_)), "{lost:?}: {repair:?}");
        assert_eq!(writer.lost(), 1);
        make_up_end(&mut writer, &frames[0]).await.unwrap();
        assert_eq!(writer.finish().await.unwrap().lost, 1);
    }
    // Half of an upload, or something else altogether.
    let key = Artifact::Frames.key(TASK).unwrap();
    backend
        .store
        .replace(&key, "no record".into())
        .await
        .unwrap();
    let mut writer = backend.store.archive(500).writer(TASK).await.unwrap();
    writer
        .append(&without(&frames, &BTreeSet::from([3])))
        .await
        .unwrap();
    assert!(matches!(writer.repair().await.unwrap(), Repair::Refused(_)));
}

#[tokio::test]
async fn a_gap_is_never_a_chunk_by_itself() {
    let backend = Backend::folder();
    let gap = |seq, count| {
        Arc::new(Frame {
            seq,
            ts: "2026-01-01T00:00:00Z".into(),
            body: Body::Gap { count },
        })
    };
    let frames = log(10);
    let mut writer = backend.store.archive(1 << 20).writer(TASK).await.unwrap();
    writer.append(&frames[..4]).await.unwrap();
    writer.append(&[gap(6, 2)]).await.unwrap();
    assert_eq!((writer.uploaded(), writer.due()), (4, None));
    writer.flush().await.unwrap();
    writer.append(&[gap(8, 2)]).await.unwrap();
    assert_eq!((writer.uploaded(), writer.last(), writer.lost()), (4, 8, 4));
    writer.append(&frames[8..]).await.unwrap();
    let manifest = writer.finish().await.unwrap();
    let ranges: Vec<_> = manifest
        .chunks
        .iter()
        .map(|chunk| (chunk.first, chunk.last))
        .collect();
    assert_eq!(ranges, [(1, 4), (5, frames.len() as u64)]);
    let all = backend
        .store
        .archive(1)
        .read(TASK, 0)
        .await
        .unwrap()
        .unwrap();
    let all = collect(all).await.unwrap();
    assert!(matches!(all[4].body, Body::Gap { count: 4 }));
}

#[derive(Clone, Debug)]
enum Step {
    Append {
        writer: usize,
        frames: usize,
    },
    Flush {
        writer: usize,
    },
    /// The process of a writer dies.
    Crash {
        writer: usize,
    },
    /// The next request fails.
    Fail(Fault),
    /// A writer that has its whole view tries to complete the log.
    Complete {
        writer: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let writer = 0..2_usize;
    let step = prop_oneof![
        6 => (writer.clone(), 1..30_usize).prop_map(|(writer, frames)| Step::Append { writer, frames }),
        1 => writer.clone().prop_map(|writer| Step::Flush { writer }),
        1 => writer.clone().prop_map(|writer| Step::Crash { writer }),
        2 => Fault::any().prop_map(Step::Fail),
        2 => writer.prop_map(|writer| Step::Complete { writer }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// An operator, and what it saw of the log.
struct Operator<'a> {
    store: &'a Faulty,
    task: &'a str,
    seen: Vec<Arc<Frame>>,
    chunk: usize,
    writer: Option<ArchiveWriter>,
}

impl Operator<'_> {
    async fn writer(&mut self) -> Result<&mut ArchiveWriter, LogError> {
        if self.writer.is_none() {
            self.writer = Some(self.store.archive(self.chunk).writer(self.task).await?);
        }
        Ok(self.writer.as_mut().unwrap())
    }

    async fn step(&mut self, step: &Step) -> Result<(), LogError> {
        let seen = self.seen.clone();
        let writer = self.writer().await?;
        let next = seen.partition_point(|frame| frame.seq <= writer.last());
        match step {
            Step::Append { frames, .. } => {
                writer
                    .append(&seen[next..seen.len().min(next + frames)])
                    .await
            }
            Step::Flush { .. } => writer.flush().await,
            Step::Complete { .. } if next == seen.len() => self.complete().await,
            _ => Ok(()),
        }
    }

    /// As the archiver does it.
    async fn complete(&mut self) -> Result<(), LogError> {
        let seen = self.seen.clone();
        let writer = self.writer().await?;
        writer.append(&seen).await?;
        writer.repair().await?;
        make_up_end(
            writer,
            &Frame {
                ts: "2026-01-01T00:00:01Z".into(),
                ..(*seen[0]).clone()
            },
        )
        .await?;
        writer.finish().await.map(|_| ())
    }
}

async fn history(
    store: &Faulty,
    task: &str,
    frames: &[Arc<Frame>],
    losses: &[BTreeSet<u64>; 2],
    steps: &[Step],
) {
    upload_record(store, task, frames).await;
    let operator = |lost, chunk| Operator {
        store,
        task,
        seen: without(frames, lost),
        chunk,
        writer: None,
    };
    let mut operators = [operator(&losses[0], 900), operator(&losses[1], 1_400)];
    for step in steps {
        match step {
            Step::Append { writer, .. } | Step::Flush { writer } | Step::Complete { writer } => {
                let work = operators[*writer].step(step);
                // A request that hangs is given up by dropping it at any point.
                match tokio::time::timeout(Duration::from_millis(40), work).await {
                    Err(_) | Ok(Ok(()) | Err(LogError::Unavailable(_))) => {}
                    // The archiver looks at the archive anew.
                    Ok(Err(LogError::Damaged(_) | LogError::Hole { .. })) => {
                        operators[*writer].writer = None;
                    }
                    Ok(Err(error)) => panic!("{error}"),
                }
            }
            Step::Crash { writer } => operators[*writer].writer = None,
            Step::Fail(fault) => store.fail(&[*fault]),
        }
    }
    store.heal();
    for operator in &mut operators {
        operator.complete().await.unwrap();
    }
    is_whole(store, task, frames).await;
}

/// Whatever two operators lost of the log, and however often they die: with the record every reader sees every frame once.
#[test]
fn whatever_was_lost_every_reader_sees_every_frame_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let backend = Backend::folder();
    let task = AtomicUsize::new(0);
    let mut runner = TestRunner::new(Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    });
    let losses = || proptest::collection::btree_set(1..60_u64, 0..25);
    runner
        .run(
            &(steps(), 3..25_u64, losses(), losses()),
            |(steps, lines, left, right)| {
                let task = format!("t{}", task.fetch_add(1, Ordering::Relaxed));
                let frames = log(lines);
                // Somebody sees at least the first frame.
                let losses =
                    [left, right].map(|lost| lost.into_iter().filter(|seq| *seq > 1).collect());
                runtime.block_on(history(&backend.store, &task, &frames, &losses, &steps));
                Ok(())
            },
        )
        .unwrap();
}
