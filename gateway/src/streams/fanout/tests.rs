use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use codex_crds::Phase;
use codex_tasklog::{
    Archive as _, Body, DirArchive, End, Frame, FrameStream, LiveLog, LiveLogWriter as _, LogError,
    MemoryStore, Reader, Stream,
};
use futures::{FutureExt as _, StreamExt as _};

use super::*;
use crate::database::status::TaskStatus;
use crate::streams::sse;
use crate::tasks::states::TaskStates;

mod histories;

const DEADLINE: Duration = Duration::from_secs(30);

/// A live log that counts what is read from it.
#[derive(Clone, Default)]
struct Counting {
    store: MemoryStore,
    reads: Arc<Reads>,
}

#[derive(Default)]
struct Reads {
    subscriptions: AtomicU64,
    frames: AtomicU64,
}

#[async_trait]
impl LiveLog for Counting {
    async fn last(&self, task: &str) -> Result<u64, LogError> {
        self.store.last(task).await
    }

    async fn subscribe(&self, task: &str, after: u64) -> Result<FrameStream, LogError> {
        let reads = Arc::clone(&self.reads);
        reads.subscriptions.fetch_add(1, Ordering::Relaxed);
        let frames = self.store.subscribe(task, after).await?;
        Ok(frames
            .inspect(move |batch| {
                let count = batch.as_ref().map_or(0, Vec::len);
                reads.frames.fetch_add(count as u64, Ordering::Relaxed);
            })
            .boxed())
    }
}

/// One task, with stores and without a database.
struct Bench {
    task: Uuid,
    live: Counting,
    archive: DirArchive,
    states: TaskStates,
    streams: TaskStreams,
    shutdown: CancellationToken,
    metrics: Arc<Metrics>,
    last: u64,
    revision: i64,
    _keep: Watch,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let live = Counting::default();
        let archive = DirArchive::new(dir.path());
        let source = Source {
            reader: Reader::new(Arc::new(live.clone()), Arc::new(archive.clone())),
            archive: Arc::new(archive.clone()),
        };
        let (states, task) = (TaskStates::default(), Uuid::now_v7());
        let (metrics, shutdown) = (Arc::new(Metrics::default()), CancellationToken::new());
        let streams = TaskStreams::new(source, options, Arc::clone(&metrics), shutdown.clone());
        let mut bench = Self {
            task,
            live,
            archive,
            streams,
            shutdown,
            metrics,
            last: 0,
            revision: 0,
            _keep: states.watch(task),
            states,
            _dir: dir,
        };
        bench.publish(Phase::Running);
        bench
    }

    fn publish(&mut self, phase: Phase) {
        self.revision += 1;
        let time = chrono::DateTime::UNIX_EPOCH;
        self.states.publish(&TaskStatus {
            id: self.task,
            revision: self.revision,
            phase,
            queue_position: None,
            exit_code: None,
            reason: None,
            message: None,
            created_at: time,
            started_at: None,
            finished_at: None,
            updated_at: time,
            last_frame: None,
            cancel_requested_at: None,
            in_cluster: true,
        });
    }

    fn join(&self, after: u64, view: View, pace: Pace) -> Viewer {
        let request = Request {
            task: self.task,
            user: Uuid::nil(),
            after,
            view,
            pace,
        };
        let oversight: Arc<dyn Oversight> = Arc::new(NoOversight);
        let watch = self.states.watch(self.task);
        self.streams.join(request, watch, &oversight, None).unwrap()
    }

    async fn append(&mut self, bodies: impl IntoIterator<Item = Body>) {
        let frames: Vec<_> = bodies
            .into_iter()
            .map(|body| {
                self.last += 1;
                Arc::new(Frame {
                    seq: self.last,
                    ts: "T".into(),
                    body,
                })
            })
            .collect();
        let task = self.task.to_string();
        self.live.store.append(&task, &frames).await.unwrap();
    }

    async fn lines(&mut self, count: usize, length: usize) {
        self.append((0..count).map(|_| line(length, false))).await;
    }

    /// Ends the task in the order of the operator.
    async fn finish(&mut self) {
        let end = End {
            last: self.last,
            ..End::default()
        };
        let task = self.task.to_string();
        self.append([Body::End(end)]).await;
        let all = self.live.store.snapshot(&task);
        self.archive.put(&task, &all).await.unwrap();
        self.publish(Phase::Completed);
        self.live.store.remove(&task).await.unwrap();
    }

    /// Waits until nothing is left behind of viewers that have gone.
    async fn forgotten(&self) {
        let gone = async {
            while self.streams.watched() > 0 || self.streams.inner.rings.load(Ordering::Relaxed) > 0
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(DEADLINE, gone)
            .await
            .expect("the drivers end");
    }

    fn frames_read(&self) -> u64 {
        self.live.reads.frames.load(Ordering::Relaxed)
    }
}

