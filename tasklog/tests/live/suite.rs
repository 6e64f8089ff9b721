//! One function a requirement.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use codex_tasklog::{LiveLimits, LogError};
use futures::StreamExt as _;

use super::follow::{Archived, Habits, Recovery, numbers, read_all, refusal, until, write};
use super::{Start, end, frames, gap, unlimited};

const TASK: &str = "0190d9f5-0000-7000-8000-000000000001";

pub async fn appends_are_idempotent_and_refuse_holes<S: Start>() {
    let fixture = S::start(unlimited()).await;
    let store = fixture.writer();
    assert_eq!(store.append(TASK, &[]).await.unwrap(), 0);
    assert_eq!(store.append(TASK, &frames(1..=3)).await.unwrap(), 3);
    assert_eq!(store.append(TASK, &frames(1..=5)).await.unwrap(), 5);
    assert_eq!(store.append(TASK, &frames(2..=4)).await.unwrap(), 5);
    assert_eq!(store.append(TASK, &[]).await.unwrap(), 5);
    let refused = store.append(TASK, &frames(7..=8)).await.unwrap_err();
    assert!(matches!(refused, LogError::Hole { last: 5, found: 7 }));
    store.append(TASK, &[end(6)]).await.unwrap();
    assert_eq!(fixture.reader().last(TASK).await.unwrap(), 6);
    assert_eq!(fixture.reader().last("another").await.unwrap(), 0);
    let all = numbers(fixture.reader().subscribe(TASK, 0).await.unwrap()).await;
    assert_eq!(all, [1, 2, 3, 4, 5, 6]);
    let rest = numbers(fixture.reader().subscribe(TASK, 4).await.unwrap()).await;
    assert_eq!(rest, [5, 6]);
}

pub async fn overlapping_batches_of_two_writers_are_cut<S: Start>() {
    let fixture = S::start(unlimited()).await;
    let archived = Archived::default();
    let writing = [3_u64, 7].map(|step| {
        let (store, archived) = (fixture.writer(), archived.clone());
        tokio::spawn(async move {
            for from in (1..=500).step_by(usize::try_from(step).unwrap()) {
                let numbers = from..=(from + step + 4).min(500);
                write(
                    &*store,
                    TASK,
                    numbers,
                    None,
                    Recovery::FromTheStart,
                    &archived,
                )
                .await;
                tokio::task::yield_now().await;
            }
        })
    });
    let reading = tokio::spawn(read_all(
        fixture.reader(),
        TASK.into(),
        Habits::default(),
        archived.clone(),
    ));
    for writing in writing {
        writing.await.unwrap();
    }
    let store = fixture.writer();
    assert_eq!(store.append(TASK, &[end(501)]).await.unwrap(), 501);
    assert_eq!(reading.await.unwrap(), (1..=501).collect::<Vec<_>>());
}

pub async fn gaps_stand_for_their_numbers<S: Start>() {
    let fixture = S::start(unlimited()).await;
    let store = fixture.writer();
    let mut batch = frames(1..=2);
    batch.push(gap(7, 5));
    batch.extend(frames(8..=9));
    assert_eq!(store.append(TASK, &batch).await.unwrap(), 9);
    assert_eq!(store.append(TASK, &batch).await.unwrap(), 9);
    // A gap that begins in what is there goes on after it.
    assert_eq!(
        store.append(TASK, &[gap(12, 5), end(13)]).await.unwrap(),
        13
    );
    let refused = store.append(TASK, &[gap(20, 2)]).await.unwrap_err();
    assert!(matches!(
        refused,
        LogError::Hole {
            last: 13,
            found: 19
        }
    ));
    let all = numbers(fixture.reader().subscribe(TASK, 0).await.unwrap()).await;
    assert_eq!(all, [1, 2, 7, 8, 9, 12, 13]);
    // Who has a part of a gap gets the whole of it.
    let rest = numbers(fixture.reader().subscribe(TASK, 4).await.unwrap()).await;
    assert_eq!(rest, [7, 8, 9, 12, 13]);
}

