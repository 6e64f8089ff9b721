//! Stands between a gateway and its PostgreSQL, and counts how often the gateway waits for it.

use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;

/// What a client has to be answered before it can go on: `Sync` after prepared statements, and `Query`.
const WAITS: [u8; 2] = [b'S', b'Q'];
/// The name of the socket that clients of PostgreSQL look for in a folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// A relay that lives as long as this value.
pub struct Relay {
    _folder: tempfile::TempDir,
    round_trips: Arc<AtomicUsize>,
    _work: JoinSet<()>,
}

impl Relay {
    /// A relay to the PostgreSQL of this address, and the address at which it is reached now.
    pub fn to(url: &str) -> (Self, String) {
        let target = PgConnectOptions::from_str(url).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let round_trips = Arc::<AtomicUsize>::default();
        let mut work = JoinSet::new();
        work.spawn(accept(listener, target, Arc::clone(&round_trips)));
        // The last word on where the server is has the parameter.
        let separator = if url.contains('?') { '&' } else { '?' };
        let address = format!("{url}{separator}host={}", folder.path().display());
        let relay = Self {
            _folder: folder,
            round_trips,
            _work: work,
        };
        (relay, address)
    }

    /// How often clients have waited for an answer so far.
    pub fn round_trips(&self) -> usize {
        self.round_trips.load(Ordering::SeqCst)
    }
}

/// One end of a connection to the server.
type Reads = Box<dyn AsyncRead + Send + Unpin>;
type Writes = Box<dyn AsyncWrite + Send + Unpin>;

async fn connect(target: &PgConnectOptions) -> std::io::Result<(Reads, Writes)> {
    if let Some(folder) = target.get_socket() {
        let socket = folder.join(format!(".s.PGSQL.{}", target.get_port()));
        let (reads, writes) = UnixStream::connect(socket).await?.into_split();
        return Ok((Box::new(reads), Box::new(writes)));
    }
    let server = TcpStream::connect((target.get_host(), target.get_port())).await?;
    let (reads, writes) = server.into_split();
    Ok((Box::new(reads), Box::new(writes)))
}

async fn accept(listener: UnixListener, target: PgConnectOptions, round_trips: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (client_reads, mut client_writes) = client.into_split();
        let (mut server_reads, server_writes) = connect(&target).await.unwrap();
        let round_trips = Arc::clone(&round_trips);
        connections.spawn(async move {
            tokio::select! {
                // Either end breaks when the other is done with it.
                _ = forward(client_reads, server_writes, &round_trips) => {}
                _ = tokio::io::copy(&mut server_reads, &mut client_writes) => {}
            }
        });
    }
}

/// Passes messages on one by one. The first has no type: it is the start of a session.
async fn forward(
    mut from: OwnedReadHalf,
    mut to: Writes,
    round_trips: &AtomicUsize,
) -> std::io::Result<()> {
    let mut kind = None;
    loop {
        let length = from.read_u32().await?;
        let mut message = vec![0; length as usize - 4];
        from.read_exact(&mut message).await?;
        if kind.is_some_and(|kind| WAITS.contains(&kind)) {
            round_trips.fetch_add(1, Ordering::SeqCst);
        }
        let mut whole = Vec::with_capacity(message.len() + 5);
        whole.extend(kind);
        whole.extend(length.to_be_bytes());
        whole.extend(message);
        to.write_all(&whole).await?;
        kind = Some(from.read_u8().await?);
    }
}
