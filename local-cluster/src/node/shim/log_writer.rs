//! The log file of a container, in the format that Kubernetes' container runtimes write:
//! `<RFC 3339 time> <stdout|stderr> <F|P> <text>`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::node::logs::files::rotated_files;
use crate::node::sandbox::plan::LogPlan;

/// Longer lines are split: all but the last piece are tagged `P` (partial).
const MOST_LINE_BYTES: usize = 16 * 1024;

/// Which output a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Writes both outputs of a container into one file and rotates it.
#[derive(Debug)]
pub struct LogWriter {
    plan: LogPlan,
    file: File,
    size: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl LogWriter {
    /// Opens the log for appending.
    ///
    /// # Errors
    /// Fails when the file cannot be opened.
    pub fn open(plan: LogPlan) -> io::Result<Self> {
        let file = open(&plan.path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            plan,
            file,
            size,
            stdout: Vec::new(),
            stderr: Vec::new(),
        })
    }

    /// Takes output as it comes. Whole lines are in the file when this returns; the rest waits for its end.
    ///
    /// # Errors
    /// Fails when the disk does. What was passed is lost then, but the writer can go on.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let pending = self.pending(stream);
        let mut buffered = std::mem::take(pending);
        buffered.extend_from_slice(bytes);
        let mut rest = buffered.as_slice();
        let mut out = Vec::with_capacity(bytes.len() + 256);
        let prefix = prefix(stream);
        loop {
            let window = rest.get(..MOST_LINE_BYTES).unwrap_or(rest);
            let (tag, line, taken) = match window.iter().position(|&byte| byte == b'\n') {
                Some(end) => ('F', &window[..end], end + 1),
                None if window.len() == MOST_LINE_BYTES => ('P', window, MOST_LINE_BYTES),
                None => break,
            };
            entry(&mut out, &prefix, tag, line);
            rest = &rest[taken..];
        }
        *self.pending(stream) = rest.to_vec();
        self.append(&out)
    }

    /// Writes what the container left without a line's end.
    ///
    /// # Errors
    /// Fails when the disk does.
    pub fn finish(&mut self) -> io::Result<()> {
        let mut out = Vec::new();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = std::mem::take(self.pending(stream));
            if !rest.is_empty() {
                entry(&mut out, &prefix(stream), 'P', &rest);
            }
        }
        self.append(&out)
    }

    fn pending(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn append(&mut self, entries: &[u8]) -> io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        if self.size > 0 && self.size + entries.len() as u64 > self.plan.max_bytes {
            self.rotate()?;
        }
        self.file.write_all(entries)?;
        self.size += entries.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let rotated = rotated_files(&self.plan.path);
        let next = rotated.last().map_or(1, |(number, _)| number + 1);
        let surplus = (rotated.len() + 2).saturating_sub(self.plan.max_files.max(2));
        for (_, path) in rotated.iter().take(surplus) {
            fs::remove_file(path)?;
        }
        let mut name = self.plan.path.clone().into_os_string();
        name.push(format!(".{next}"));
        fs::rename(&self.plan.path, PathBuf::from(name))?;
        self.file = open(&self.plan.path)?;
        self.size = 0;
        Ok(())
    }
}

fn open(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
}

fn prefix(stream: Stream) -> String {
    let name = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    format!("{:.9} {name} ", Timestamp::now())
}

fn entry(out: &mut Vec<u8>, prefix: &str, tag: char, line: &[u8]) {
    out.extend_from_slice(prefix.as_bytes());
    out.push(tag as u8);
    out.push(b' ');
    out.extend_from_slice(line);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(max_bytes: u64) -> (tempfile::TempDir, LogWriter) {
        let dir = tempfile::tempdir().unwrap();
        let plan = LogPlan {
            path: dir.path().join("0.log"),
            max_bytes,
            max_files: 3,
        };
        let writer = LogWriter::open(plan).unwrap();
        (dir, writer)
    }

    fn entries(dir: &tempfile::TempDir) -> Vec<String> {
        let text = fs::read_to_string(dir.path().join("0.log")).unwrap();
        text.lines()
            .map(|line| line.split_once(' ').unwrap().1.to_owned())
            .collect()
    }

    #[test]
    fn streams_do_not_mix_within_a_line() {
        let (dir, mut log) = writer(1 << 20);
        log.write(Stream::Stdout, b"one ").unwrap();
        log.write(Stream::Stderr, b"error\nrest").unwrap();
        log.write(Stream::Stdout, b"line\n\n").unwrap();
        log.finish().unwrap();
        assert_eq!(
            entries(&dir),
            [
                "stderr F error",
                "stdout F one line",
                "stdout F ",
                "stderr P rest"
            ]
        );
    }

    #[test]
    fn long_lines_are_split() {
        let (dir, mut log) = writer(1 << 20);
        log.write(Stream::Stdout, &[b'x'; MOST_LINE_BYTES + 1])
            .unwrap();
        log.write(Stream::Stdout, b"\n").unwrap();
        assert_eq!(
            entries(&dir),
            [
                format!("stdout P {}", "x".repeat(MOST_LINE_BYTES)),
                "stdout F x".to_owned()
            ]
        );
    }

    #[test]
    fn rotation_keeps_the_newest_files() {
        let (dir, mut log) = writer(100);
        for number in 0..10 {
            log.write(
                Stream::Stdout,
                format!("{number}{}\n", "x".repeat(60)).as_bytes(),
            )
            .unwrap();
        }
        let kept = rotated_files(&dir.path().join("0.log"));
        assert_eq!(
            kept.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
            [8, 9]
        );
        assert!(entries(&dir)[0].starts_with("stdout F 9x"));
    }

    #[test]
    fn times_have_nanoseconds() {
        let prefix = prefix(Stream::Stdout);
        let (time, _) = prefix.split_once(' ').unwrap();
        assert_eq!(time.len(), "2026-01-02T03:04:05.123456789Z".len());
    }
}
