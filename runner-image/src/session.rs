//! The session of Codex: kept at the end of a task, put back at the start of one that continues it.
//!
//! Codex writes one file a session, `sessions/YYYY/MM/DD/rollout-<time>-<thread>.jsonl` in its home. The home belongs to the agent,
//! so links in it are not followed: the runner would read what the agent cannot. When the file is read, every process of the task is gone.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use codex_tasklog::{Artifact, SpoolLimits, SpoolWriter};
use serde::Deserialize;

/// `sessions/YYYY/MM/DD`
const LEVELS: usize = 3;
/// How many entries of a folder are looked at: one session makes one folder of each level.
const MAX_ENTRIES: usize = 1000;
/// The longest first line: it holds the instructions of Codex.
const MAX_HEAD_BYTES: u64 = 1 << 20;
/// Decoders refuse windows above 8 MiB.
const MAX_WINDOW_LOG: u32 = 23;

/// A session, compressed into a file without a name.
#[derive(Debug)]
pub struct Packed {
    /// The file.
    pub file: File,
    /// How many bytes it has.
    pub size: u64,
}

/// Compresses the session of a thread; `None` when Codex left none.
///
/// # Errors
/// The error of the system, or that the session is too large to be kept.
pub fn pack(home: &Path, thread: &str, temporary: &Path) -> io::Result<Option<Packed>> {
    let Some(path) = find(&home.join("sessions"), thread)? else {
        return Ok(None);
    };
    let mut session = File::options()
        .read(true)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(path)?;
    let limits = SpoolLimits {
        text: Artifact::Session.max_text_bytes(),
        stored: Artifact::Session.max_bytes(),
    };
    let mut packed = SpoolWriter::new(tempfile::tempfile_in(temporary)?, limits)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match session.read(&mut buffer)? {
            0 => break,
            length => packed.write(&buffer[..length])?,
        }
    }
    let (file, size) = packed.finish()?;
    Ok(Some(Packed { file, size }))
}

/// The newest session of a thread.
fn find(sessions: &Path, thread: &str) -> io::Result<Option<PathBuf>> {
    if !is_thread(thread) || !is_folder(sessions) {
        return Ok(None);
    }
    let mut folders = vec![sessions.to_owned()];
    for _ in 0..LEVELS {
        let mut below = Vec::new();
        for folder in folders {
            for entry in folder.read_dir()?.take(MAX_ENTRIES) {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    below.push(entry.path());
                }
            }
        }
        below.truncate(MAX_ENTRIES);
        folders = below;
    }
    let ending = format!("-{thread}.jsonl");
    let mut newest = None;
    for folder in folders {
        for entry in folder.read_dir()?.take(MAX_ENTRIES) {
            let entry = entry?;
            let name = entry.file_name();
            if entry.file_type()?.is_file()
                && name.to_str().is_some_and(|name| name.ends_with(&ending))
            {
                let candidate = (entry.metadata()?.modified()?, entry.path());
                newest = newest.max(Some(candidate));
            }
        }
    }
    Ok(newest.map(|(_, path)| path))
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Threads are UUIDs. They become a part of a path and an argument, and sessions come from an agent.
fn is_thread(text: &str) -> bool {
    text.len() == 36
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        && !text.starts_with('-')
}

/// The first line of a session.
#[derive(Deserialize)]
struct Head {
    payload: Meta,
}

#[derive(Deserialize)]
struct Meta {
    id: String,
    timestamp: jiff::Timestamp,
}

