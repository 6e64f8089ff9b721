//! Random histories: whatever happens, every viewer sees every number once.

use proptest::prelude::*;

use super::*;

/// What happens to a task and its viewers.
#[derive(Clone, Debug)]
enum Step {
    /// So many frames arrive; whether each goes on in the next.
    Append(Vec<bool>),
    /// Time passes, in milliseconds.
    Pass(u64),
    /// Somebody comes, and has everything up to this part of what there is.
    Join(f64, bool, bool),
    /// Somebody takes at most so many chunks.
    Read(prop::sample::Index, usize),
    /// Somebody loses the connection, and comes again with the last number.
    Again(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(prop::bool::weighted(0.2), 1..80).prop_map(Step::Append),
        3 => (0_u64..12).prop_map(Step::Pass),
        2 => (0.0..=1.0, any::<bool>(), any::<bool>()).prop_map(|(part, raw, ui)| Step::Join(part, raw, ui)),
        4 => (any::<prop::sample::Index>(), 1_usize..6).prop_map(|(who, most)| Step::Read(who, most)),
        1 => any::<prop::sample::Index>().prop_map(Step::Again),
    ]
}

async fn play(steps: Vec<Step>, ring_bytes: usize, cache_bytes: usize, length: usize) {
    let mut bench = Bench::new(Options {
        ring_bytes,
        cache_bytes,
        heartbeat: Duration::from_millis(40),
        linger: Duration::from_millis(10),
        ..Options::default()
    });
    let mut viewers: Vec<(Viewer, Seen, View, Pace)> = Vec::new();
    for step in steps {
        match step {
            Step::Append(more) => {
                let bodies: Vec<_> = more.iter().map(|more| line(length, *more)).collect();
                bench.append(bodies).await;
            }
            Step::Pass(time) => tokio::time::sleep(Duration::from_millis(time)).await,
            Step::Join(part, raw, ui) => {
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the numbers are small"
                )]
                let after = (bench.last as f64 * part) as u64;
                let view = if raw { View::Raw } else { View::Typed };
                let pace = if ui { Pace::Calm } else { Pace::Fast };
                let viewer = bench.join(after, view, pace);
                viewers.push((viewer, Seen::new(after), view, pace));
            }
            Step::Read(..) | Step::Again(_) if viewers.is_empty() => {}
            Step::Read(who, most) => {
                let index = who.index(viewers.len());
                let (viewer, seen, ..) = &mut viewers[index];
                seen.drain(viewer, most);
            }
            Step::Again(who) => {
                let index = who.index(viewers.len());
                let (viewer, seen, view, pace) = &mut viewers[index];
                *viewer = bench.join(seen.last, *view, *pace);
            }
        }
        tokio::task::yield_now().await;
    }
    // An open line is closed by the last frame.
    bench.append([line(length, false)]).await;
    let last = bench.last;
    bench.finish().await;
    for (viewer, seen, ..) in &mut viewers {
        seen.rest(viewer).await;
        assert!(seen.done);
        assert_eq!(seen.last, last);
        assert_eq!(seen.states.last().map(String::as_str), Some("completed"));
    }
    drop(viewers);
    bench.forgotten().await;
    assert_eq!(bench.metrics.streams_open.get(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the flushes, the evictions, the paces and the places at which clients come in: everyone sees every number once.
    #[test]
    fn everybody_sees_every_number_once(
        steps in prop::collection::vec(step(), 1..60),
        ring_bytes in prop_oneof![Just(0_usize), 200_usize..20_000, Just(1 << 20)],
        cache_bytes in prop_oneof![Just(0_usize), 1_000_usize..20_000, Just(1 << 20)],
        length in prop_oneof![1_usize..200, Just(5_000)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(play(steps, ring_bytes, cache_bytes, length));
    }
}
