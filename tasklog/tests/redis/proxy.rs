//! The address that stores are told: a socket that leads to a server, or to another one later, or loses what it says.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use codex_tasklog::{LiveLimits, RedisConfig, RedisStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::server::RedisServer;

pub struct Proxy {
    folder: tempfile::TempDir,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

struct Shared {
    target: Mutex<PathBuf>,
    /// Ends connections when it changes.
    cut: watch::Sender<()>,
    loses_next_answer: AtomicBool,
    lost_answers: AtomicUsize,
    /// How often a client spoke after the server did.
    requests: AtomicUsize,
}

impl Proxy {
    pub fn before(server: &RedisServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("proxy.sock")).unwrap();
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            target: Mutex::new(server.socket()),
            cut: watch::Sender::default(),
            loses_next_answer: AtomicBool::new(false),
            lost_answers: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
        });
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(
            listener,
            Arc::clone(&shared),
            stop.clone(),
        )));
        Self {
            folder,
            shared,
            _stop: stop.drop_guard(),
        }
    }

    /// Leads to another server from now on; the connections to the one before end.
    pub fn lead_to(&self, server: &RedisServer) {
        *self.shared.target.lock().unwrap() = server.socket();
        self.shared.cut.send_replace(());
    }

    /// The next answer does not arrive, and its connection ends.
    pub fn lose_next_answer(&self) {
        self.shared.loses_next_answer.store(true, Ordering::SeqCst);
    }

    pub fn lost_answers(&self) -> usize {
        self.shared.lost_answers.load(Ordering::SeqCst)
    }

    /// How many requests went to the server, where what follows each other without waiting for an answer is one.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    pub fn store(&self, limits: LiveLimits) -> RedisStore {
        let path = self.folder.path().join("proxy.sock");
        let address = format!("redis+unix://{}", path.display());
        let mut config = RedisConfig::new(&address.into(), None).unwrap();
        config.limits = limits;
        config.linger = Duration::from_millis(400);
        RedisStore::new(config).unwrap()
    }
}

async fn accept(listener: UnixListener, shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let stop = stop.clone();
        tokio::spawn(stop.run_until_cancelled_owned(serve(client, Arc::clone(&shared))));
    }
}

/// Both ends close when this ends.
async fn serve(mut client: UnixStream, shared: Arc<Shared>) {
    let mut cut = shared.cut.subscribe();
    let target = shared.target.lock().unwrap().clone();
    let Ok(mut server) = UnixStream::connect(target).await else {
        return;
    };
    let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut has_answered = true;
    loop {
        let passed = tokio::select! {
            _ = cut.changed() => return,
            read = client.read(&mut up) => match read {
                Ok(size) if size > 0 => {
                    if std::mem::take(&mut has_answered) {
                        shared.requests.fetch_add(1, Ordering::SeqCst);
                    }
                    server.write_all(&up[..size]).await
                }
                _ => return,
            },
            read = server.read(&mut down) => match read {
                Ok(size) if size > 0 => {
                    // What is published is no answer, and its connection asks for nothing.
                    if !has_answered && shared.loses_next_answer.swap(false, Ordering::SeqCst) {
                        shared.lost_answers.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                    has_answered = true;
                    client.write_all(&down[..size]).await
                }
                _ => return,
            },
        };
        if passed.is_err() {
            return;
        }
    }
}
