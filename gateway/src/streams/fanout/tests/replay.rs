//! Who is not at the end of the log reads the store, together with others.

use super::*;

#[tokio::test]
async fn who_does_not_keep_up_reads_the_store_and_nothing_waits_in_memory() {
    const RING: usize = 256 * 1024;
    let mut bench = Bench::new(Options {
        ring_bytes: RING,
        ..Options::default()
    });
    let mut slow = bench.join(0, View::Typed, Pace::Fast);
    let mut fast = bench.join(0, View::Typed, Pace::Fast);
    let (mut slow_seen, mut fast_seen) = (Seen::new(0), Seen::new(0));
    slow_seen.drain(&mut slow, 1);
    for _ in 0..100 {
        bench.lines(100, 1000).await;
        fast_seen.reach(&mut fast, bench.last).await;
        let task = bench.streams.inner.lock()[&bench.task].clone();
        let held = task.lock().ring(View::Typed).unwrap().bytes();
        assert!(held <= RING, "{held}");
    }
    // Nobody needed the store but the driver, and nothing has been read on behalf of the one who does not read.
    assert_eq!(bench.frames_read(), 10_000);
    assert_eq!(slow_seen.last, 0);
    while slow_seen.last < bench.last {
        let bytes = slow.next().await.unwrap();
        assert!(bytes.len() < 64 * 1024 + 2048, "{}", bytes.len());
        slow_seen.take(&bytes);
    }
    // It read the store until it met the ring, and not all of it: batches of 256 frames are what is read too much at most.
    let own = bench.frames_read() - 10_000;
    assert!((9_500..10_000).contains(&own), "{own}");
    assert!(bench.metrics.stream_store_chunks.get() > 100);
    // From now on both go together again.
    bench.lines(10, 10).await;
    slow_seen.reach(&mut slow, bench.last).await;
    assert_eq!(bench.frames_read(), 10_010 + own);
}

/// Everybody reads to the end of a task that is finished.
async fn read_to_the_end(viewers: Vec<(Viewer, Seen)>, last: u64) {
    let readers = viewers.into_iter().map(|(mut viewer, mut seen)| {
        tokio::spawn(async move {
            seen.rest(&mut viewer).await;
            assert!(seen.done);
            seen.last
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        assert_eq!(reader.await.unwrap(), last);
    }
}

#[tokio::test]
async fn who_comes_late_reads_what_others_have_read() {
    let mut bench = Bench::new(Options {
        ring_bytes: 256 * 1024,
        ..Options::default()
    });
    let mut early = bench.join(0, View::Typed, Pace::Fast);
    let mut seen = Seen::new(0);
    for _ in 0..20 {
        bench.lines(500, 200).await;
        seen.reach(&mut early, bench.last).await;
    }
    let before = bench.frames_read();
    assert_eq!(before, 10_000);
    // Some begin at the beginning, others somewhere behind it, and all at the same time.
    let mut late: Vec<_> = [0, 0, 0, 17, 500, 3_333]
        .into_iter()
        .cycle()
        .take(60)
        .map(|after| (bench.join(after, View::Typed, Pace::Fast), Seen::new(after)))
        .collect();
    while late.iter().any(|(_, seen)| seen.last < 10_000) {
        for (viewer, seen) in &mut late {
            seen.drain(viewer, 1);
        }
        tokio::task::yield_now().await;
    }
    let own = bench.frames_read() - before;
    // Those in between may begin a load of their own before the first one comes by: not more than one for each position.
    assert!((8_000..13_000).contains(&own), "{own}");
    // Those who come now find all of it.
    let chunks = bench.metrics.stream_store_chunks.get();
    let mut again = bench.join(0, View::Typed, Pace::Fast);
    Seen::new(0).reach(&mut again, bench.last).await;
    assert_eq!(bench.metrics.stream_store_chunks.get(), chunks);
}

#[tokio::test]
async fn a_finished_task_is_read_once_for_all_who_ever_come() {
    let mut bench = Bench::new(Options {
        linger: Duration::from_millis(1),
        ..Options::default()
    });
    bench.lines(10_000, 200).await;
    bench.finish().await;
    for round in 0..3 {
        let viewers = (0..50).map(|_| (bench.join(0, View::Typed, Pace::Fast), Seen::new(0)));
        read_to_the_end(viewers.collect(), 10_000).await;
        bench.forgotten().await;
        let chunks = bench.metrics.stream_store_chunks.get();
        // 2.6 MB in chunks of 64 kB, some of which end where a chunk of the archive does.
        assert!((40..48).contains(&chunks), "{chunks} in round {round}");
    }
    assert!((2_000_000..4_000_000).contains(&bench.streams.cached()));
}

#[tokio::test]
async fn without_a_cache_everybody_still_gets_everything() {
    let mut bench = Bench::new(Options {
        cache_bytes: 0,
        ..Options::default()
    });
    bench.lines(5_000, 200).await;
    bench.finish().await;
    let viewers = [0, 0, 1, 4_999, 5_000, 6_000]
        .map(|after| (bench.join(after, View::Raw, Pace::Fast), Seen::new(after)));
    for (mut viewer, mut seen) in viewers {
        let after = seen.last;
        seen.rest(&mut viewer).await;
        assert!(seen.done && seen.last == after.max(5_000));
    }
    assert_eq!(bench.streams.cached(), 0);
}

#[tokio::test]
async fn a_first_viewer_far_back_reads_the_log_once() {
    let mut bench = Bench::new(Options::default());
    bench.lines(30_000, 200).await;
    let (mut viewer, mut seen) = (bench.join(0, View::Typed, Pace::Fast), Seen::new(0));
    seen.reach(&mut viewer, 30_000).await;
    let read = bench.frames_read();
    assert!((30_000..30_600).contains(&read), "{read}");
    // From here on it follows the log like everybody.
    let chunks = bench.metrics.stream_store_chunks.get();
    for _ in 0..5 {
        bench.lines(100, 200).await;
        seen.reach(&mut viewer, bench.last).await;
    }
    assert!(bench.metrics.stream_store_chunks.get() <= chunks + 1);
    bench.finish().await;
    seen.rest(&mut viewer).await;
    assert!(seen.done);
}

#[tokio::test]
async fn nobody_waits_for_the_loads_of_others_for_ever() {
    let mut bench = Bench::new(Options::default());
    bench.lines(10, 10).await;
    let (mut first, mut first_seen) = (bench.join(0, View::Typed, Pace::Fast), Seen::new(0));
    first_seen.reach(&mut first, 10).await;
    // Beyond the end: nothing is there before the task ends.
    let mut beyond = [
        bench.join(20, View::Typed, Pace::Fast),
        bench.join(25, View::Typed, Pace::Fast),
    ];
    for viewer in &mut beyond {
        viewer.next().await.unwrap();
        assert!(viewer.next().now_or_never().is_none());
    }
    let [mut beyond, leaves] = beyond;
    drop(leaves);
    bench.lines(20, 10).await;
    let mut seen = Seen::new(20);
    seen.reach(&mut beyond, 30).await;
    first_seen.reach(&mut first, 30).await;
    bench.finish().await;
    seen.rest(&mut beyond).await;
    assert!(seen.done);
}
