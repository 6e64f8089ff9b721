//! The limit: what the kernel takes for the bytes alone, 256 lines a send.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

use super::feed;

/// Lines that go out together.
const LINES: usize = 256;
/// How long the last lines wait for company.
const PATIENCE: Duration = Duration::from_millis(5);

/// Serves one task.
pub(super) fn run() -> Result<()> {
    feed::end_with_parent();
    let clients = TcpListener::bind("127.0.0.1:0")?;
    let feed = TcpListener::bind("127.0.0.1:0")?;
    feed::announce(clients.local_addr()?.port(), feed.local_addr()?.port());
    let readers = Arc::new(Mutex::new(Vec::new()));
    std::thread::spawn({
        let readers = Arc::clone(&readers);
        move || accept(&clients, &readers)
    });
    let (publisher, _) = feed.accept()?;
    publish(publisher, &readers)
}

fn accept(clients: &TcpListener, readers: &Mutex<Vec<TcpStream>>) {
    for stream in clients.incoming().flatten() {
        if let Ok(stream) = greet(stream) {
            readers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(stream);
        }
    }
}

fn greet(mut stream: TcpStream) -> std::io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let mut request = BufReader::new(&stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if request.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    Ok(stream)
}

fn publish(mut publisher: TcpStream, readers: &Mutex<Vec<TcpStream>>) -> Result<()> {
    publisher.set_read_timeout(Some(PATIENCE))?;
    let mut input = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut out = Vec::new();
    let (mut lines, mut number) = (0, 0);
    loop {
        let size = match publisher.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(size) => size,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(error) => return Err(error.into()),
        };
        input.extend_from_slice(&buffer[..size]);
        let mut taken = 0;
        while let Some((batch, len)) = batch(&input[taken..]) {
            for line in batch.chunks(len) {
                number += 1;
                write!(out, "event: log\nid: {number}\ndata: {{\"line\":\"")?;
                out.extend_from_slice(line);
                out.extend_from_slice(
                    b"\",\"ts\":\"2026-01-01T00:00:00.000Z\",\"stream\":\"stdout\"}\n\n",
                );
                lines += 1;
                if lines == LINES {
                    send(&mut out, readers)?;
                    lines = 0;
                }
            }
            taken += 12 + batch.len();
        }
        input.drain(..taken);
        if size == 0 && lines > 0 {
            send(&mut out, readers)?;
            lines = 0;
        }
    }
}

/// The lines of a complete batch, and how long each is.
fn batch(input: &[u8]) -> Option<(&[u8], usize)> {
    let word = |at: usize| -> Option<usize> {
        let bytes: [u8; 4] = input.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let (count, len) = (word(4)?, word(8)?);
    Some((input.get(12..12 + count * len)?, len))
}

fn send(out: &mut Vec<u8>, readers: &Mutex<Vec<TcpStream>>) -> Result<()> {
    let mut readers = readers.lock().unwrap_or_else(PoisonError::into_inner);
    for reader in readers.iter_mut() {
        reader.write_all(out)?;
    }
    out.clear();
    Ok(())
}
