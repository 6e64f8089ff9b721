//! Where logs stay for ever.
//!
//! A log is stored as chunks of frames, uploaded while the task runs, and a manifest, written when it is complete:
//!
//! ```text
//! tasks/<id>/chunks/<number of the first frame>-<number of the last>.ndjson.zst
//! tasks/<id>/manifest.json
//! ```
//!
//! Two writers may work on the same log, because no lease keeps an operator from writing once more after it lost it, and each
//! may cut chunks elsewhere, because chunks are cut by size and by time. Making all writers cut alike would need boundaries
//! that depend on numbers alone, and then slow logs would wait for hours before anything is safe. So boundaries are free,
//! and these rules make it safe:
//!
//! 1. The name of a chunk says what it holds, and frames never change. Chunks are created, never replaced or deleted: whoever
//!    comes second to a name finds the same frames there, checks them, and goes on. Only an object that is damaged is replaced.
//! 2. Chunks may overlap. Readers take the numbers that follow what they have and drop the rest.
//! 3. A manifest names one sequence of chunks that covers the log. The first one stands, unless it is damaged or holds
//!    fewer frames than a later one. Chunks of another writer that it does not name are never read again.
//! 4. A writer that starts reads the chunks that are there, checks them and goes on after them; so a crash costs nothing but
//!    what was not uploaded, which the live log still has.
//!
//! ## Gaps
//!
//! Frames that were lost between the container and the operator are one gap frame. A gap is always the first frame of its chunk, and
//! never all of it. When the task has ended, the record that its runner kept (`tasks/<id>/artifacts/frames.ndjson.zst`) may have what is
//! missing: then chunks with just the missing frames are written, and the manifest lists them before the chunk with the gap, which
//! readers skip by rule 2 because they have its numbers already. Nothing that was written changes. A gap stays in a complete log only
//! where there is no record, or where the record does not fit the hash in the end frame or the frames that did arrive.
//!
//! Hashes are taken of the text, not of compressed bytes, so that writers with different versions of zstd agree. Stores that ignore
//! conditional writes lose nothing: writers then replace objects by ones with the same content.

mod chunk;
mod folder;
mod location;
mod manifest;
mod object;
mod read;
mod repair;
#[cfg(feature = "s3")]
mod s3;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use folder::Folder;
pub use location::ArchiveLocation;
pub use manifest::{ChunkEntry, Manifest};
pub use object::ObjectStore;
pub use repair::Repair;
#[cfg(feature = "s3")]
pub use s3::{S3Config, S3Store};
pub use writer::ArchiveWriter;

use crate::error::LogError;
use crate::frame::Frame;
use crate::live::FrameStream;

/// The store of logs that stay.
#[async_trait]
pub trait Archive: Send + Sync + 'static {
    /// Begins to write the log of a task, or goes on where the chunks that are there end.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached.
    async fn writer(&self, task: &str) -> Result<ArchiveWriter, LogError>;

    /// The list of what a complete log is made of; `None` while it is not complete.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached, [`LogError::Damaged`] when it is not a manifest.
    async fn manifest(&self, task: &str) -> Result<Option<Manifest>, LogError>;

    /// The frames after number `after` of a complete log, read from the chunk that holds the first of them; `None` while
    /// the log is not complete.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached. The stream yields [`LogError::Damaged`] where what is stored
    /// is not what the manifest says.
    async fn read(&self, task: &str, after: u64) -> Result<Option<FrameStream>, LogError>;

    /// The frames after number `after` as far as they are uploaded, of a log that may still grow; `None` when frame
    /// `after + 1` is not among them.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached.
    async fn read_uploaded(&self, task: &str, after: u64) -> Result<Option<FrameStream>, LogError>;

    /// Number of the last frame up to which all are uploaded, 0 when there is none.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached.
    async fn uploaded(&self, task: &str) -> Result<u64, LogError>;

    /// The store that the archive is in, for what lies beside the logs ([`Artifact`](crate::Artifact)).
    fn objects(&self) -> Arc<dyn ObjectStore>;

    /// Stores the whole log of a task; answers with its location. A log that is there already and holds as much stays.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when it could not be stored; readers then find no complete log. [`LogError::Hole`] when
    /// numbers are missing.
    async fn put(&self, task: &str, frames: &[Arc<Frame>]) -> Result<String, LogError> {
        let mut writer = self.writer(task).await?;
        writer.append(frames).await?;
        writer.finish().await?;
        Ok(writer.location())
    }
}

