//! The parts' log files: bounded, and their end shown when a part does not start.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::progress::Progress;

/// Bytes after which a log is moved aside. One older file is kept for each part.
const LARGEST: u64 = 16 * 1024 * 1024;
/// How often the sizes are looked at.
const INTERVAL: Duration = Duration::from_secs(10);
/// How much of a log's end is read for a message, in bytes.
const TAIL_BYTES: u64 = 16 * 1024;
/// How many of its lines are shown.
const TAIL_LINES: usize = 15;

/// Keeps all logs in `folder` bounded, until it is told to stop.
pub async fn keep_bounded(folder: PathBuf, progress: Progress, stop: CancellationToken) {
    loop {
        for error in rotate_all(&folder, LARGEST) {
            progress.warn(error);
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}

fn rotate_all(folder: &Path, largest: u64) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .filter(|path| path.metadata().is_ok_and(|found| found.len() > largest))
        .filter_map(|path| {
            rotate(&path)
                .err()
                .map(|error| format!("cannot shorten {}: {error}", path.display()))
        })
        .collect()
}

/// Copies the log aside and empties it. The process goes on writing into the same file, which is open for appending; a line that it
/// writes between copy and cut is lost. A pipe through the supervisor would lose more: everything, when the supervisor is killed.
fn rotate(path: &Path) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".1");
    fs::copy(path, &aside)?;
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

/// The last lines of a log behind byte `from`, indented, and where the rest is.
#[must_use]
pub fn tail(path: &Path, from: u64) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES).max(from)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    let mut result = String::new();
    for line in shown {
        result.push_str("    ");
        result.push_str(line);
        result.push('\n');
    }
    result.push_str(&format!("the whole log: {}", path.display()));
    result
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_long_log_is_moved_aside_while_somebody_writes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.log");
        let mut writer = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .unwrap();
        writer.write_all(b"0123456789").unwrap();
        assert!(rotate_all(dir.path(), 10).is_empty());
        assert_eq!(
            fs::read(&path).unwrap(),
            b"0123456789",
            "not long enough yet"
        );
        assert!(rotate_all(dir.path(), 9).is_empty());
        writer.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(
            fs::read(dir.path().join("gateway.log.1")).unwrap(),
            b"0123456789"
        );
    }

    #[test]
    fn the_tail_is_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        let text: String = (0..20_000)
            .map(|number| format!("line {number}\n"))
            .collect();
        fs::write(&path, text).unwrap();
        let shown = tail(&path, 0);
        assert_eq!(shown.lines().count(), TAIL_LINES + 1);
        assert!(
            shown.contains("    line 19999\n") && !shown.contains("line 19984\n"),
            "{shown}"
        );
        let end = fs::metadata(&path).unwrap().len();
        assert_eq!(tail(&path, end - 11).lines().next(), Some("    line 19999"));
        assert!(tail(&dir.path().join("none"), 0).contains("the whole log"));
    }
}
