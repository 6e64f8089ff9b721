//! Everybody at the end of a log that grows.

use super::*;

#[tokio::test]
async fn the_log_is_read_once_for_all() {
    let mut bench = Bench::new(Options::default());
    let mut viewers: Vec<_> = (0..50)
        .map(|_| (bench.join(0, View::Typed, Pace::Fast), Seen::new(0)))
        .collect();
    for _ in 0..20 {
        bench.lines(100, 100).await;
        for (viewer, seen) in &mut viewers {
            seen.reach(viewer, bench.last).await;
        }
    }
    assert_eq!(bench.frames_read(), 2000);
    assert_eq!(bench.live.reads.subscriptions.load(Ordering::Relaxed), 1);
    assert_eq!(bench.metrics.stream_store_chunks.get(), 0);
    // The bytes are the same, not only equal.
    bench.lines(200, 1000).await;
    let mut first = None;
    for (viewer, _) in &mut viewers {
        let bytes = viewer.next().await.unwrap();
        assert!(std::ptr::eq(
            *first.get_or_insert(bytes.as_ptr()),
            bytes.as_ptr()
        ));
    }
}

#[tokio::test]
async fn viewers_are_woken_no_more_often_than_they_want() {
    let mut bench = Bench::new(Options::default());
    let started = tokio::time::Instant::now();
    let paces = [Pace::Fast, Pace::Calm];
    let readers = paces.map(|pace| {
        let mut viewer = bench.join(0, View::Typed, pace);
        tokio::spawn(async move {
            let (mut chunks, mut seen) = (0, Seen::new(0));
            while let Some(bytes) = viewer.next().await {
                seen.take(&bytes);
                chunks += 1;
            }
            (chunks, seen.last)
        })
    });
    for _ in 0..300 {
        bench.lines(1, 10).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bench.finish().await;
    for (reader, pace) in readers.into_iter().zip(paces) {
        let (chunks, last) = reader.await.unwrap();
        assert_eq!(last, 300);
        // A few more are statuses and the end.
        let most = started.elapsed().as_millis() / pace.interval(1).as_millis() + 8;
        assert!(chunks <= most, "{chunks} at {pace:?}, at most {most}");
    }
}

#[test]
fn few_viewers_wait_less_than_many() {
    let milliseconds = |viewers| Pace::Fast.interval(viewers).as_millis();
    assert_eq!(
        [0, 1, 50, 100, 500, 10_000].map(milliseconds),
        [1, 1, 1, 2, 10, 10]
    );
    assert_eq!(Pace::Fast.interval(usize::MAX), Duration::from_millis(10));
    assert_eq!(Pace::Calm.interval(1), Pace::Calm.interval(10_000));
}

#[tokio::test]
async fn many_viewers_are_woken_less_often_than_few() {
    const MANY: usize = 600;
    let mut bench = Bench::new(Options::default());
    let started = tokio::time::Instant::now();
    let readers: Vec<_> = (0..MANY)
        .map(|_| {
            let mut viewer = bench.join(0, View::Typed, Pace::Fast);
            tokio::spawn(async move {
                let (mut chunks, mut seen) = (0, Seen::new(0));
                while let Some(bytes) = viewer.next().await {
                    seen.take(&bytes);
                    chunks += 1;
                }
                (chunks, seen.last)
            })
        })
        .collect();
    for _ in 0..200 {
        bench.lines(1, 10).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bench.finish().await;
    for reader in readers {
        let (chunks, last) = reader.await.unwrap();
        assert_eq!(last, 200);
        // A few more are statuses, the first line and the end.
        let most = started.elapsed().as_millis() / 10 + 12;
        assert!(chunks <= most, "{chunks}, at most {most}");
    }
}

#[tokio::test]
async fn everybody_shows_signs_of_life_and_ends_with_the_gateway() {
    let bench = Bench::new(Options {
        heartbeat: Duration::from_millis(20),
        ..Options::default()
    });
    let mut viewer = bench.join(0, View::Typed, Pace::Fast);
    viewer.next().await.unwrap();
    for _ in 0..3 {
        let next = tokio::time::timeout(DEADLINE, viewer.next()).await;
        assert_eq!(next.unwrap().unwrap(), &b":\n\n"[..]);
    }
    bench.shutdown.cancel();
    assert_eq!(viewer.next().await, None);
    bench.streams.ended().await;
    assert_eq!(bench.streams.watched(), 0);
}

#[tokio::test]
async fn an_event_larger_than_the_ring_reaches_everyone() {
    let mut bench = Bench::new(Options {
        ring_bytes: 100_000,
        ..Options::default()
    });
    let mut viewer = bench.join(0, View::Typed, Pace::Fast);
    let parts = (1..=500).map(|part| line(4000, part < 500));
    bench.append(parts).await;
    bench.lines(10, 10).await;
    bench.finish().await;
    let mut seen = Seen::new(0);
    seen.rest(&mut viewer).await;
    assert!(seen.done);
    assert_eq!(seen.last, 510);
}