/// Puts a session into an empty home. Answers with its thread.
///
/// # Errors
/// The error of the system, or that it is no session.
pub fn unpack(packed: Bytes, home: &Path) -> io::Result<String> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(io::Cursor::new(packed))?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    let mut session = BufReader::new(decoder);
    let mut head = Vec::new();
    (&mut session)
        .take(MAX_HEAD_BYTES)
        .read_until(b'\n', &mut head)?;
    let Ok(Head { payload: meta }) = serde_json::from_slice::<Head>(&head) else {
        return Err(io::Error::other("it does not begin like a session"));
    };
    if !is_thread(&meta.id) {
        return Err(io::Error::other("it does not name its thread"));
    }
    let folder = home
        .join("sessions")
        .join(meta.timestamp.strftime("%Y/%m/%d").to_string());
    fs::create_dir_all(&folder)?;
    let time = meta.timestamp.strftime("%Y-%m-%dT%H-%M-%S");
    let mut file = File::create_new(folder.join(format!("rollout-{time}-{}.jsonl", meta.id)))?;
    file.write_all(&head)?;
    let limit = Artifact::Session.max_text_bytes();
    if io::copy(&mut session.take(limit), &mut file)? == limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(meta.id)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};
    use std::os::unix::fs::symlink;

    use super::*;

    const THREAD: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn session() -> String {
        let head = format!(
            r#"{{"timestamp":"T","type":"session_meta","payload":{{"id":"{THREAD}","timestamp":"2026-01-02T03:04:05.678Z"}}}}"#
        );
        format!("{head}\n{{\"type\":\"x\"}}\n")
    }

    fn bytes(mut packed: Packed) -> Bytes {
        let mut bytes = Vec::new();
        packed.file.rewind().unwrap();
        packed.file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, packed.size);
        bytes.into()
    }

    #[test]
    fn a_session_moves_from_home_to_home() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("first"), dir.path().join("second"));
        let folder = first.join("sessions/2026/01/03");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("rollout-x-{THREAD}.jsonl")), session()).unwrap();
        fs::write(folder.join("rollout-x-another.jsonl"), "x").unwrap();

        let packed = pack(&first, THREAD, dir.path()).unwrap().unwrap();
        assert_eq!(unpack(bytes(packed), &second).unwrap(), THREAD);
        let name = format!("sessions/2026/01/02/rollout-2026-01-02T03-04-05-{THREAD}.jsonl");
        assert_eq!(fs::read_to_string(second.join(name)).unwrap(), session());
        let again = pack(&second, THREAD, dir.path()).unwrap();
        assert!(again.is_some(), "and from there to the next");
    }

    #[test]
    fn links_are_not_followed_and_odd_threads_not_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join(format!("rollout-x-{THREAD}.jsonl"));
        fs::write(&secret, "secret").unwrap();
        let home = dir.path().join("home");
        let day = home.join("sessions/2026/01/02");
        fs::create_dir_all(&day).unwrap();
        symlink(&secret, day.join(format!("rollout-x-{THREAD}.jsonl"))).unwrap();
        symlink(dir.path(), home.join("sessions/2026/01/03")).unwrap();
        assert!(pack(&home, THREAD, dir.path()).unwrap().is_none());
        assert!(pack(&home, "", dir.path()).unwrap().is_none());
        assert!(pack(&home, "/../..", dir.path()).unwrap().is_none());

        let other = dir.path().join("other");
        fs::create_dir(&other).unwrap();
        symlink(home.join("sessions"), other.join("sessions")).unwrap();
        assert!(pack(&other, THREAD, dir.path()).unwrap().is_none());
        assert!(
            pack(&dir.path().join("none"), THREAD, dir.path())
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn what_is_no_session_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let odd = session().replace(THREAD, "../../../../../../../../../tmp/a-thread");
        for text in ["", "x", "{}\n", &odd] {
            let mut packed = SpoolWriter::new(Vec::new(), SpoolLimits::default()).unwrap();
            packed.write(text.as_bytes()).unwrap();
            let packed = packed.finish().unwrap().0;
            assert!(unpack(packed.into(), dir.path()).is_err(), "{text}");
        }
        assert!(unpack(Bytes::from_static(b"no zstd"), dir.path()).is_err());
        assert_eq!(
            dir.path().read_dir().unwrap().count(),
            0,
            "nothing was written"
        );
    }
}
