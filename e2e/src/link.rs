//! The way between two parts, which a test can break.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// Everything.
    Open,
    /// What the client says arrives, and no answer comes back: whether something was done is not known.
    NoAnswers,
    /// Nothing: open connections break, new ones end at once.
    Closed,
}

/// A port that leads to another one, for as long as this value lives.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    passage: watch::Sender<Passage>,
    connections: Arc<AtomicU64>,
    _server: JoinSet<()>,
}

impl Link {
    /// Opens a port of 127.0.0.1 that leads to `target`.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (passage, seen) = watch::channel(Passage::Open);
        let connections = Arc::new(AtomicU64::new(0));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, target, seen, Arc::clone(&connections)));
        Ok(Self {
            address,
            passage,
            connections,
            _server: server,
        })
    }

    /// The port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says what gets through from now on.
    pub fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }

    /// How often somebody has tried to connect.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn serve(
    listener: TcpListener,
    target: SocketAddr,
    passage: watch::Receiver<Passage>,
    connections: Arc<AtomicU64>,
) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                connections.fetch_add(1, Ordering::Relaxed);
                open.spawn(carry(client, target, passage.clone()));
            },
            Some(_) = open.join_next() => {}
        }
    }
}

/// Carries one connection until one of its ends goes, or what gets through says so.
async fn carry(client: TcpStream, target: SocketAddr, mut passage: watch::Receiver<Passage>) {
    if *passage.borrow() == Passage::Closed {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    let answers = passage.clone();
    tokio::select! {
        () = requests(client_reads, server_writes) => {}
        () = carry_answers(server_reads, client_writes, answers) => {}
        _ = passage.wait_for(|passage| *passage == Passage::Closed) => {}
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // A broken connection is the end, whichever way it broke.
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn carry_answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut passage: watch::Receiver<Passage>,
) {
    let mut buffer = vec![0; 16 * 1024];
    let mut has_lost = false;
    loop {
        let count = tokio::select! {
            count = from.read(&mut buffer) => match count {
                Ok(count @ 1..) => count,
                _ => return,
            },
            // TCP never leaves anything out and goes on: a connection that has lost something is broken.
            _ = passage.wait_for(|passage| *passage == Passage::Open), if has_lost => return,
        };
        if *passage.borrow() == Passage::NoAnswers {
            has_lost = true;
        } else if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
