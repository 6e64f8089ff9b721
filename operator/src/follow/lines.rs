//! Lines of bounded length from a stream of bytes.

use std::io;

use futures::io::{AsyncBufRead, AsyncBufReadExt as _};

/// Reads lines of at most `cap` bytes. What is longer cannot be a frame; it is skipped and counted.
///
/// A call that is dropped while it waits loses nothing.
pub struct Lines<R> {
    source: R,
    cap: usize,
    line: Vec<u8>,
    is_complete: bool,
    is_overlong: bool,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line, without its end.
    Whole(&'a [u8]),
    /// A line that was too long.
    Overlong,
    /// Nothing more comes. A line without an end is not handed out: a connection that broke cuts lines anywhere.
    End,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// Lines of at most `cap` bytes from `source`.
    pub const fn new(source: R, cap: usize) -> Self {
        Self {
            source,
            cap,
            line: Vec::new(),
            is_complete: false,
            is_overlong: false,
        }
    }

    /// The next line.
    ///
    /// # Errors
    /// Those of the source.
    pub async fn next(&mut self) -> io::Result<Line<'_>> {
        if std::mem::take(&mut self.is_complete) {
            self.line.clear();
            self.is_overlong = false;
        }
        loop {
            let chunk = self.source.fill_buf().await?;
            if chunk.is_empty() {
                return Ok(Line::End);
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            if self.is_overlong || self.line.len() + part.len() > self.cap {
                self.is_overlong = true;
                self.line.clear();
            } else {
                self.line.extend_from_slice(part);
            }
            let consumed = part.len() + usize::from(end.is_some());
            self.source.consume_unpin(consumed);
            if end.is_some() {
                self.is_complete = true;
                return Ok(if self.is_overlong {
                    Line::Overlong
                } else {
                    Line::Whole(&self.line)
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    #[test]
    fn lines_are_bounded_and_the_rest_is_skipped() {
        let text = b"one\n\n0123456789\ntwo\ncut off".as_slice();
        // Chunks of three bytes, so that lines span chunks.
        let mut lines = Lines::new(futures::io::BufReader::with_capacity(3, text), 8);
        block_on(async {
            assert_eq!(lines.next().await.unwrap(), Line::Whole(b"one"));
            assert_eq!(lines.next().await.unwrap(), Line::Whole(b""));
            assert_eq!(lines.next().await.unwrap(), Line::Overlong);
            assert_eq!(lines.next().await.unwrap(), Line::Whole(b"two"));
            assert_eq!(lines.next().await.unwrap(), Line::End);
        });
    }
}
