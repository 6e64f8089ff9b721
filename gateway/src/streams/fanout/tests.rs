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
mod live;
mod memory;
mod replay;

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
