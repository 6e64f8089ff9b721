//! Frames of one task in files. Everything here blocks.
//!
//! Frames are written in the form of the archive, line by line, into segments that are named after their first number. A segment goes
//! when nobody needs any of its frames. What a dead process left is taken over up to the first line that is not whole.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use codex_tasklog::{End, Frame};

use super::Usage;

const SUFFIX: &str = ".ndjson";
const LOCK: &str = "lock";
/// Twice the longest frame that a runner writes.
const LINE_BYTES: usize = 16 * 1024;

/// The segments of one task, of which the last one may be open for writing.
pub(super) struct Disk {
    folder: PathBuf,
    /// Keeps other processes out; the system lets go of it when this one dies.
    _lock: File,
    usage: Arc<Usage>,
    segment_bytes: u64,
    segments: VecDeque<Segment>,
    open: Option<File>,
}

/// A run of frames without hole.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) path: PathBuf,
    bytes: u64,
}

/// What a dead process left.
#[derive(Clone, Debug, Default)]
pub(super) struct Recovered {
    /// Number of the last frame.
    pub(super) last: u64,
    /// When the runner wrote it.
    pub(super) ts: Option<String>,
    /// What the end frame says, where that is the last frame.
    pub(super) end: Option<End>,
}

impl Disk {
    /// Opens a folder, which is created when needed, and looks at what is in it.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when another operator uses it.
    pub(super) fn open(
        folder: &Path,
        segment_bytes: u64,
        usage: Arc<Usage>,
    ) -> io::Result<(Self, Recovered)> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let lock = lock(folder)?;
        let mut disk = Self {
            folder: folder.to_owned(),
            _lock: lock,
            usage,
            segment_bytes,
            segments: VecDeque::new(),
            open: None,
        };
        let recovered = disk.recover()?;
        Ok((disk, recovered))
    }

    fn recover(&mut self) -> io::Result<Recovered> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let first = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            let first = first.and_then(|first| first.parse::<u64>().ok());
            names.extend(first.filter(|first| *first > 0));
        }
        names.sort_unstable();
        let mut found = Recovered::default();
        for first in names {
            let path = self.path(first);
            let (last, bytes) = read_whole_lines(&path, first, &mut found)?;
            if last < first {
                std::fs::remove_file(&path)?;
                continue;
            }
            self.usage.add(bytes);
            self.segments.push_back(Segment {
                first,
                last,
                path,
                bytes,
            });
        }
        Ok(found)
    }

    fn path(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{first:020}{SUFFIX}"))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Adds the frames `first` to `last`. After an error none of them is there.
    pub(super) fn append(&mut self, first: u64, last: u64, text: &[u8]) -> io::Result<()> {
        let length = text.len() as u64;
        let follows = self
            .segments
            .back()
            .is_some_and(|segment| segment.last + 1 == first && segment.bytes < self.segment_bytes);
        if !follows {
            self.open = None;
        }
        let path = self.path(first);
        let (file, is_new) = match &mut self.open {
            Some(file) => (file, false),
            None => {
                let file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&path)?;
                (self.open.insert(file), true)
            }
        };
        if let Err(error) = file.write_all(text) {
            // What was written of it ends in the middle of a line; a segment with such an end is never written to again.
            self.discard_tail(is_new.then_some(path));
            return Err(error);
        }
        self.usage.add(length);
        match self.segments.back_mut() {
            Some(segment) if !is_new => {
                segment.last = last;
                segment.bytes += length;
            }
            _ => self.segments.push_back(Segment {
                first,
                last,
                path,
                bytes: length,
            }),
        }
        Ok(())
    }

    fn discard_tail(&mut self, new: Option<PathBuf>) {
        let file = self.open.take();
        if let Some(path) = new {
            // Whatever cannot be removed now is not whole, and is cut off by the next process.
            let _ = std::fs::remove_file(path);
        } else if let (Some(file), Some(segment)) = (file, self.segments.back()) {
            let _ = file.set_len(segment.bytes);
        }
    }

    /// The segment with this frame.
    pub(super) fn find(&self, number: u64) -> Option<Segment> {
        let holds = |segment: &&Segment| segment.first <= number && number <= segment.last;
        self.segments.iter().find(holds).cloned()
    }

    /// Removes the segments with no frame after `up_to`. The one that is written to stays.
    pub(super) fn drop_to(&mut self, up_to: u64) {
        while self.segments.len() > usize::from(self.open.is_some()) && self.drop_oldest(up_to) {}
    }

    /// Removes the oldest segment, if it has no frame after `up_to`; answers whether it did.
    pub(super) fn drop_oldest(&mut self, up_to: u64) -> bool {
        let Some(segment) = self.segments.pop_front_if(|oldest| oldest.last <= up_to) else {
            return false;
        };
        if self.segments.is_empty() {
            self.open = None;
        }
        if let Err(error) = std::fs::remove_file(&segment.path) {
            tracing::warn!(path = %segment.path.display(), %error, "a file of the spool could not be removed");
        }
        self.usage.subtract(segment.bytes);
        true
    }

    /// Removes everything.
    pub(super) fn clear(&mut self) {
        self.open = None;
        while self.drop_oldest(u64::MAX) {}
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.usage.subtract(self.bytes());
    }
}

