//! How lines get into a server.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context as _, Result, bail};

/// Room for the answers of a server.
const ANSWER: usize = 4096;

/// Hands batches of lines to a server, without ever waiting for it.
pub(crate) struct Publisher {
    stream: TcpStream,
    form: Form,
    out: Vec<u8>,
    written: usize,
}

enum Form {
    /// Our own servers: `task, count, length` and the lines, which all have that length.
    Feed,
    /// One POST per batch, each after the answer to the one before.
    Post {
        path: &'static str,
        queue: VecDeque<Vec<u8>>,
        waiting: bool,
        answer: Vec<u8>,
    },
}

impl Publisher {
    /// Connects to the feed of one of our own servers.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(crate) fn feed(server: SocketAddr) -> Result<Self> {
        Self::connect(server, Form::Feed)
    }

    /// Publishes by HTTP: `path` and the number of the task.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(crate) fn post(server: SocketAddr, path: &'static str) -> Result<Self> {
        let form = Form::Post {
            path,
            queue: VecDeque::new(),
            waiting: false,
            answer: Vec::new(),
        };
        Self::connect(server, form)
    }

    fn connect(server: SocketAddr, form: Form) -> Result<Self> {
        let stream =
            TcpStream::connect(server).with_context(|| format!("publishing to {server}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            form,
            out: Vec::new(),
            written: 0,
        })
    }

    /// Takes a batch of lines, each `len` bytes long.
    pub(crate) fn publish(&mut self, task: u32, lines: &[u8], len: usize) {
        let count = lines.len() / len;
        match &mut self.form {
            Form::Feed => {
                for word in [task, count as u32, len as u32] {
                    self.out.extend_from_slice(&word.to_le_bytes());
                }
                self.out.extend_from_slice(lines);
            }
            Form::Post { path, queue, .. } => {
                // The same JSON that the others send, one message for the batch.
                let mut body = Vec::with_capacity(lines.len() + count * 80);
                for line in lines.chunks(len) {
                    if !body.is_empty() {
                        body.push(b'\n');
                    }
                    body.extend_from_slice(b"{\"line\":\"");
                    body.extend_from_slice(line);
                    body.extend_from_slice(
                        b"\",\"ts\":\"2026-01-01T00:00:00.000Z\",\"stream\":\"stdout\"}",
                    );
                }
                let mut request = format!(
                    "POST {path}{task} HTTP/1.1\r\nHost: bench\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                )
                .into_bytes();
                request.append(&mut body);
                queue.push_back(request);
            }
        }
    }

    /// Moves what can be moved now.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) fn pump(&mut self) -> Result<()> {
        while self.write()? {
            let Form::Post {
                queue,
                waiting,
                answer,
                ..
            } = &mut self.form
            else {
                return Ok(());
            };
            if *waiting && !take_answer(&mut self.stream, answer)? {
                return Ok(());
            }
            *waiting = false;
            let Some(request) = queue.pop_front() else {
                return Ok(());
            };
            self.out = request;
            *waiting = true;
        }
        Ok(())
    }

    /// Whether everything was written.
    fn write(&mut self) -> Result<bool> {
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(0) => bail!("the server stopped taking lines"),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("publishing"),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(true)
    }

    /// Whether lines wait to be written.
    pub(crate) fn has_backlog(&self) -> bool {
        self.written < self.out.len()
    }
}

impl AsFd for Publisher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Whether the answer to the last request is complete.
fn take_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<bool> {
    let mut buffer = [0; ANSWER];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => bail!("the server closed the connection of the publisher"),
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("reading the answer to a publication"),
        }
    }
    let Some(size) = answer_size(answer)? else {
        return Ok(false);
    };
    answer.drain(..size);
    Ok(true)
}

/// The size of a complete answer.
fn answer_size(answer: &[u8]) -> Result<Option<usize>> {
    let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    if !head.starts_with("http/1.1 2") {
        bail!("a publication is refused: {head}");
    }
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(Ok(0), |length| length.trim().parse())
        .context("the length of an answer")?;
    let size = end + 4 + length;
    Ok((answer.len() >= size).then_some(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_complete_with_their_body() {
        let text = b"HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r\nabcHTTP";
        assert_eq!(answer_size(text).unwrap(), Some(text.len() - 4));
        assert_eq!(answer_size(&text[..text.len() - 5]).unwrap(), None);
        assert_eq!(answer_size(&text[..20]).unwrap(), None);
        assert!(answer_size(b"HTTP/1.1 413 Too Large\r\n\r\n").is_err());
    }
}