fn line(length: usize, more: bool) -> Body {
    Body::Line {
        stream: Stream::Stdout,
        text: "x".repeat(length),
        more,
    }
}

/// What a client has seen.
struct Seen {
    last: u64,
    states: Vec<String>,
    done: bool,
}

impl Seen {
    const fn new(after: u64) -> Self {
        Self {
            last: after,
            states: Vec::new(),
            done: false,
        }
    }

    /// Checks that every number comes once and in order, also within events of several frames.
    fn take(&mut self, bytes: &Bytes) {
        for block in sse::blocks(bytes) {
            assert!(!self.done, "nothing comes after the end");
            let data: serde_json::Value = match block.name {
                b"" => continue,
                _ => serde_json::from_slice(block.data).unwrap(),
            };
            match block.name {
                b"status" => self.states.push(data["state"].as_str().unwrap().to_owned()),
                b"done" => self.done = true,
                b"log" => {
                    let number = block.number().unwrap();
                    let from = data["from"].as_u64().unwrap_or(number);
                    assert_eq!(from, self.last + 1, "number {number}");
                    self.last = number;
                }
                other => panic!("{}", String::from_utf8_lossy(other)),
            }
        }
    }

    /// Takes what is there now.
    fn drain(&mut self, viewer: &mut Viewer, most: usize) -> usize {
        let mut chunks = 0;
        while chunks < most {
            let Some(Some(bytes)) = viewer.next().now_or_never() else {
                break;
            };
            self.take(&bytes);
            chunks += 1;
        }
        chunks
    }

    /// Reads until it has this number.
    async fn reach(&mut self, viewer: &mut Viewer, last: u64) {
        let all = async {
            while self.last < last {
                let bytes = viewer.next().await.expect("more events");
                self.take(&bytes);
            }
        };
        tokio::time::timeout(DEADLINE, all)
            .await
            .expect("the events come in time");
    }

    async fn rest(&mut self, viewer: &mut Viewer) {
        let all = async {
            while let Some(bytes) = viewer.next().await {
                self.take(&bytes);
            }
        };
        tokio::time::timeout(DEADLINE, all)
            .await
            .expect("the stream ends");
    }
}

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
        let most = started.elapsed().as_millis() / pace.interval().as_millis() + 8;
        assert!(chunks <= most, "{chunks} at {pace:?}, at most {most}");
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

/// The resident memory of this process, in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test]
async fn an_idle_viewer_is_small() {
    const COUNT: usize = 10_000;
    let bench = Bench::new(Options::default());
    let before = resident();
    let mut bodies = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let mut body = EventBody::from(bench.join(0, View::Typed, Pace::Fast));
        while std::future::poll_fn(|context| {
            let frame = hyper::body::Body::poll_frame(std::pin::Pin::new(&mut body), context);
            std::task::Poll::Ready(frame.is_ready())
        })
        .await
        {}
        bodies.push(body);
    }
    let each = (resident().saturating_sub(before)) / COUNT;
    let size = size_of::<EventBody>();
    println!("an idle viewer: {size} bytes itself, {each} bytes of resident memory");
    assert!(size <= 320, "{size}");
}
