//! One task, its readers and its writer.

use std::sync::Arc;
use std::time::Duration;

use codex_tasklog::RedisStore;
use tokio::task::JoinHandle;

use crate::live::follow::{Archived, DEADLINE, Habits, Recovery, read_all, write};

pub const TASK: &str = "0190d9f5-0000-7000-8000-000000000001";
pub const STREAM: &str = "codex:{logs}:log:0190d9f5-0000-7000-8000-000000000001";

/// Readers with what they had at first.
pub type Readers = Vec<(u64, JoinHandle<Vec<u64>>)>;

/// Three readers: of everything, of a part, and a slow one.
pub fn readers(open: impl Fn() -> RedisStore, archived: &Archived) -> Readers {
    [(0, 0), (150, 0), (0, 20)]
        .map(|(after, slowness)| {
            let habits = Habits {
                after,
                slowness: Duration::from_millis(slowness),
                ..Habits::default()
            };
            let store = Arc::new(open());
            let seen = read_all(store, TASK.into(), habits, archived.clone());
            (after, tokio::spawn(seen))
        })
        .into()
}

pub async fn check(readers: Readers, last: u64) {
    for (after, reader) in readers {
        let seen = tokio::time::timeout(DEADLINE, reader);
        assert_eq!(
            seen.await.unwrap().unwrap(),
            (after + 1..=last).collect::<Vec<_>>()
        );
    }
}

/// Writes `from..=to` in small batches.
pub async fn write_slowly(store: &RedisStore, from: u64, to: u64, archived: &Archived) {
    for first in (from..=to).step_by(7) {
        let numbers = first..=(first + 6).min(to);
        write(store, TASK, numbers, None, Recovery::FromTheStart, archived).await;
        tokio::task::yield_now().await;
    }
}

pub async fn finish(store: &RedisStore, last: u64, archived: &Archived) {
    write(
        store,
        TASK,
        last..=last,
        Some(last),
        Recovery::FromTheStart,
        archived,
    )
    .await;
}
