//! Logs to write, stores to write them to, and a layer that makes stores fail.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use codex_tasklog::{
    Body, ChunkArchive, Chunking, End, Folder, Frame, FrameHasher, FrameStream, LogError,
    ObjectStore, Stream,
};
use futures::StreamExt as _;
use proptest::prelude::{Just, Strategy, prop_oneof};
use sha2::{Digest as _, Sha256};

pub const TASK: &str = "0190d9f5-0000-7000-8000-000000000001";
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The frames of a log: lines of many lengths, some of them in pieces, and an end frame that tells their hash.
pub fn log(lines: u64) -> Vec<Arc<Frame>> {
    let mut hasher = FrameHasher::default();
    let mut frames = Vec::new();
    let mut push = |body: Body| {
        let frame = Frame {
            seq: frames.len() as u64 + 1,
            ts: "2026-01-01T00:00:00Z".into(),
            body,
        };
        hasher.update(&frame);
        frames.push(Arc::new(frame));
    };
    for line in 1..=lines {
        for piece in 1..=1 + line % 3 {
            push(Body::Line {
                stream: if line % 2 == 0 {
                    Stream::Stdout
                } else {
                    Stream::Stderr
                },
                text: format!(
                    "line {line} piece {piece} {}",
                    "x".repeat((line * 37 % 211) as usize)
                ),
                more: piece <= line % 3,
            });
        }
    }
    let end = End {
        exit_code: Some(0),
        last: frames.len() as u64,
        sha256: hasher.hex(),
        ..End::default()
    };
    frames.push(Arc::new(Frame {
        seq: frames.len() as u64 + 1,
        ts: "2026-01-01T00:00:01Z".into(),
        body: Body::End(end),
    }));
    frames
}

/// SHA-256 over the frames as text.
pub fn digest(frames: &[Arc<Frame>]) -> String {
    let mut hasher = Sha256::new();
    for frame in frames {
        hasher.update(frame.to_json(None));
    }
    hex::encode(hasher.finalize())
}

pub async fn collect(stream: FrameStream) -> Result<Vec<Arc<Frame>>, LogError> {
    let batches = tokio::time::timeout(DEADLINE, stream.collect::<Vec<_>>())
        .await
        .expect("the stream ends in time");
    let mut frames = Vec::new();
    for batch in batches {
        frames.extend(batch?);
    }
    Ok(frames)
}

#[track_caller]
pub fn assert_same(found: &[Arc<Frame>], wanted: &[Arc<Frame>]) {
    let numbers = |frames: &[Arc<Frame>]| frames.iter().map(|frame| frame.seq).collect::<Vec<_>>();
    assert_eq!(numbers(found), numbers(wanted));
    assert_eq!(digest(found), digest(wanted));
}

/// How a store fails.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It refuses.
    Refuse,
    /// It does what it should, and its answer is lost.
    LoseAnswer,
    /// It keeps half of what it got, and its answer is lost.
    Half,
    /// It never answers.
    Hang,
}

impl Fault {
    /// Any of them.
    pub fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            Just(Self::Refuse),
            Just(Self::LoseAnswer),
            Just(Self::Half),
            Just(Self::Hang)
        ]
    }
}

/// A store that fails where it is told to. Clones share it.
#[derive(Clone)]
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    gets: Arc<AtomicUsize>,
}

impl Faulty {
    pub fn over(store: impl ObjectStore) -> Self {
        Self {
            inner: Arc::new(store),
            faults: Arc::default(),
            gets: Arc::default(),
        }
    }

    /// The next requests fail, in this order.
    pub fn fail(&self, faults: &[Fault]) {
        self.faults.lock().unwrap().extend(faults);
    }

    pub fn heal(&self) {
        self.faults.lock().unwrap().clear();
    }

    /// How many objects were read since it was asked last.
    pub fn take_gets(&self) -> usize {
        self.gets.swap(0, Ordering::Relaxed)
    }

    /// An archive with small chunks.
    pub fn archive(&self, bytes: usize) -> ChunkArchive<Self> {
        ChunkArchive::over(self.clone()).with_chunking(Chunking {
            bytes,
            age: Duration::from_secs(10),
        })
    }

    fn next(&self) -> Option<Fault> {
        self.faults.lock().unwrap().pop_front()
    }
}

