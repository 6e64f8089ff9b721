//! What every live store must do, whatever it is made of. The tests of each store run all of it.

#![allow(dead_code, reason = "each test program uses a part of this")]

pub mod follow;
pub mod random;
pub mod suite;

use std::sync::Arc;

use async_trait::async_trait;
use codex_tasklog::{Body, End, Frame, LiveLimits, LiveLog, LiveLogWriter, Stream};

/// A live store under test.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// One more writer of the same data.
    fn writer(&self) -> Arc<dyn LiveLogWriter>;

    /// One more reader of the same data.
    fn reader(&self) -> Arc<dyn LiveLog>;

    /// Loses all data.
    async fn wipe(&self, task: &str);

    /// Breaks whatever connections there are.
    async fn disturb(&self) {}

    /// From now on, what is written is not copied to where it would survive [`Self::fail_over`].
    async fn stop_replication(&self) {}

    /// Whoever holds the data dies, and a copy takes over, where the store has one.
    async fn fail_over(&self) {}
}

/// Starts a store that holds as much as it is told.
#[async_trait]
pub trait Start: Fixture + Sized {
    async fn start(limits: LiveLimits) -> Self;
}

/// Limits that nothing here reaches.
pub fn unlimited() -> LiveLimits {
    LiveLimits::default()
}

/// The frame of this number; all writers write the same.
pub fn frame(seq: u64) -> Arc<Frame> {
    let body = Body::Line {
        stream: Stream::Stderr,
        text: format!("line {seq} \u{2028}\"\n"),
        more: false,
    };
    Arc::new(Frame {
        seq,
        ts: "2026-01-01T00:00:00Z".into(),
        body,
    })
}

pub fn frames(numbers: std::ops::RangeInclusive<u64>) -> Vec<Arc<Frame>> {
    numbers.map(frame).collect()
}

pub fn end(seq: u64) -> Arc<Frame> {
    let body = Body::End(End {
        exit_code: Some(0),
        last: seq - 1,
        ..End::default()
    });
    Arc::new(Frame {
        seq,
        ts: "2026-01-01T00:00:00Z".into(),
        body,
    })
}

pub fn gap(seq: u64, count: u64) -> Arc<Frame> {
    Arc::new(Frame {
        seq,
        ts: "2026-01-01T00:00:00Z".into(),
        body: Body::Gap { count },
    })
}

/// Makes a test of every requirement, for one kind of store.
#[macro_export]
macro_rules! live_suite {
    ($store:ty) => {
        $crate::live_suite!(@ $store,
            appends_are_idempotent_and_refuse_holes,
            overlapping_batches_of_two_writers_are_cut,
            gaps_stand_for_their_numbers,
            large_logs_come_in_order,
            subscribers_wait_for_what_comes,
            readers_that_begin_past_the_end_wait,
            safe_frames_are_dropped_above_the_budget,
            what_is_not_archived_is_never_dropped,
            a_full_log_takes_more_after_a_trim,
            all_logs_together_are_bounded,
            readers_that_fall_behind_are_told,
            a_lost_log_goes_on_after_what_is_archived,
            readers_survive_a_lost_log,
            readers_finish_a_removed_log,
            removed_logs_begin_anew,
            ids_are_checked,
        );

        #[test]
        fn random_histories_give_every_reader_every_number_once() {
            $crate::live::random::run::<$store>($crate::live::random::Extent::Full);
        }
    };
    (@ $store:ty, $($name:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::live::suite::$name::<$store>().await;
            }
        )*
    };
}
