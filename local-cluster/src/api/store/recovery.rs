//! Files of the storage: their format, and reading them back.
//!
//! `snapshot-<rv>` holds every live object at a revision; `log-<rv>` holds the writes after one.
//! Both are sequences of frames: length (u32 LE), CRC-32 (u32 LE), payload. A snapshot counts only
//! with its end frame, so a torn one is ignored; a torn frame ends the newest log and nothing else.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::state::{State, Stored};
use super::{StoreError, encode_record};

const HEADER: usize = 8;
const END: &[u8] = b"end of snapshot";

pub(super) struct Recovered {
    pub(super) state: State,
    pub(super) lock: File,
}

pub(super) fn log_path(dir: &Path, rv: u64) -> PathBuf {
    dir.join(format!("log-{rv:020}"))
}

fn snapshot_path(dir: &Path, rv: u64) -> PathBuf {
    dir.join(format!("snapshot-{rv:020}"))
}

/// Appends one frame whose payload `fill` writes.
pub(super) fn frame(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    fill(out);
    let payload = &out[start + HEADER..];
    let crc = crc32fast::hash(payload);
    // Request bodies are capped at 3 MiB, so a payload always fits.
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    out[start + 4..start + HEADER].copy_from_slice(&crc.to_le_bytes());
}

pub(super) fn recover(dir: &Path, history: usize) -> Result<Recovered, StoreError> {
    let failed = |what: &str, e: &std::io::Error| {
        StoreError::Disk(format!("cannot {what} {}: {e}", dir.display()))
    };
    fs::create_dir_all(dir).map_err(|e| failed("create", &e))?;
    let lock = File::create(dir.join("lock")).map_err(|e| failed("lock", &e))?;
    lock.try_lock().map_err(|_| {
        StoreError::Disk(format!(
            "{} is in use by another API server; stop it or choose another data folder",
            dir.display()
        ))
    })?;
    let snapshots = numbered(dir, "snapshot-").map_err(|e| failed("read", &e))?;
    let mut state = None;
    for (rv, path) in snapshots.into_iter().rev() {
        if let Some(found) = read_snapshot(&path, rv, history)? {
            state = Some(found);
            break;
        }
    }
    // Revision 1 exists from the start, so that "0" keeps its meaning of "any".
    let mut state = state.unwrap_or_else(|| State::new(1, history));
    let logs = numbered(dir, "log-").map_err(|e| failed("read", &e))?;
    let newest = logs.last().map(|(rv, _)| *rv);
    for (rv, path) in logs {
        replay(&mut state, &path, Some(rv) == newest)?;
    }
    Ok(Recovered { state, lock })
}

fn numbered(dir: &Path, prefix: &str) -> std::io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(rv) = name
            .to_str()
            .and_then(|n| n.strip_prefix(prefix))
            .and_then(|n| n.parse().ok())
        {
            found.push((rv, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// The frames of a file up to the first damaged one, and the length of the sound part.
fn frames(data: &Bytes) -> (Vec<Bytes>, usize) {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(header) = data.get(at..at + HEADER) {
        let word = |r: std::ops::Range<usize>| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&header[r]);
            u32::from_le_bytes(bytes)
        };
        let (len, crc) = (word(0..4) as usize, word(4..8));
        let start = at + HEADER;
        match data.get(start..start + len) {
            // No payload is empty: a run of zeros is a hole that a crash left, not a frame.
            Some(payload) if len > 0 && crc32fast::hash(payload) == crc => {
                found.push(data.slice(start..start + len));
                at = start + len;
            }
            _ => break,
        }
    }
    (found, at)
}

struct Record {
    collection: String,
    removed: bool,
    stored: Stored,
}

fn decode(payload: &Bytes) -> Option<Record> {
    let (removed, len) = (*payload.first()? == 1, usize::from(*payload.get(1)?));
    let collection = std::str::from_utf8(payload.get(2..2 + len)?)
        .ok()?
        .to_owned();
    // A copy, so that one object does not keep the whole file in memory.
    let json = Bytes::copy_from_slice(payload.get(2 + len..)?);
    let value: Value = serde_json::from_slice(&json).ok()?;
    let rv = value
        .pointer("/metadata/resourceVersion")?
        .as_str()?
        .parse()
        .ok()?;
    let stored = Stored { value, json, rv };
    Some(Record {
        collection,
        removed,
        stored,
    })
}

fn read(path: &Path) -> Result<Bytes, StoreError> {
    fs::read(path)
        .map(Bytes::from)
        .map_err(|e| StoreError::Disk(format!("cannot read {}: {e}", path.display())))
}

fn damaged(path: &Path, at: usize) -> StoreError {
    StoreError::Disk(format!(
        "{} is damaged at byte {at}; restore the data folder from a backup",
        path.display()
    ))
}

fn read_snapshot(path: &Path, rv: u64, history: usize) -> Result<Option<State>, StoreError> {
    let (mut payloads, at) = frames(&read(path)?);
    if payloads.pop().as_deref() != Some(END) {
        tracing::warn!(path = %path.display(), "ignoring an unfinished snapshot");
        return Ok(None);
    }
    let mut state = State::new(rv, history);
    for payload in &payloads {
        let record = decode(payload).ok_or_else(|| damaged(path, at))?;
        state.restore(&record.collection, record.stored);
    }
    Ok(Some(state))
}

fn replay(state: &mut State, path: &Path, newest: bool) -> Result<(), StoreError> {
    let data = read(path)?;
    let (payloads, sound) = frames(&data);
    for payload in &payloads {
        let record = decode(payload).ok_or_else(|| damaged(path, sound))?;
        // A crash between a snapshot and the removal of its logs leaves older records behind.
        if record.stored.rv > state.rv {
            state.replay(&record.collection, record.removed, record.stored);
        }
    }
    if sound == data.len() {
        return Ok(());
    }
    if !newest {
        return Err(damaged(path, sound));
    }
    // The torn end was never acknowledged. It goes now, or the next record would follow it.
    tracing::warn!(path = %path.display(), bytes = data.len() - sound, "cutting off a torn record");
    File::options()
        .write(true)
        .open(path)
        .and_then(|f| f.set_len(sound as u64).and_then(|()| f.sync_all()))
        .map_err(|e| StoreError::Disk(format!("cannot repair {}: {e}", path.display())))
}

pub(super) fn write_snapshot(
    dir: &Path,
    rv: u64,
    objects: &[(Arc<str>, Arc<Stored>)],
) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let partial = dir.join("snapshot.partial");
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    let mut out = BufWriter::new(file);
    let mut buffer = Vec::new();
    for (collection, stored) in objects {
        buffer.clear();
        encode_record(collection, false, &stored.json, &mut buffer);
        out.write_all(&buffer)?;
    }
    buffer.clear();
    frame(&mut buffer, |payload| payload.extend_from_slice(END));
    out.write_all(&buffer)?;
    let file = out
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&partial, snapshot_path(dir, rv))?;
    File::open(dir)?.sync_all()
}

/// The bytes of all log files.
pub(super) fn log_bytes(dir: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for (_, path) in numbered(dir, "log-")? {
        sum += fs::metadata(path)?.len();
    }
    Ok(sum)
}

/// Removes snapshots and logs that the snapshot at `rv` replaces.
pub(super) fn remove_before(dir: &Path, rv: u64) -> std::io::Result<()> {
    for prefix in ["snapshot-", "log-"] {
        for (number, path) in numbered(dir, prefix)? {
            if number < rv {
                fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}