fn refused() -> LogError {
    LogError::Unavailable(std::io::Error::other("a fault"))
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn size(&self, key: &str) -> Result<Option<u64>, LogError> {
        self.inner.size(key).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, LogError> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        match self.next() {
            None => self.inner.get(key).await,
            Some(Fault::Hang) => std::future::pending().await,
            Some(_) => Err(refused()),
        }
    }

    async fn create(&self, key: &str, data: Bytes) -> Result<bool, LogError> {
        match self.next() {
            None => return self.inner.create(key, data).await,
            Some(Fault::Refuse) => {}
            Some(Fault::LoseAnswer) => {
                self.inner.create(key, data).await?;
            }
            Some(Fault::Half) => {
                self.inner.create(key, data.slice(..data.len() / 2)).await?;
            }
            Some(Fault::Hang) => std::future::pending().await,
        }
        Err(refused())
    }

    async fn replace(&self, key: &str, data: Bytes) -> Result<(), LogError> {
        match self.next() {
            None => return self.inner.replace(key, data).await,
            Some(Fault::Refuse) => {}
            Some(Fault::LoseAnswer) => self.inner.replace(key, data).await?,
            Some(Fault::Half) => {
                let half = data.slice(..data.len() / 2);
                self.inner.replace(key, half).await?;
            }
            Some(Fault::Hang) => std::future::pending().await,
        }
        Err(refused())
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, LogError> {
        match self.next() {
            None => self.inner.list(folder).await,
            Some(Fault::Hang) => std::future::pending().await,
            Some(_) => Err(refused()),
        }
    }

    fn location(&self, key: &str) -> String {
        self.inner.location(key)
    }
}

/// A store of one of the kinds, and what keeps it alive.
pub struct Backend {
    pub store: Faulty,
    pub dir: tempfile::TempDir,
    #[cfg(feature = "s3")]
    _server: Option<s3::Server>,
}

impl Backend {
    pub fn folder() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            store: Faulty::over(Folder::new(dir.path())),
            dir,
            #[cfg(feature = "s3")]
            _server: None,
        }
    }

    #[cfg(feature = "s3")]
    pub async fn s3() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = s3::Server::start(dir.path(), 0).await;
        Self {
            store: Faulty::over(server.store()),
            dir,
            _server: Some(server),
        }
    }
}

#[cfg(feature = "s3")]
pub mod s3 {
    //! S3 in this process.

    use std::net::SocketAddr;
    use std::path::Path;
    use std::time::Duration;

    use aws_config::{BehaviorVersion, SdkConfig};
    use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
    use codex_tasklog::{S3Config, S3Store};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use s3s::auth::SimpleAuth;
    use s3s::service::S3ServiceBuilder;
    use s3s_fs::FileSystem;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    pub const KEY: &str = "AKEXAMPLE";
    pub const SECRET: &str = "a secret of the test";

    pub struct Server {
        pub address: SocketAddr,
        /// Ends with its connections when it is dropped.
        _task: JoinSet<()>,
    }

    impl Server {
        /// Serves the folders in `root` as buckets, one of which is `logs`.
        pub async fn start(root: &Path, port: u16) -> Self {
            std::fs::create_dir_all(root.join("logs")).unwrap();
            let mut builder = S3ServiceBuilder::new(FileSystem::new(root).unwrap());
            builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
            let service = builder.build();
            let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut task = JoinSet::new();
            task.spawn(async move {
                let http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let mut connections = JoinSet::new();
                while let Ok((socket, _)) = listener.accept().await {
                    let connection = http
                        .serve_connection(TokioIo::new(socket), service.clone())
                        .into_owned();
                    connections.spawn(async move {
                        // A client that goes away is its own business.
                        let _ = connection.await;
                    });
                }
            });
            Self {
                address,
                _task: task,
            }
        }

        pub fn store(&self) -> S3Store {
            store(&config(self.address, "logs/some/prefix"), SECRET)
        }
    }

    pub fn config(address: SocketAddr, place: &str) -> S3Config {
        let text = format!("s3://{place}?endpoint=http://{address}&region=eu-west-1");
        S3Config {
            attempt: Duration::from_secs(5),
            attempts: 2,
            ..text.parse().unwrap()
        }
    }

    pub fn store(config: &S3Config, secret: &str) -> S3Store {
        let credentials = Credentials::new(KEY, secret, None, None, "test");
        let environment = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        S3Store::with_environment(config, &environment)
    }
}
