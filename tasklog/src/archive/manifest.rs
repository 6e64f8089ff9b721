//! The list of what a complete archive is made of.

use serde::{Deserialize, Serialize};

use super::chunk::Range;
use crate::error::LogError;
use crate::frame::End;

/// The version of the format that is written.
const VERSION: u32 = 1;

/// What a complete log is made of. It is written last, so that where there is one, the log is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub(super) version: u32,
    /// The task.
    pub task: String,
    /// Number of the first frame: 1.
    pub first: u64,
    /// Number of the last frame; 0 when the log is empty.
    pub last: u64,
    /// How many of the numbers are frames that were lost for good.
    pub lost: u64,
    /// Size of the NDJSON text of all chunks, in bytes.
    pub bytes: u64,
    /// SHA-256 over all frames as [`FrameHasher`](crate::FrameHasher) makes it, in hexadecimal. The runner's own is in the
    /// end frame.
    pub sha256: String,
    /// What the end frame says, where there is one.
    pub end: Option<End>,
    /// The chunks in the order in which they are read. A chunk may repeat the last frames of the one before it.
    pub chunks: Vec<ChunkEntry>,
}

/// One chunk of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkEntry {
    /// Number of its first frame.
    pub first: u64,
    /// Number of its last frame.
    pub last: u64,
    /// Size of its NDJSON text, in bytes.
    pub bytes: u64,
    /// Size of the object as it was written, in bytes.
    pub stored: u64,
    /// SHA-256 of its NDJSON text, in hexadecimal: `zstd -dc CHUNK | sha256sum`.
    pub sha256: String,
}

impl ChunkEntry {
    pub(super) const fn range(&self) -> Range {
        Range {
            first: self.first,
            last: self.last,
        }
    }
}

impl Manifest {
    pub(super) fn new(task: &str, chunks: Vec<ChunkEntry>) -> Self {
        Self {
            version: VERSION,
            task: task.to_owned(),
            first: 1,
            last: chunks.last().map_or(0, |chunk| chunk.last),
            lost: 0,
            bytes: 0,
            sha256: String::new(),
            end: None,
            chunks,
        }
    }

    /// How many frames of the task are in the log.
    #[must_use]
    pub const fn kept(&self) -> u64 {
        self.last.saturating_sub(self.lost)
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        let mut text =
            serde_json::to_vec_pretty(self).expect("strings and numbers always serialize");
        text.push(b'\n');
        text
    }

    /// Reads a manifest of `task` and checks that its chunks cover the log.
    ///
    /// # Errors
    /// [`LogError::Damaged`] says what is wrong.
    pub(super) fn from_json(text: &[u8], task: &str) -> Result<Self, LogError> {
        let damaged = |problem: String| LogError::Damaged(format!("manifest of {task}: {problem}"));
        let manifest: Self =
            serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
        if manifest.version != VERSION {
            // It is whole, only newer: it must be neither replaced nor taken for damaged.
            let problem = format!(
                "the archive of {task} has format {}, this release knows {VERSION}; update it",
                manifest.version
            );
            return Err(LogError::Unavailable(std::io::Error::other(problem)));
        }
        if manifest.task != task {
            return Err(damaged(format!("it belongs to {}", manifest.task)));
        }
        let mut last = 0;
        for chunk in &manifest.chunks {
            if chunk.first == 0 || chunk.first > last + 1 || chunk.last <= last {
                return Err(damaged(format!("chunk {} is out of place", chunk.first)));
            }
            last = chunk.last;
        }
        if manifest.first != 1 || manifest.last != last {
            return Err(damaged(format!("its chunks end at {last}")));
        }
        Ok(manifest)
    }
}
