//! Cuts a stream of bytes into lines.

/// The longest line in bytes. A longer one is cut into several, so that a stream without line ends cannot fill the
/// memory. Codex keeps up to 1 MiB of a command's output in one event; as JSON, with every byte escaped, that is 6 MiB,
/// and an event that is cut is no event any more.
pub const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;

/// Collects bytes until a line is whole.
#[derive(Debug)]
pub struct Lines {
    limit: usize,
    buffer: Vec<u8>,
    /// The line in the buffer goes on from one that was cut.
    is_cut: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self::with_limit(MAX_LINE_BYTES)
    }
}

impl Lines {
    fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            buffer: Vec::new(),
            is_cut: false,
        }
    }

    /// Takes the next bytes, and hands out the lines that they complete. The line end, `\n` or `\r\n`, is not part of a
    /// line, and what is not UTF-8 is replaced.
    pub fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(String)) {
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let room = self.limit - self.buffer.len();
            let taken = end.unwrap_or(bytes.len()).min(room);
            self.buffer.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if bytes.first() == Some(&b'\n') {
                bytes = &bytes[1..];
                self.complete(&mut line);
            } else if self.buffer.len() == self.limit {
                self.cut(&mut line);
            }
        }
    }

    /// Hands out a last line without line end.
    pub fn finish(mut self, line: impl FnOnce(String)) {
        if !self.buffer.is_empty() {
            line(text(std::mem::take(&mut self.buffer)));
        }
    }

    fn complete(&mut self, line: &mut impl FnMut(String)) {
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        // The end of a line that was cut exactly there is not an empty line.
        if !(self.is_cut && self.buffer.is_empty()) {
            line(text(std::mem::take(&mut self.buffer)));
        }
        self.is_cut = false;
    }

    fn cut(&mut self, line: &mut impl FnMut(String)) {
        let rest = self.buffer.split_off(whole_characters(&self.buffer));
        line(text(std::mem::replace(&mut self.buffer, rest)));
        self.is_cut = true;
    }
}

/// How many bytes there are without a character at the end whose bytes are not all there.
fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    let start = bytes[tail..].iter().rposition(|byte| *byte >= 0xc0);
    match start.map(|at| tail + at) {
        Some(at)
            if at > 0
                && std::str::from_utf8(&bytes[at..])
                    .is_err_and(|error| error.error_len().is_none()) =>
        {
            at
        }
        _ => bytes.len(),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(limit: usize, chunks: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::with_limit(limit);
        for chunk in chunks {
            lines.push(chunk, |line| found.push(line));
        }
        lines.finish(|line| found.push(line));
        found
    }

    #[test]
    fn line_ends_of_both_kinds_end_a_line() {
        assert_eq!(
            lines(100, &[b"a\nb\r\n\n", b"c", b"\r", b"\nd"]),
            ["a", "b", "", "c", "d"]
        );
        assert_eq!(lines(100, &[b"a\rb\n"]), ["a\rb"]);
        assert!(lines(100, &[b""]).is_empty());
    }

    #[test]
    fn what_is_not_utf8_is_replaced() {
        assert_eq!(
            lines(100, &[b"a\xffb\n", "\u{e4}\n".as_bytes()]),
            ["a\u{fffd}b", "\u{e4}"]
        );
        assert_eq!(lines(100, &[b"\xc3", b"\xa4\n"]), ["\u{e4}"]);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(lines(4, &[b"abcdef\n"]), ["abcd", "ef"]);
        assert_eq!(lines(4, &[b"abcd\nef"]), ["abcd", "ef"]);
        assert_eq!(lines(4, &[b"abcd", b"\n", b"\n"]), ["abcd", ""]);
        assert_eq!(lines(4, &["abc\u{e4}d".as_bytes()]), ["abc", "\u{e4}d"]);
        assert_eq!(
            lines(4, &["a\u{1f600}b\n".as_bytes()]),
            ["a", "\u{1f600}", "b"]
        );
        assert_eq!(
            lines(4, &[b"\xff\xff\xff\xff\xff"]).concat(),
            "\u{fffd}".repeat(5)
        );
    }
}
