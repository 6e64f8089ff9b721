//! Reading and following the log of one run of a container.
//!
//! Unlike kubelet, this reads the rotated files that are still there, too, and follows across any number of rotations, as
//! long as the files weren't removed meanwhile.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::unix::AsyncFd;

use super::entries::{Entry, Filter};
use super::files::rotated_files;
use crate::node::shim::state::ContainerDir;

/// Bytes that are read at a time.
const CHUNK: usize = 64 * 1024;
/// How long a follower sleeps at most before it looks again, should the kernel's notification queue overflow.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// What is wanted of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Wait for more until the container has ended.
    pub follow: bool,
    /// Only entries from then on.
    pub since: Option<Timestamp>,
    /// Only the last lines of what is there at the beginning.
    pub tail_lines: Option<u64>,
    /// Put the time before each line.
    pub timestamps: bool,
    /// End after this many bytes.
    pub limit_bytes: Option<u64>,
}

/// A log being read.
#[derive(Debug)]
pub struct Reader {
    dir: ContainerDir,
    filter: Filter,
    follow: bool,
    file: Option<(File, u64)>,
    pending: Vec<u8>,
    watch: Option<AsyncFd<Watch>>,
}

impl Reader {
    /// Begins to read.
    ///
    /// # Errors
    /// Fails when a file cannot be read.
    pub fn open(dir: ContainerDir, options: Options) -> io::Result<Self> {
        let skip = match options.tail_lines {
            Some(tail) => count_lines(&dir, options.since)?.saturating_sub(tail),
            None => 0,
        };
        let watch = if options.follow {
            Some(Watch::new(&dir)?)
        } else {
            None
        };
        let filter = Filter {
            since: options.since,
            timestamps: options.timestamps,
            skip,
            left: options.limit_bytes,
            in_line: false,
        };
        Ok(Self {
            dir,
            filter,
            follow: options.follow,
            file: None,
            pending: Vec::new(),
            watch,
        })
    }

    /// The next piece, or `None` at the end: of the log as it is, or, when following, of the container.
    ///
    /// # Errors
    /// Fails when a file cannot be read.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if self.filter.left == Some(0) {
                return Ok(None);
            }
            // Asked before reading: what the container wrote before it ended is found below.
            let ended = self.dir.exit().is_some();
            while let Some(piece) = self.read()? {
                if !piece.is_empty() {
                    return Ok(Some(piece));
                }
            }
            if ended || !self.follow {
                return Ok(None);
            }
            self.wait().await?;
        }
    }

    /// What is there now: `None` when nothing new is. Reads are done in place: they come from the page cache.
    fn read(&mut self) -> io::Result<Option<Bytes>> {
        if self.file.is_none() {
            match first_file(&self.dir)? {
                Some(file) => self.file = Some(file),
                None => return Ok(None),
            }
        }
        let mut buffer = vec![0_u8; CHUNK];
        loop {
            let Some((file, inode)) = &mut self.file else {
                return Ok(None);
            };
            let length = file.read(&mut buffer)?;
            if length > 0 {
                self.pending.extend_from_slice(&buffer[..length]);
                return Ok(Some(self.filter.take(&mut self.pending)));
            }
            let Some(next) = file_after(&self.dir, *inode)? else {
                return Ok(None);
            };
            // Rotated. More may have been written between the end that was seen and the rotation.
            let length = file.read(&mut buffer)?;
            self.pending.extend_from_slice(&buffer[..length]);
            if length == 0 {
                self.file = Some(next);
            } else {
                return Ok(Some(self.filter.take(&mut self.pending)));
            }
        }
    }

    async fn wait(&self) -> io::Result<()> {
        let Some(watch) = &self.watch else {
            return Ok(());
        };
        // The timeout's end is as good as a notification.
        if let Ok(ready) = tokio::time::timeout(LONGEST_SLEEP, watch.readable()).await {
            let mut ready = ready?;
            watch.get_ref().drain();
            ready.clear_ready();
        }
        Ok(())
    }
}

/// Notifications about a container's folder.
#[derive(Debug)]
struct Watch(Inotify);

impl Watch {
    fn new(dir: &ContainerDir) -> io::Result<AsyncFd<Self>> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let changes = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_DELETE_SELF;
        inotify.add_watch(dir.path(), changes)?;
        #[expect(unsafe_code, reason = "registering a descriptor has no safe form")]
        // SAFETY: the descriptor is owned by what is registered, so it stays open and the same until it is dropped.
        unsafe { AsyncFd::register(Self(inotify)) }.map_err(Into::into)
    }

    fn drain(&self) {
        while self.0.read_events().is_ok_and(|events| !events.is_empty()) {}
    }
}

impl std::os::fd::AsRawFd for Watch {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        std::os::fd::AsFd::as_fd(&self.0).as_raw_fd()
    }
}

fn all_files(dir: &ContainerDir) -> Vec<PathBuf> {
    let current = dir.log();
    rotated_files(&current)
        .into_iter()
        .map(|(_, path)| path)
        .chain([current])
        .collect()
}

fn open(path: PathBuf) -> io::Result<Option<(File, u64)>> {
    match File::open(path) {
        Ok(file) => {
            let inode = file.metadata()?.ino();
            Ok(Some((file, inode)))
        }
        // Not there yet, or rotated or removed since it was listed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn first_file(dir: &ContainerDir) -> io::Result<Option<(File, u64)>> {
    for path in all_files(dir) {
        if let Some(found) = open(path)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The file that was begun after the one with this inode, if there is one.
fn file_after(dir: &ContainerDir, inode: u64) -> io::Result<Option<(File, u64)>> {
    // The common case costs one call: the current file is still the one.
    if std::fs::metadata(dir.log()).is_ok_and(|metadata| metadata.ino() == inode) {
        return Ok(None);
    }
    let files = all_files(dir);
    let is_present =
        |path: &PathBuf| std::fs::metadata(path).is_ok_and(|metadata| metadata.ino() == inode);
    // When the file was removed meanwhile, the oldest one that is left goes on with the least loss.
    let after = files
        .iter()
        .position(is_present)
        .map_or(0, |position| position + 1);
    for path in files.into_iter().skip(after) {
        if let Some(found) = open(path)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn count_lines(dir: &ContainerDir, since: Option<Timestamp>) -> io::Result<u64> {
    let mut lines = 0;
    let mut open_line = false;
    let mut buffer = vec![0_u8; CHUNK];
    for path in all_files(dir) {
        let Some((mut file, _)) = open(path)? else {
            continue;
        };
        let mut pending = Vec::new();
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            pending.extend_from_slice(&buffer[..length]);
            let mut used = 0;
            while let Some(end) = pending[used..].iter().position(|&byte| byte == b'\n') {
                if let Some(entry) =
                    Entry::parse(&pending[used..used + end]).filter(|entry| entry.is_since(since))
                {
                    lines += u64::from(entry.full);
                    open_line = !entry.full;
                }
                used += end + 1;
            }
            pending.drain(..used);
        }
    }
    Ok(lines + u64::from(open_line))
}

#[cfg(test)]
mod tests;