/// When a chunk is uploaded.
#[derive(Clone, Copy, Debug)]
pub struct Chunking {
    /// When its text has this many bytes.
    pub bytes: usize,
    /// When its first frame has waited for this long.
    pub age: Duration,
}

impl Default for Chunking {
    fn default() -> Self {
        Self {
            bytes: 1024 * 1024,
            age: Duration::from_secs(10),
        }
    }
}

/// An archive of chunks in a store of objects. Clones share the store.
#[derive(Debug)]
pub struct ChunkArchive<S> {
    store: Arc<S>,
    chunking: Chunking,
}

/// An archive in a folder.
pub type DirArchive = ChunkArchive<Folder>;

impl DirArchive {
    /// An archive in `dir`, which is created when needed.
    #[must_use]
    pub fn new(dir: impl Into<std::path::PathBuf>) -> Self {
        Self::over(Folder::new(dir))
    }
}

impl<S: ObjectStore> ChunkArchive<S> {
    /// An archive in a store.
    #[must_use]
    pub fn over(store: S) -> Self {
        Self {
            store: Arc::new(store),
            chunking: Chunking::default(),
        }
    }

    /// The same archive with chunks of another size.
    #[must_use]
    pub const fn with_chunking(mut self, chunking: Chunking) -> Self {
        self.chunking = chunking;
        self
    }
}

impl<S> Clone for ChunkArchive<S> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            chunking: self.chunking,
        }
    }
}

#[async_trait]
impl<S: ObjectStore> Archive for ChunkArchive<S> {
    async fn writer(&self, task: &str) -> Result<ArchiveWriter, LogError> {
        crate::check_task_id(task)?;
        ArchiveWriter::open(self.shared(), task, self.chunking).await
    }

    async fn manifest(&self, task: &str) -> Result<Option<Manifest>, LogError> {
        crate::check_task_id(task)?;
        read::manifest(&*self.store, task).await
    }

    async fn read(&self, task: &str, after: u64) -> Result<Option<FrameStream>, LogError> {
        let manifest = self.manifest(task).await?;
        Ok(manifest.map(|manifest| read::complete(self.shared(), manifest, after)))
    }

    async fn read_uploaded(&self, task: &str, after: u64) -> Result<Option<FrameStream>, LogError> {
        crate::check_task_id(task)?;
        let uploaded = read::Uploaded::open(self.shared(), task, after).await?;
        Ok(uploaded.covers_next().then(|| uploaded.into_stream()))
    }

    async fn uploaded(&self, task: &str) -> Result<u64, LogError> {
        crate::check_task_id(task)?;
        let uploaded = read::Uploaded::open(self.shared(), task, 0).await?;
        Ok(uploaded.reach())
    }

    fn objects(&self) -> Arc<dyn ObjectStore> {
        self.shared()
    }
}

impl<S: ObjectStore> ChunkArchive<S> {
    fn shared(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store) as Arc<dyn ObjectStore>
    }
}

fn manifest_key(task: &str) -> String {
    format!("tasks/{task}/manifest.json")
}

fn chunk_folder(task: &str) -> String {
    format!("tasks/{task}/chunks")
}

fn chunk_key(task: &str, range: chunk::Range) -> String {
    format!("{}/{}", chunk_folder(task), range.name())
}
