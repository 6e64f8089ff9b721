//! Random histories of two writers over a store that fails.

use std::sync::Arc;
use std::time::Duration;

use codex_tasklog::{Archive, ArchiveWriter, Body, Frame, LogError};
use futures::StreamExt as _;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Backend, Fault, Faulty, assert_same, collect, digest, log};

#[derive(Clone, Debug)]
enum Step {
    /// A writer appends frames, some of them once more.
    Append {
        writer: usize,
        repeat: usize,
        frames: usize,
    },
    Flush {
        writer: usize,
    },
    Finish {
        writer: usize,
    },
    /// The process of a writer dies.
    Crash {
        writer: usize,
    },
    /// The next request fails.
    Fail(Fault),
    /// Somebody reads what is there.
    Read {
        after: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let writer = 0..2usize;
    let step = prop_oneof![
        6 => (writer.clone(), 0..6usize, 1..25usize)
            .prop_map(|(writer, repeat, frames)| Step::Append { writer, repeat, frames }),
        2 => writer.clone().prop_map(|writer| Step::Flush { writer }),
        1 => writer.clone().prop_map(|writer| Step::Finish { writer }),
        1 => writer.prop_map(|writer| Step::Crash { writer }),
        2 => Fault::any().prop_map(Step::Fail),
        2 => (0..80usize).prop_map(|after| Step::Read { after }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// An operator: what it saw of the log, and the writer that it has, if any.
struct Operator {
    frames: Vec<Arc<Frame>>,
    chunk: usize,
    writer: Option<ArchiveWriter>,
}

impl Operator {
    async fn writer(&mut self, store: &Faulty, task: &str) -> Result<&mut ArchiveWriter, LogError> {
        if self.writer.is_none() {
            self.writer = Some(store.archive(self.chunk).writer(task).await?);
        }
        Ok(self.writer.as_mut().unwrap())
    }

    async fn step(&mut self, step: &Step, store: &Faulty, task: &str) -> Result<(), LogError> {
        let frames = self.frames.clone();
        let writer = self.writer(store, task).await?;
        match step {
            Step::Append {
                repeat,
                frames: count,
                ..
            } => {
                let next = frames.partition_point(|frame| frame.seq <= writer.last());
                let from = next.saturating_sub(*repeat);
                writer
                    .append(&frames[from..frames.len().min(next + count)])
                    .await
            }
            Step::Flush { .. } => writer.flush().await,
            // Operators finish logs only at their end.
            Step::Finish { .. } if writer.has_ended() => writer.finish().await.map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Does what is left when the store is well.
    async fn complete(&mut self, store: &Faulty, task: &str) {
        let frames = self.frames.clone();
        let writer = self.writer(store, task).await.unwrap();
        writer.append(&frames).await.unwrap();
        writer.finish().await.unwrap();
    }
}

async fn run(store: &Faulty, task: &str, steps: &[Step], views: [Vec<Arc<Frame>>; 2]) {
    let [left, right] = views;
    let mut operators = [(left, 900), (right, 1_400)].map(|(frames, chunk)| Operator {
        frames,
        chunk,
        writer: None,
    });
    for step in steps {
        match step {
            Step::Append { writer, .. } | Step::Flush { writer } | Step::Finish { writer } => {
                let work = operators[*writer].step(step, store, task);
                // A request that hangs is given up by dropping it at any point.
                match tokio::time::timeout(Duration::from_millis(40), work).await {
                    Err(_) | Ok(Ok(()) | Err(LogError::Unavailable(_))) => {}
                    Ok(Err(error)) => panic!("{error}"),
                }
            }
            Step::Crash { writer } => operators[*writer].writer = None,
            Step::Fail(fault) => store.fail(&[*fault]),
            Step::Read { after } => {
                store.heal();
                let archive = store.archive(1);
                if let Some(mut part) = archive.read_uploaded(task, *after as u64).await.unwrap() {
                    let mut frames = Vec::new();
                    loop {
                        match part.next().await {
                            Some(Ok(batch)) => frames.extend(batch),
                            // Half of a chunk is noticed; its writer has yet to try again.
                            Some(Err(LogError::Damaged(_))) | None => break,
                            Some(Err(error)) => panic!("{error}"),
                        }
                    }
                    assert_follows(&frames, *after as u64);
                }
            }
        }
    }
    store.heal();
    for operator in &mut operators {
        operator.complete(store, task).await;
    }
}

/// Checks that numbers follow each other.
fn assert_follows(frames: &[Arc<Frame>], after: u64) {
    let mut last = after;
    for frame in frames {
        assert_eq!(frame.first(), last + 1);
        last = frame.seq;
    }
}

fn check(cases: u32, backend: &Backend, runtime: &tokio::runtime::Runtime) {
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let task = std::sync::atomic::AtomicUsize::new(0);
    let inputs = (steps(), 1..40u64, any::<bool>(), 1..20usize);
    runner
        .run(&inputs, |(steps, lines, has_gap, gap_at)| {
            let task = format!(
                "t{}",
                task.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
            );
            let frames = log(lines);
            let other = if has_gap {
                with_gap(&frames, gap_at)
            } else {
                frames.clone()
            };
            runtime.block_on(async {
                run(&backend.store, &task, &steps, [frames.clone(), other]).await;
                let archive = backend.store.archive(1);
                let manifest = archive.manifest(&task).await.unwrap().unwrap();
                assert_eq!(manifest.last, frames.len() as u64);
                for after in [0, gap_at, frames.len() - 1] {
                    let all = archive.read(&task, after as u64).await.unwrap().unwrap();
                    let all = collect(all).await.unwrap();
                    assert_follows(&all, after as u64);
                    assert_eq!(
                        all.last().map_or(manifest.last, |last| last.seq),
                        manifest.last
                    );
                    if manifest.lost == 0 {
                        assert_same(&all, frames.get(after..).unwrap_or_default());
                    }
                }
                if !has_gap {
                    assert_eq!(manifest.lost, 0);
                    assert_eq!(manifest.end.unwrap().sha256, manifest.sha256);
                }
            });
            Ok(())
        })
        .unwrap();
}

/// The same log as somebody saw it for whom some frames were lost.
fn with_gap(frames: &[Arc<Frame>], at: usize) -> Vec<Arc<Frame>> {
    let last = frames.len() - 1;
    let from = at.min(last - 1);
    let to = (from + 3).min(last);
    let gap = Frame {
        seq: to as u64,
        ts: "2026-01-01T00:00:00Z".into(),
        body: Body::Gap {
            count: (to - from) as u64,
        },
    };
    let mut seen = frames[..from].to_vec();
    seen.push(Arc::new(gap));
    seen.extend_from_slice(&frames[to..]);
    seen
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn whatever_happens_the_log_in_a_folder_is_complete_and_read_once() {
    check(96, &Backend::folder(), &runtime());
}

#[cfg(feature = "s3")]
#[test]
fn whatever_happens_the_log_in_s3_is_complete_and_read_once() {
    let runtime = runtime();
    let backend = runtime.block_on(Backend::s3());
    check(32, &backend, &runtime);
}

#[test]
fn the_views_of_a_log_with_a_gap_have_the_same_numbers() {
    let frames = log(10);
    for at in 1..25 {
        let seen = with_gap(&frames, at);
        assert_follows(&seen, 0);
        assert_eq!(seen.last(), frames.last());
        assert_ne!(digest(&seen), digest(&frames));
    }
}
