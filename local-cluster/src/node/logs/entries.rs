//! Entries of log files, and what a reader wants of them.

use bytes::Bytes;
use jiff::Timestamp;

/// Turns entries of log files into what the reader asked for.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) since: Option<Timestamp>,
    pub(super) timestamps: bool,
    pub(super) skip: u64,
    pub(super) left: Option<u64>,
    pub(super) in_line: bool,
}

impl Filter {
    /// Takes whole entries out of `pending`.
    pub(super) fn take(&mut self, pending: &mut Vec<u8>) -> Bytes {
        let mut out = Vec::with_capacity(pending.len());
        let mut used = 0;
        while let Some(length) = pending[used..].iter().position(|&byte| byte == b'\n') {
            if let Some(entry) = Entry::parse(&pending[used..used + length]) {
                self.add(&entry, &mut out);
            }
            used += length + 1;
        }
        pending.drain(..used);
        if let Some(left) = &mut self.left {
            out.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= out.len() as u64;
        }
        out.into()
    }

    fn add(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        if !entry.is_since(self.since) {
            return;
        }
        if self.skip > 0 {
            self.skip -= u64::from(entry.full);
            return;
        }
        if self.timestamps && !self.in_line {
            out.extend_from_slice(entry.time);
            out.push(b' ');
        }
        out.extend_from_slice(entry.text);
        if entry.full {
            out.push(b'\n');
        }
        self.in_line = !entry.full;
    }
}

/// One entry of a log file.
pub(super) struct Entry<'a> {
    /// When it was written.
    pub(super) time: &'a [u8],
    /// Whether it ends a line.
    pub(super) full: bool,
    /// What was written.
    pub(super) text: &'a [u8],
}

impl<'a> Entry<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(4, |&byte| byte == b' ');
        let (time, _stream, tag, text) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        Some(Self {
            time,
            full: tag == b"F",
            text,
        })
    }

    pub(super) fn is_since(&self, since: Option<Timestamp>) -> bool {
        let Some(since) = since else { return true };
        let time = std::str::from_utf8(self.time)
            .ok()
            .and_then(|text| text.parse::<Timestamp>().ok());
        time.is_some_and(|time| time >= since)
    }
}
