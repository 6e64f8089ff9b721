//! A reader and a writer as the gateway and the operator are: they go on whatever the store says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use codex_tasklog::{Frame, FrameStream, LiveLog, LiveLogWriter, LogError};
use futures::StreamExt as _;
use tokio::time::Instant;

use super::{end, frame};

pub const DEADLINE: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_millis(5);

/// All frames of a stream that ends, in time.
pub async fn collect(stream: FrameStream) -> Vec<Arc<Frame>> {
    let all = stream.map(|batch| batch.unwrap()).concat();
    tokio::time::timeout(DEADLINE, all)
        .await
        .expect("the stream ends in time")
}

pub async fn numbers(stream: FrameStream) -> Vec<u64> {
    collect(stream)
        .await
        .iter()
        .map(|frame| frame.seq)
        .collect()
}

/// The error with which a log refuses a reader, at once or as the first item.
pub async fn refusal(store: &dyn LiveLog, task: &str, after: u64) -> LogError {
    match store.subscribe(task, after).await {
        Err(error) => error,
        Ok(mut stream) => {
            let first = tokio::time::timeout(DEADLINE, stream.next()).await.unwrap();
            first.unwrap().unwrap_err()
        }
    }
}

/// Tries until it is so, or fails.
pub async fn until<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let deadline = Instant::now() + DEADLINE;
    while !check().await {
        assert!(Instant::now() < deadline, "{what} does not come about");
        tokio::time::sleep(RETRY).await;
    }
}

/// What the archive has: all frames up to this number.
pub type Archived = Arc<AtomicU64>;

/// How a reader behaves.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    /// It has everything up to this number.
    pub after: u64,
    /// It drops its stream after so many batches, and begins again where it was. 0 is never.
    pub patience: usize,
    /// It waits this long after each batch.
    pub slowness: Duration,
}

/// Reads to the end, as a gateway does, and answers with the numbers that came.
pub async fn read_all(
    store: Arc<dyn LiveLog>,
    task: String,
    habits: Habits,
    archived: Archived,
) -> Vec<u64> {
    let mut seen = Vec::new();
    let mut after = habits.after;
    loop {
        let mut stream = match store.subscribe(&task, after).await {
            Ok(stream) => stream,
            Err(error) => {
                recover(error, &mut after, &mut seen, &archived).await;
                continue;
            }
        };
        let mut batches = 0;
        loop {
            match stream.next().await {
                Some(Ok(batch)) => {
                    for frame in batch {
                        assert!(frame.first() <= after + 1, "{} after {after}", frame.seq);
                        if !frame.is_end() {
                            assert_eq!(*frame, *super::frame(frame.seq));
                        }
                        seen.push(frame.seq);
                        after = frame.seq;
                        if frame.is_end() {
                            return seen;
                        }
                    }
                }
                Some(Err(error)) => {
                    recover(error, &mut after, &mut seen, &archived).await;
                    break;
                }
                None => panic!("a stream ends without an end frame"),
            }
            tokio::time::sleep(habits.slowness).await;
            batches += 1;
            if batches == habits.patience {
                break;
            }
        }
    }
}

async fn recover(error: LogError, after: &mut u64, seen: &mut Vec<u64>, archived: &Archived) {
    match error {
        LogError::Trimmed { first } => {
            let safe = archived.load(Ordering::SeqCst);
            assert!(
                first > *after + 1,
                "nothing was trimmed after {after}: {first}"
            );
            assert!(
                first - 1 <= safe,
                "{first} is first, but only {safe} are archived"
            );
            seen.extend(*after + 1..first);
            *after = first - 1;
        }
        LogError::Removed | LogError::Unavailable(_) => tokio::time::sleep(RETRY).await,
        error => panic!("readers must not see {error}"),
    }
}

/// How a writer goes on when the store lost what it had.
#[derive(Clone, Copy, Debug)]
pub enum Recovery {
    FromTheStart,
    FromTheArchive,
}

/// Appends until the store has everything from `from` to `to`, as an operator does. The last is the end frame where it is so.
pub async fn write(
    store: &dyn LiveLogWriter,
    task: &str,
    numbers: std::ops::RangeInclusive<u64>,
    end_at: Option<u64>,
    recovery: Recovery,
    archived: &Archived,
) {
    let (mut from, to) = (*numbers.start(), *numbers.end());
    let deadline = Instant::now() + DEADLINE;
    loop {
        let batch: Vec<_> = (from..=to)
            .map(|seq| {
                if Some(seq) == end_at {
                    end(seq)
                } else {
                    frame(seq)
                }
            })
            .collect();
        assert!(
            Instant::now() < deadline,
            "the frames are not taken in time"
        );
        match store.append(task, &batch).await {
            Ok(last) => {
                assert!(last >= to, "{last} is not {to}");
                return;
            }
            Err(LogError::Hole { last, .. }) => {
                from = last + 1;
                let safe = archived.load(Ordering::SeqCst);
                if last < safe && matches!(recovery, Recovery::FromTheArchive) {
                    match store.trim(task, safe).await {
                        Ok(()) => from = safe + 1,
                        Err(LogError::Unavailable(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                from = from.min(to);
            }
            Err(LogError::Unavailable(_)) => tokio::time::sleep(RETRY).await,
            Err(error) => panic!("{error}"),
        }
    }
}
