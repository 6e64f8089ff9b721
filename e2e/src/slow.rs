//! A client that hardly reads.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::events::EventStream;

/// The least that Linux gives a socket for what has arrived and was not read.
const ROOM: u32 = 2304;
/// How long it takes for the next byte.
const PAUSE: Duration = Duration::from_secs(1);
/// How much is read at once when there is no reason to be slow any more.
const CHUNK: usize = 64 * 1024;
/// The longest head of an answer.
const HEAD: usize = 16 * 1024;

/// Sends a request of HTTP/1.0, whose answer ends with the connection, and reads the answer slowly until `until`.
pub(crate) async fn connect(host: &str, request: &str, until: Instant) -> Result<EventStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(ROOM)?;
    let mut stream = socket.connect(host.parse()?).await?;
    stream.write_all(request.as_bytes()).await?;
    let head = read_head(&mut stream).await?;
    let status = head.split(' ').nth(1).context("a status line")?;
    ensure!(status == "200", "stream: {head}");
    let bytes = futures::stream::unfold(stream, move |mut stream| async move {
        let chunk = read(&mut stream, until).await;
        let is_more = !matches!(&chunk, Ok(chunk) if chunk.is_empty());
        is_more.then_some((chunk, stream))
    });
    Ok(EventStream::new(bytes))
}

async fn read_head(stream: &mut TcpStream) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < HEAD, "an endless head");
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8(head)?)
}

async fn read(stream: &mut TcpStream, until: Instant) -> std::io::Result<Vec<u8>> {
    let mut chunk = vec![0; CHUNK];
    let room = if Instant::now() < until {
        tokio::time::sleep(PAUSE).await;
        &mut chunk[..1]
    } else {
        &mut chunk[..]
    };
    let length = stream.read(room).await?;
    chunk.truncate(length);
    Ok(chunk)
}
