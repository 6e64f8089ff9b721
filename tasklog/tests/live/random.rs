//! Random histories: whatever happens, every reader sees every number once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use codex_tasklog::LiveLimits;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::Start;
use super::follow::{Archived, Habits, Recovery, read_all, write};

/// How long one history may take.
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
enum Act {
    /// One of two writers appends so many frames, and so many before them again.
    Append {
        writer: usize,
        again: u64,
        count: u64,
    },
    /// So many of a hundred frames are archived.
    Trim { percent: u64 },
    /// The store loses everything.
    Wipe,
    /// Connections break.
    Disturb,
    /// So many frames are appended that no copy has, and then a copy takes over.
    FailOver { lost: u64 },
    /// One of the writers is replaced by a new one that knows nothing.
    Crash { writer: usize },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => (0..2_usize, 0..60_u64, 1..150_u64)
            .prop_map(|(writer, again, count)| Act::Append { writer, again, count }),
        3 => (0..=100_u64).prop_map(|percent| Act::Trim { percent }),
        1 => Just(Act::Wipe),
        1 => Just(Act::Disturb),
        1 => (1..100_u64).prop_map(|lost| Act::FailOver { lost }),
        1 => (0..2_usize).prop_map(|writer| Act::Crash { writer }),
    ]
}

#[derive(Clone, Debug)]
struct History {
    acts: Vec<Act>,
    /// Where readers begin, in percent of all frames, after how many batches they go, and how many milliseconds they sleep.
    readers: Vec<(u64, usize, u64)>,
    recovers_from_start: bool,
}

fn history() -> impl Strategy<Value = History> {
    (
        prop::collection::vec(act(), 1..25),
        prop::collection::vec((0..=100_u64, 0..4_usize, 0..3_u64), 1..4),
        any::<bool>(),
    )
        .prop_map(|(acts, readers, recovers_from_start)| History {
            acts,
            readers,
            recovers_from_start,
        })
}

/// How many histories are tried.
#[derive(Clone, Copy, Debug)]
pub enum Extent {
    Full,
    /// For stores with slow acts.
    Small,
}

impl Extent {
    fn cases(self) -> u32 {
        let full = std::env::var("PROPTEST_CASES").map_or(32, |text| text.parse().unwrap());
        match self {
            Self::Full => full,
            Self::Small => full.div_ceil(3),
        }
    }
}

pub fn run<S: Start + 'static>(extent: Extent) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let limits = LiveLimits {
        keep: 8 * 1024,
        ..LiveLimits::default()
    };
    let store = runtime.block_on(S::start(limits));
    let config = Config {
        cases: extent.cases(),
        max_shrink_iters: 50,
        max_shrink_time: 60_000,
        failure_persistence: None,
        ..Config::default()
    };
    let counter = AtomicU64::new(0);
    TestRunner::new(config)
        .run(&history(), |history| {
            let task = format!("random-{}", counter.fetch_add(1, Ordering::Relaxed));
            runtime
                .block_on(async {
                    tokio::time::timeout(DEADLINE, play(&store, &task, &history)).await
                })
                .map_err(|_| TestCaseError::fail("a reader or a writer hangs"))
        })
        .unwrap();
    // A store may end connections when it goes.
    let _inside = runtime.enter();
    drop(store);
}

async fn play<S: Start>(store: &S, task: &str, history: &History) {
    let archived: Archived = Arc::default();
    let total: u64 = history
        .acts
        .iter()
        .map(|act| match act {
            Act::Append { count, .. } => *count,
            Act::FailOver { lost } => *lost,
            _ => 0,
        })
        .sum::<u64>()
        + 1;
    let readers: Vec<_> = history
        .readers
        .iter()
        .map(|(percent, patience, slowness)| {
            let habits = Habits {
                after: (total - 1) * percent / 100,
                patience: *patience,
                slowness: Duration::from_millis(*slowness),
            };
            let seen = read_all(
                store.reader(),
                task.into(),
                habits.clone(),
                archived.clone(),
            );
            (habits.after, tokio::spawn(seen))
        })
        .collect();
    let recovery = if history.recovers_from_start {
        Recovery::FromTheStart
    } else {
        Recovery::FromTheArchive
    };
    let mut writers = [store.writer(), store.writer()];
    let mut written = 0_u64;
    for act in &history.acts {
        match act {
            Act::Append {
                writer,
                again,
                count,
            } => {
                let from = (written + 1).saturating_sub(*again).max(1);
                written += count;
                let writer = &*writers[*writer];
                write(writer, task, from..=written, None, recovery, &archived).await;
            }
            Act::Trim { percent } => {
                let safe = archived.load(Ordering::SeqCst).max(written * percent / 100);
                archived.store(safe, Ordering::SeqCst);
                // An operator that cannot reach the store says it again later.
                let _ = writers[0].trim(task, safe).await;
            }
            Act::Wipe => store.wipe(task).await,
            Act::Disturb => store.disturb().await,
            Act::FailOver { lost } => {
                store.stop_replication().await;
                let from = written + 1;
                written += lost;
                write(
                    &*writers[0],
                    task,
                    from..=written,
                    None,
                    recovery,
                    &archived,
                )
                .await;
                store.fail_over().await;
            }
            Act::Crash { writer } => writers[*writer] = store.writer(),
        }
    }
    write(
        &*writers[0],
        task,
        total..=total,
        Some(total),
        recovery,
        &archived,
    )
    .await;
    for (after, reader) in readers {
        assert_eq!(
            reader.await.unwrap(),
            (after + 1..=total).collect::<Vec<_>>()
        );
    }
    writers[1].remove(task).await.unwrap();
}