pub async fn large_logs_come_in_order<S: Start>() {
    let fixture = S::start(unlimited()).await;
    let store = fixture.writer();
    let mut all = frames(1..=9_999);
    all.push(end(10_000));
    assert_eq!(store.append(TASK, &all).await.unwrap(), 10_000);
    for after in [0, 1, 255, 256, 257, 9_998] {
        let seen = numbers(fixture.reader().subscribe(TASK, after).await.unwrap()).await;
        assert_eq!(seen, (after + 1..=10_000).collect::<Vec<_>>());
    }
}

pub async fn subscribers_wait_for_what_comes<S: Start>() {
    let fixture = S::start(unlimited()).await;
    let early = tokio::spawn(numbers(fixture.reader().subscribe(TASK, 0).await.unwrap()));
    let store = fixture.writer();
    for seq in 1..=50 {
        store.append(TASK, &frames(seq..=seq)).await.unwrap();
        tokio::task::yield_now().await;
    }
    store.append(TASK, &[end(51)]).await.unwrap();
    assert_eq!(early.await.unwrap(), (1..=51).collect::<Vec<_>>());
}

pub async fn readers_that_begin_past_the_end_wait<S: Start>() {
    let fixture = S::start(unlimited()).await;
    let store = fixture.writer();
    store.append(TASK, &frames(1..=5)).await.unwrap();
    let ahead = tokio::spawn(numbers(fixture.reader().subscribe(TASK, 8).await.unwrap()));
    for seq in 6..=9 {
        store.append(TASK, &frames(seq..=seq)).await.unwrap();
    }
    store.append(TASK, &[end(10)]).await.unwrap();
    assert_eq!(ahead.await.unwrap(), [9, 10]);
}

const SMALL: LiveLimits = LiveLimits {
    keep: 4 * 1024,
    task: 64 * 1024,
    total: 100 * 1024,
};

/// Appends in small batches until the store is full, and answers with the last number.
async fn fill(store: &dyn codex_tasklog::LiveLogWriter, task: &str) -> (u64, LogError) {
    let mut last = store.last(task).await.unwrap();
    for _ in 0..10_000 {
        match store.append(task, &frames(last + 1..=last + 8)).await {
            Ok(reached) => last = reached,
            Err(error) => return (store.last(task).await.unwrap(), error),
        }
    }
    panic!("the store is never full");
}

pub async fn safe_frames_are_dropped_above_the_budget<S: Start>() {
    let fixture = S::start(SMALL).await;
    let store = fixture.writer();
    // Twenty times what the log may hold passes through it.
    for from in (1..=10_000).step_by(10) {
        store.append(TASK, &frames(from..=from + 9)).await.unwrap();
        store.trim(TASK, from + 9).await.unwrap();
    }
    assert_eq!(store.last(TASK).await.unwrap(), 10_000);
    let LogError::Trimmed { first } = refusal(&*fixture.reader(), TASK, 0).await else {
        panic!("nothing was dropped");
    };
    // About the budget is kept for readers that are a little behind: frames weigh between 80 and 170 bytes.
    assert!((9_900..=9_991).contains(&first), "{first}");
    let last_dropped = refusal(&*fixture.reader(), TASK, first - 2).await;
    assert!(matches!(last_dropped, LogError::Trimmed { first: again } if again == first));
    store.append(TASK, &[end(10_001)]).await.unwrap();
    // The end may have pushed out some more.
    let rest = read_all(
        fixture.reader(),
        TASK.into(),
        Habits {
            after: first - 1,
            ..Habits::default()
        },
        Arc::new(10_000.into()),
    );
    assert_eq!(rest.await, (first..=10_001).collect::<Vec<_>>());
}

