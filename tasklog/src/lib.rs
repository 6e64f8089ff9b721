//! The log of a task: frames, live store, archive and the reader that joins them.
//!
//! The runner numbers what Codex writes into [`Frame`]s (`encode`), the operator appends them to a live store (`live`,
//! `memory`, `redis`) and uploads them to an [`Archive`] (`archive`), and whoever watches asks a [`Reader`] for everything after a
//! number. `artifacts` is what a task leaves beside its log. `hub` lends the in-memory live store of one process to others on the same machine.

mod archive;
mod artifacts;
mod encode;
mod error;
mod frame;
mod hash;
pub mod hub;
mod join;
mod live;
mod memory;
mod phases;
mod reader;
#[cfg(feature = "redis")]
mod redis;
mod silence;

#[cfg(feature = "redis")]
pub use self::redis::{LiveLocation, RedisConfig, RedisStore, authorities_file, redis_address};
pub use archive::{
    Archive, ArchiveLocation, ArchiveWriter, ChunkArchive, ChunkEntry, Chunking, DirArchive,
    Folder, Manifest, ObjectStore, Repair,
};
#[cfg(feature = "s3")]
pub use archive::{S3Config, S3Store};
pub use artifacts::{Artifact, SpoolLimits, SpoolWriter, read_spool};
pub use encode::{EndReport, FrameEncoder, MAX_FRAME_BYTES};
pub use error::LogError;
pub use frame::{Body, End, Frame, ParseError, Stream, parse_wire};
pub use hash::FrameHasher;
pub use join::{Joined, JoinedBody, Joiner};
pub use live::{FrameStream, LiveLimits, LiveLog, LiveLogWriter};
pub use memory::MemoryStore;
pub use phases::{Period, Phases};
pub use reader::Reader;

/// Refuses ids that could leave a folder or a key prefix.
///
/// # Errors
/// [`LogError::InvalidTaskId`] when the id is not made of lower-case letters, digits, dots and dashes.
pub fn check_task_id(task: &str) -> Result<(), LogError> {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
    };
    if task.is_empty() || task.len() > 253 || task.contains("..") || !task.bytes().all(allowed) {
        return Err(LogError::InvalidTaskId(task.chars().take(64).collect()));
    }
    Ok(())
}
