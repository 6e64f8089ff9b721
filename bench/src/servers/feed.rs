//! How lines come into our own servers: a connection that carries batches.

use std::io::{ErrorKind, Read as _};

use anyhow::{Context as _, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Reads the lines that were published together; nothing at the end.
///
/// # Errors
/// Those of the connection, and when lines are not UTF-8.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Option<Vec<String>>> {
    let mut head = [0; 12];
    if let Err(error) = from.read_exact(&mut head).await {
        return match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => Ok(None),
            _ => Err(error).context("reading a batch"),
        };
    }
    let word = |index: usize| {
        let bytes = [
            head[index],
            head[index + 1],
            head[index + 2],
            head[index + 3],
        ];
        u32::from_le_bytes(bytes)
    };
    let (count, len) = (word(4), word(8));
    let mut body = vec![0; count as usize * len as usize];
    from.read_exact(&mut body).await?;
    let lines = body
        .chunks(len as usize)
        .map(|line| String::from_utf8(line.to_vec()).context("a line"))
        .collect::<Result<_>>()?;
    Ok(Some(lines))
}

/// The two listeners of a server.
pub(super) struct Listeners {
    /// For clients.
    pub(super) clients: TcpListener,
    /// For the one publisher.
    pub(super) feed: TcpListener,
}

/// Waits for the publisher.
///
/// # Errors
/// Those of the listener.
pub(super) async fn publisher(feed: TcpListener) -> Result<BufReader<TcpStream>> {
    let (stream, _) = feed.accept().await?;
    Ok(BufReader::with_capacity(256 * 1024, stream))
}

/// Runs a server on one thread, says where it listens, and ends it when standard input ends.
///
/// # Errors
/// Those of the server.
pub(super) fn run<F>(serve: impl FnOnce(Listeners) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    end_with_parent();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listeners = Listeners {
            clients: TcpListener::bind("127.0.0.1:0").await?,
            feed: TcpListener::bind("127.0.0.1:0").await?,
        };
        announce(
            listeners.clients.local_addr()?.port(),
            listeners.feed.local_addr()?.port(),
        );
        serve(listeners).await
    })
}

/// Tells the parent the ports.
pub(super) fn announce(clients: u16, feed: u16) {
    println!("{clients} {feed}");
}

/// The parent holds the other end of standard input: when it dies, however it dies, this process ends too.
pub(super) fn end_with_parent() {
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(0);
    });
}