pub async fn what_is_not_archived_is_never_dropped<S: Start>() {
    let fixture = S::start(SMALL).await;
    let store = fixture.writer();
    store.append(TASK, &frames(1..=20)).await.unwrap();
    store.trim(TASK, 20).await.unwrap();
    let (last, error) = fill(&*store, TASK).await;
    assert!(
        matches!(error, LogError::Full { limit, .. } if limit == SMALL.task),
        "{error}"
    );
    assert!(last > 200, "{last}");
    // What was safe went, and nothing else.
    let mut stream = fixture.reader().subscribe(TASK, 20).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() as u64 != last - 20 {
        let batch = stream.next().await.unwrap().unwrap();
        seen.extend(batch.iter().map(|frame| frame.seq));
    }
    assert_eq!(seen, (21..=last).collect::<Vec<_>>());
}

pub async fn a_full_log_takes_more_after_a_trim<S: Start>() {
    let fixture = S::start(SMALL).await;
    let store = fixture.writer();
    let (last, error) = fill(&*store, TASK).await;
    assert!(matches!(error, LogError::Full { .. }), "{error}");
    // Asking again changes nothing.
    let (again, _) = fill(&*store, TASK).await;
    assert_eq!(again, last);
    store.trim(TASK, last / 2).await.unwrap();
    let (more, _) = fill(&*store, TASK).await;
    assert!(more > last + last / 4, "{more} after {last}");
}

pub async fn all_logs_together_are_bounded<S: Start>() {
    let fixture = S::start(SMALL).await;
    let store = fixture.writer();
    fill(&*store, "one").await;
    let (last, error) = fill(&*store, "two").await;
    assert!(
        matches!(error, LogError::Full { limit, .. } if limit == SMALL.total),
        "{error}"
    );
    assert!(last > 0);
    store.remove("one").await.unwrap();
    // Its bytes are free when its readers had the time to finish.
    until("free space", || async {
        store
            .append("two", &frames(last + 1..=last + 100))
            .await
            .is_ok()
    })
    .await;
}

pub async fn readers_that_fall_behind_are_told<S: Start>() {
    let fixture = S::start(LiveLimits { keep: 0, ..SMALL }).await;
    let store = fixture.writer();
    store.append(TASK, &frames(1..=10)).await.unwrap();
    let mut slow = fixture.reader().subscribe(TASK, 0).await.unwrap();
    let first = slow.next().await.unwrap().unwrap();
    assert_eq!(first.len(), 10);
    // The recent frames that a reader's own process keeps may bridge a small distance, but not this one.
    let mut last = 10;
    for _ in 0..20 {
        let next = last + 1_000;
        for from in (last + 1..=next).step_by(100) {
            store.append(TASK, &frames(from..=from + 99)).await.unwrap();
            store.trim(TASK, from + 99).await.unwrap();
        }
        last = next;
    }
    let mut seen: BTreeSet<u64> = BTreeSet::new();
    let told = loop {
        match slow.next().await.unwrap() {
            Ok(batch) => seen.extend(batch.iter().map(|frame| frame.seq)),
            Err(error) => break error,
        }
    };
    let LogError::Trimmed { first } = told else {
        panic!("{told}");
    };
    let reached = seen.last().copied().unwrap_or(10);
    assert_eq!(
        seen.len() as u64,
        reached - 10,
        "frames are missing before it is told"
    );
    assert!(
        first > reached + 1 && first <= last + 1,
        "{first} after {reached}"
    );
    assert!(slow.next().await.is_none());
}

pub async fn a_lost_log_goes_on_after_what_is_archived<S: Start>() {
    let fixture = S::start(unlimited()).await;
    let store = fixture.writer();
    store.append(TASK, &frames(1..=300)).await.unwrap();
    fixture.wipe(TASK).await;
    let hole = store.append(TASK, &frames(301..=310)).await.unwrap_err();
    assert!(
        matches!(
            hole,
            LogError::Hole {
                last: 0,
                found: 301
            }
        ),
        "{hole}"
    );
    store.trim(TASK, 250).await.unwrap();
    assert_eq!(store.last(TASK).await.unwrap(), 250);
    let refused = refusal(&*fixture.reader(), TASK, 249).await;
    assert!(
        matches!(refused, LogError::Trimmed { first: 251 }),
        "{refused}"
    );
    let waiting = tokio::spawn(numbers(
        fixture.reader().subscribe(TASK, 250).await.unwrap(),
    ));
    store.append(TASK, &frames(240..=310)).await.unwrap();
    store.append(TASK, &[end(311)]).await.unwrap();
    assert_eq!(waiting.await.unwrap(), (251..=311).collect::<Vec<_>>());
}

