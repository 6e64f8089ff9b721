//! Passes on what goes into Codex and what comes out of it.

use codex_tasklog::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe::{Receiver, Sender};

use crate::engine::{Engine, Line};
use crate::output::{Lines, Output, now};

const READ_BYTES: usize = 64 * 1024;
/// How much of a line of standard error becomes the message of a failure, in bytes.
const MAX_MESSAGE_BYTES: usize = 500;

/// Writes the prompt and closes the pipe, while the output is read: neither may wait for the other.
pub async fn feed(stdin: Option<Sender>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        // A program that does not read its prompt ends with an error of its own.
        let _ = stdin.write_all(input).await;
    }
}

/// Passes on events, and text that is none.
pub async fn pass_stdout(stdout: Option<Receiver>, engine: &mut impl Engine, output: &Output) {
    let mut source = Source::new(stdout);
    while let Some(lines) = source.next().await {
        let ts = now();
        for line in lines {
            match engine.observe(&line) {
                Line::Event => output.event(line, ts.clone()).await,
                Line::Text => output.line(Stream::Stdout, line, ts.clone()).await,
            }
        }
    }
}

/// Passes on standard error, and remembers the last line that says something.
pub async fn pass_stderr(stderr: Option<Receiver>, last: &mut Option<String>, output: &Output) {
    let mut source = Source::new(stderr);
    while let Some(lines) = source.next().await {
        let ts = now();
        for line in lines {
            if !line.trim().is_empty() {
                *last = Some(line[..line.floor_char_boundary(MAX_MESSAGE_BYTES)].to_owned());
            }
            output.line(Stream::Stderr, line, ts.clone()).await;
        }
    }
}

/// Lines from a pipe, as many at once as were there.
struct Source {
    pipe: Option<Receiver>,
    lines: Lines,
    buffer: Vec<u8>,
}

impl Source {
    fn new(pipe: Option<Receiver>) -> Self {
        Self {
            pipe,
            lines: Lines::default(),
            buffer: vec![0; READ_BYTES],
        }
    }

    /// The next lines, perhaps none; `None` at the end.
    async fn next(&mut self) -> Option<Vec<String>> {
        let pipe = self.pipe.as_mut()?;
        let mut found = Vec::new();
        match pipe.read(&mut self.buffer).await {
            Ok(0) | Err(_) => {
                self.pipe = None;
                std::mem::take(&mut self.lines).finish(|line| found.push(line));
            }
            Ok(length) => self
                .lines
                .push(&self.buffer[..length], |line| found.push(line)),
        }
        Some(found)
    }
}
