//! The clients: thousands of connections on one thread, each checked.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt,
};

use crate::http::Decoder;
use crate::line::Scanner;
use crate::stats::Histogram;
use crate::system;

/// How many connections are opened before the server is waited for; less than any server's backlog.
const SLICE: usize = 200;
/// Room for what one client reads at once.
const BUFFER: usize = 256 * 1024;
/// How many clients are served before the publisher gets its turn.
const EVENTS: usize = 64;
/// How long a server has to answer a request.
const PATIENCE: Duration = Duration::from_secs(20);
/// Keys of what is no client begin here.
pub(crate) const FOREIGN: u64 = 1 << 32;

/// What clients ask for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) server: SocketAddr,
    /// Path and query.
    pub(crate) path: String,
    /// The receive buffer of the kernel, where it must not grow.
    pub(crate) receive_buffer: Option<usize>,
}

struct Client {
    stream: TcpStream,
    decoder: Decoder,
    scanner: Scanner,
}

/// All clients of a measurement.
pub(crate) struct Load {
    epoll: Epoll,
    clients: Vec<Client>,
    paused: BTreeSet<usize>,
    closed: usize,
    buffer: Vec<u8>,
    /// How long lines took, in microseconds; only while `timing`.
    pub(crate) latency: Histogram,
    pub(crate) timing: bool,
}

/// What clients got.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) received: u64,
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
    /// Lines that should have come after the last one that did.
    pub(crate) missing: u64,
}

impl Tally {
    /// Whether every client got every line once.
    pub(crate) const fn is_clean(&self) -> bool {
        self.lost == 0 && self.repeated == 0 && self.missing == 0
    }
}

impl Load {
    /// No clients yet.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            clients: Vec::new(),
            paused: BTreeSet::new(),
            closed: 0,
            buffer: vec![0; BUFFER],
            latency: Histogram::default(),
            timing: false,
        })
    }

    /// Wakes [`Load::poll`] when `other` can be read.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn watch(&self, other: impl AsFd, key: u64) -> Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, FOREIGN + key);
        Ok(self.epoll.add(other, event)?)
    }

    /// Adds clients and waits until the server has answered all of them. `path` gets the number of the client.
    ///
    /// # Errors
    /// When the server refuses, or does not answer in time.
    pub(crate) fn connect(&mut self, request: &Request, count: usize) -> Result<()> {
        let goal = self.clients.len() + count;
        while self.clients.len() < goal {
            for _ in 0..SLICE.min(goal - self.clients.len()) {
                self.open(request)?;
            }
            self.wait_for_heads()?;
        }
        Ok(())
    }

    fn open(&mut self, request: &Request) -> Result<()> {
        let stream = dial(request).with_context(|| format!("connecting to {}", request.server))?;
        (&stream).write_all(
            format!(
                "GET {} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n",
                request.path
            )
            .as_bytes(),
        )?;
        stream.set_nonblocking(true)?;
        let key = self.clients.len() as u64;
        self.epoll
            .add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, key))?;
        self.clients.push(Client {
            stream,
            decoder: Decoder::default(),
            scanner: Scanner::default(),
        });
        Ok(())
    }

    fn wait_for_heads(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut from = self.clients.len().saturating_sub(SLICE);
        while from < self.clients.len() {
            if self.clients[from].decoder.is_open() {
                from += 1;
                continue;
            }
            ensure!(Instant::now() < deadline, "the server does not answer");
            self.poll(Duration::from_millis(10))?;
        }
        Ok(())
    }

    /// Reads what has come, and waits at most `timeout` for it. Says whether anything came.
    ///
    /// # Errors
    /// When what came is not what a server should send.
    pub(crate) fn poll(&mut self, timeout: Duration) -> Result<bool> {
        let mut events = [EpollEvent::empty(); EVENTS];
        let millis = u16::try_from(timeout.as_millis()).unwrap_or(u16::MAX);
        let count = match self.epoll.wait(&mut events, EpollTimeout::from(millis)) {
            Err(nix::errno::Errno::EINTR) => 0,
            other => other?,
        };
        for event in &events[..count] {
            if event.data() < FOREIGN {
                self.read(usize::try_from(event.data())?)?;
            }
        }
        Ok(count > 0)
    }

    fn read(&mut self, index: usize) -> Result<()> {
        let client = &mut self.clients[index];
        let size = match client.stream.read(&mut self.buffer) {
            Ok(size) => size,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                return Ok(());
            }
            // A server may reset a client that is too slow for it; what is missing then is counted.
            Err(_) => 0,
        };
        if size == 0 {
            self.closed += 1;
            self.epoll.delete(&client.stream)?;
            return Ok(());
        }
        let (scanner, latency) = (&mut client.scanner, &mut self.latency);
        let now = system::now();
        let timing = self.timing;
        client.decoder.feed(&self.buffer[..size], |body| {
            scanner.feed(body, |at| {
                if timing {
                    latency.record(now.saturating_sub(at) / 1_000);
                }
            });
        })
    }

    /// Stops reading from a client.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn pause(&mut self, index: usize) -> Result<()> {
        if self.paused.insert(index) {
            self.epoll.delete(&self.clients[index].stream)?;
        }
        Ok(())
    }

    /// Goes on reading from a client.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn resume(&mut self, index: usize) -> Result<()> {
        if self.paused.remove(&index) {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
            self.epoll.add(&self.clients[index].stream, event)?;
        }
        Ok(())
    }

    /// The last number of the client that is furthest behind, of those that read.
    pub(crate) fn slowest(&self) -> u64 {
        let reading = self.clients.iter().enumerate();
        reading
            .filter(|(index, _)| !self.paused.contains(index))
            .map(|(_, client)| client.scanner.last)
            .min()
            .unwrap_or(0)
    }

    /// Waits until every client that reads has number `last`, at most `patience`. Says whether they have.
    ///
    /// # Errors
    /// As for [`Load::poll`].
    pub(crate) fn wait_for(&mut self, last: u64, patience: Duration) -> Result<bool> {
        let deadline = Instant::now() + patience;
        while self.slowest() < last {
            if Instant::now() >= deadline || self.closed == self.clients.len() {
                return Ok(false);
            }
            self.poll(Duration::from_millis(10))?;
        }
        Ok(true)
    }

    /// What all clients got of the lines 1 to `last`.
    pub(crate) fn tally(&self, last: u64) -> Tally {
        let mut tally = Tally::default();
        for Client { scanner, .. } in &self.clients {
            tally.received += scanner.received;
            tally.lost += scanner.lost;
            tally.repeated += scanner.repeated;
            tally.missing += last.saturating_sub(scanner.last);
        }
        tally
    }

    /// How many clients there are.
    pub(crate) const fn len(&self) -> usize {
        self.clients.len()
    }
}

fn dial(request: &Request) -> Result<TcpStream> {
    let Some(size) = request.receive_buffer else {
        let stream = TcpStream::connect_timeout(&request.server, PATIENCE)?;
        return Ok(stream);
    };
    let SocketAddr::V4(_) = request.server else {
        bail!("only IPv4 is served");
    };
    let socket = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // Before the connection is made, because the window scale is agreed on then.
    setsockopt(&socket, sockopt::RcvBuf, &size)?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(request.server))?;
    Ok(TcpStream::from(socket))
}