/// Takes the lock of a folder.
pub(super) fn lock(folder: &Path) -> io::Result<File> {
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Reads a segment up to the first line that is not the next frame, and cuts it off there. Answers with its last number and its size.
fn read_whole_lines(path: &Path, first: u64, found: &mut Recovered) -> io::Result<(u64, u64)> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut reader = BufReader::new(&file);
    let (mut line, mut bytes, mut last) = (Vec::new(), 0, first - 1);
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        let frame = Frame::from_json(&line).ok();
        let Some(frame) = frame.filter(|frame| line.ends_with(b"\n") && frame.first() == last + 1)
        else {
            break;
        };
        bytes += length as u64;
        last = frame.seq;
        *found = Recovered {
            last,
            end: match frame.body {
                codex_tasklog::Body::End(end) => Some(end),
                _ => None,
            },
            ts: Some(frame.ts),
        };
    }
    file.set_len(bytes)?;
    Ok((last, bytes))
}

/// Reads one segment after the other from where it was.
#[derive(Default)]
pub(super) struct SegmentReader {
    open: Option<(PathBuf, BufReader<File>)>,
    /// The last number that was read.
    last: u64,
}

impl SegmentReader {
    /// The frames of a segment after number `after`: at least one, and as many as fit.
    ///
    /// # Errors
    /// Those of the file, and [`ErrorKind::InvalidData`] where it does not hold what it should.
    pub(super) fn read(
        &mut self,
        segment: &Segment,
        after: u64,
        fits: impl Fn(&[Arc<Frame>], usize) -> bool,
    ) -> io::Result<Vec<Arc<Frame>>> {
        let result = self.try_read(segment, after, fits);
        if result.is_err() {
            self.open = None;
        }
        result
    }

    fn try_read(
        &mut self,
        segment: &Segment,
        after: u64,
        fits: impl Fn(&[Arc<Frame>], usize) -> bool,
    ) -> io::Result<Vec<Arc<Frame>>> {
        let is_there =
            self.last == after && matches!(&self.open, Some((path, _)) if *path == segment.path);
        if !is_there {
            let reader = BufReader::with_capacity(4 * LINE_BYTES, File::open(&segment.path)?);
            self.open = Some((segment.path.clone(), reader));
            self.last = segment.first - 1;
        }
        let Some((_, reader)) = &mut self.open else {
            return Ok(Vec::new());
        };
        let (mut frames, mut bytes, mut line) = (Vec::new(), 0, Vec::with_capacity(LINE_BYTES));
        // What is past the end that was known when the segment was looked up may be half written.
        while self.last < segment.last {
            line.clear();
            bytes += reader.read_until(b'\n', &mut line)?;
            let frame = Frame::from_json(&line)
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            self.last = frame.seq;
            if frame.seq > after {
                frames.push(Arc::new(frame));
                if !fits(&frames, bytes) {
                    break;
                }
            } else {
                bytes = 0;
            }
        }
        Ok(frames)
    }
}
