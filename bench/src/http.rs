//! Just enough HTTP/1.1 to take the body out of a response that never ends.

use anyhow::{Result, bail};

/// Takes the body out of one response, as it comes.
#[derive(Debug, Default)]
pub(crate) enum Decoder {
    /// The head is not complete.
    #[default]
    Fresh,
    /// The part of the head that has come.
    Head(Vec<u8>),
    /// Everything until the end of the connection is body.
    Plain,
    /// In the size line of a chunk.
    Size { size: usize, extension: bool },
    /// That many bytes of the chunk and its line end are missing.
    Chunk(usize),
    /// The last chunk has come.
    Ended,
}

/// The line end after a chunk.
const LINE_END: usize = 2;

impl Decoder {
    /// Whether the head has come.
    pub(crate) const fn is_open(&self) -> bool {
        !matches!(self, Self::Fresh | Self::Head(_))
    }

    /// Takes the next bytes and hands the parts that belong to the body to `body`.
    ///
    /// # Errors
    /// When the status is not 200, or when chunks are malformed.
    pub(crate) fn feed(&mut self, mut data: &[u8], mut body: impl FnMut(&[u8])) -> Result<()> {
        while !data.is_empty() {
            match self {
                Self::Fresh => *self = Self::Head(Vec::new()),
                Self::Head(head) => {
                    let before = head.len();
                    head.extend_from_slice(data);
                    let from = before.saturating_sub(3);
                    let Some(end) = memchr::memmem::find(&head[from..], b"\r\n\r\n") else {
                        return Ok(());
                    };
                    let end = from + end + 4;
                    data = &data[end - before..];
                    head.truncate(end);
                    *self = after_head(head)?;
                }
                Self::Plain => {
                    body(data);
                    return Ok(());
                }
                Self::Size { size, extension } => {
                    let byte = data[0];
                    data = &data[1..];
                    match (byte, char::from(byte).to_digit(16)) {
                        (b'\n', _) if *size == 0 => *self = Self::Ended,
                        (b'\n', _) => *self = Self::Chunk(*size + LINE_END),
                        (b'\r', _) => {}
                        (b';', _) => *extension = true,
                        _ if *extension => {}
                        (_, Some(digit)) => *size = *size * 16 + digit as usize,
                        _ => bail!("a chunk begins with {byte:#x}"),
                    }
                }
                Self::Chunk(missing) => {
                    let (part, rest) = data.split_at((*missing).min(data.len()));
                    let content = missing.saturating_sub(LINE_END).min(part.len());
                    if content > 0 {
                        body(&part[..content]);
                    }
                    *missing -= part.len();
                    data = rest;
                    if *missing == 0 {
                        *self = Self::Size {
                            size: 0,
                            extension: false,
                        };
                    }
                }
                Self::Ended => return Ok(()),
            }
        }
        Ok(())
    }
}

fn after_head(head: &[u8]) -> Result<Decoder> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    if !head.starts_with("http/1.1 200") {
        bail!("the server answers: {head}");
    }
    Ok(if head.contains("\r\ntransfer-encoding: chunked\r\n") {
        Decoder::Size {
            size: 0,
            extension: false,
        }
    } else {
        Decoder::Plain
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(response: &[u8], size: usize) -> Result<(Vec<u8>, Decoder)> {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for piece in response.chunks(size) {
            decoder.feed(piece, |part| out.extend_from_slice(part))?;
        }
        Ok((out, decoder))
    }

    #[test]
    fn chunks_are_joined_however_they_are_cut() {
        let response = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nab\r\ne\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n";
        for size in 1..=response.len() {
            let (body, decoder) = decode(response, size).unwrap();
            assert_eq!(body, b"ab\r\neabcdefghijklmnopqrstuvwxyz", "size {size}");
            assert!(matches!(decoder, Decoder::Ended));
        }
    }

    #[test]
    fn without_chunks_everything_is_body() {
        for size in 1..=40 {
            let (body, decoder) = decode(b"HTTP/1.1 200 OK\r\n\r\n4\r\nabcd", size).unwrap();
            assert_eq!(body, b"4\r\nabcd");
            assert!(decoder.is_open());
        }
    }

    #[test]
    fn refusals_and_nonsense_are_errors() {
        assert!(decode(b"HTTP/1.1 429 Too Many Requests\r\n\r\n", 9).is_err());
        let response = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n";
        assert!(decode(response, 9).is_err());
    }
}
