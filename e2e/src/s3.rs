//! S3 in the process of the test, which can be told to refuse.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

const KEY: &str = "AKEXAMPLE";
const SECRET: &str = "a-secret-of-the-test";
const BUCKET: &str = "logs";
const PREFIX: &str = "of/a/suite";

/// A server with one bucket. It ends with this value.
#[derive(Debug)]
pub struct S3Server {
    folder: tempfile::TempDir,
    address: SocketAddr,
    mood: watch::Sender<Mood>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Serving,
    /// Connections are cut, and new ones closed at once.
    Refusing,
    Over,
}

impl S3Server {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no free port or no room for a folder.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("codex-s3-").tempdir()?;
        std::fs::create_dir(folder.path().join(BUCKET))?;
        let files = FileSystem::new(folder.path())
            .map_err(|error| anyhow::anyhow!("{}: {error:?}", folder.path().display()))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (mood, watched) = watch::channel(Mood::Serving);
        // A runtime of its own: scenarios that keep theirs busy must not look like a store that is away.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("s3".into())
            .spawn(move || runtime.block_on(serve(listener, service, watched)))
            .context("a thread for S3")?;
        Ok(Self {
            folder,
            address,
            mood,
            thread: Some(thread),
        })
    }

    /// The bucket, as `CODEX_ARCHIVE` takes it.
    #[must_use]
    pub fn location(&self) -> String {
        format!(
            "s3://{BUCKET}/{PREFIX}?endpoint=http://{}&region=eu-west-1",
            self.address
        )
    }

    /// The environment with the keys.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        vec![
            ("AWS_ACCESS_KEY_ID".into(), KEY.into()),
            ("AWS_SECRET_ACCESS_KEY".into(), SECRET.into()),
        ]
    }

    /// The folder with the objects, each a file.
    #[must_use]
    pub fn objects(&self) -> PathBuf {
        self.folder.path().join(BUCKET).join(PREFIX)
    }

    /// Refuses from now on: connections break, new ones are closed at once.
    pub fn refuse(&self) {
        self.mood.send_replace(Mood::Refusing);
    }

    /// Serves again.
    pub fn serve_again(&self) {
        self.mood.send_replace(Mood::Serving);
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.mood.send_replace(Mood::Over);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed.
            let _ = thread.join();
        }
    }
}

async fn serve(
    listener: std::net::TcpListener,
    service: S3Service,
    mut mood: watch::Receiver<Mood>,
) {
    let listener = TcpListener::from_std(listener).expect("the listener does not block");
    let http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = mood.changed() => match *mood.borrow_and_update() {
                Mood::Serving => {}
                Mood::Refusing => connections.abort_all(),
                Mood::Over => return,
            },
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                if *mood.borrow() == Mood::Serving {
                    let connection = http
                        .serve_connection(TokioIo::new(socket), service.clone())
                        .into_owned();
                    connections.spawn(async move {
                        // A client that goes away is its own business.
                        let _ = connection.await;
                    });
                }
            }
            // What has ended is dropped, so that the set does not grow.
            Some(_) = connections.join_next() => {}
        }
    }
}