pub async fn readers_survive_a_lost_log<S: Start>() {
    let fixture = S::start(unlimited()).await;
    let archived = Archived::default();
    let reading: Vec<_> = [0, 100, 250]
        .map(|after| {
            let habits = Habits {
                after,
                ..Habits::default()
            };
            let seen = read_all(fixture.reader(), TASK.into(), habits, archived.clone());
            (after, tokio::spawn(seen))
        })
        .into_iter()
        .collect();
    let store = fixture.writer();
    store.append(TASK, &frames(1..=300)).await.unwrap();
    fixture.wipe(TASK).await;
    archived.store(150, Ordering::SeqCst);
    let recovery = Recovery::FromTheArchive;
    write(&*store, TASK, 301..=400, None, recovery, &archived).await;
    fixture.wipe(TASK).await;
    let recovery = Recovery::FromTheStart;
    write(&*store, TASK, 401..=401, Some(401), recovery, &archived).await;
    for (after, seen) in reading {
        assert_eq!(seen.await.unwrap(), (after + 1..=401).collect::<Vec<_>>());
    }
}

pub async fn readers_finish_a_removed_log<S: Start>() {
    let fixture = S::start(unlimited()).await;
    let store = fixture.writer();
    let mut all = frames(1..=4_999);
    all.push(end(5_000));
    store.append(TASK, &all).await.unwrap();
    let mut slow = fixture.reader().subscribe(TASK, 0).await.unwrap();
    let mut seen: Vec<u64> = Vec::new();
    let first = slow.next().await.unwrap().unwrap();
    seen.extend(first.iter().map(|frame| frame.seq));
    store.remove(TASK).await.unwrap();
    seen.extend(numbers(slow).await);
    assert_eq!(seen, (1..=5_000).collect::<Vec<_>>());

    // A reader of a log without end frame learns that it is gone.
    store.append("another", &frames(1..=3)).await.unwrap();
    let mut waiting = fixture.reader().subscribe("another", 2).await.unwrap();
    // It is subscribed when it has a frame; only then is the log removed.
    assert_eq!(waiting.next().await.unwrap().unwrap().len(), 1);
    store.remove("another").await.unwrap();
    store.remove("another").await.unwrap();
    assert!(matches!(waiting.next().await, Some(Err(LogError::Removed))));
    assert!(waiting.next().await.is_none());
}

pub async fn removed_logs_begin_anew<S: Start>() {
    let fixture = S::start(unlimited()).await;
    let store = fixture.writer();
    store.append(TASK, &frames(1..=3)).await.unwrap();
    store.remove(TASK).await.unwrap();
    until("expiry", || async { store.last(TASK).await.unwrap() == 0 }).await;
    let hole = store.append(TASK, &frames(4..=4)).await.unwrap_err();
    assert!(
        matches!(hole, LogError::Hole { last: 0, found: 4 }),
        "{hole}"
    );
    assert_eq!(store.append(TASK, &frames(1..=4)).await.unwrap(), 4);
}

pub async fn ids_are_checked<S: Start>() {
    let fixture = S::start(unlimited()).await;
    let store = fixture.writer();
    for id in ["../x", "a/b", "", "..", "A", "a\0"] {
        let refused = [
            store.append(id, &frames(1..=1)).await.map(drop),
            store.trim(id, 1).await,
            fixture.reader().subscribe(id, 0).await.map(drop),
        ];
        for refused in refused {
            assert!(matches!(refused, Err(LogError::InvalidTaskId(_))), "{id:?}");
        }
    }
}
