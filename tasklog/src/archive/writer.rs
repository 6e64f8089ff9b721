//! Writes a log in chunks while it grows.

use std::sync::Arc;

use tokio::time::Instant;

use super::chunk::{self, Chunk, Clip, Range};
use super::manifest::{ChunkEntry, Manifest};
use super::object::ObjectStore;
use super::read::{self, Uploaded};
use super::{Chunking, chunk_key, manifest_key};
use crate::error::LogError;
use crate::frame::{Body, End, Frame};
use crate::hash::FrameHasher;

/// Writes the log of one task. Every method can be called again after an error, or after its future was dropped; nothing is
/// lost or written twice.
pub struct ArchiveWriter {
    store: Arc<dyn ObjectStore>,
    task: String,
    chunking: Chunking,
    uploaded: Content,
    chunks: Vec<ChunkEntry>,
    pending: Pending,
    /// The manifest that was there when the writer was opened, and that the chunks agree with.
    complete: Option<Manifest>,
}

/// What a run of frames from the start amounts to.
#[derive(Clone, Default)]
struct Content {
    last: u64,
    lost: u64,
    end: Option<End>,
    hasher: FrameHasher,
}

impl Content {
    fn add(&mut self, frame: &Frame) {
        self.last = frame.seq;
        self.hasher.update(frame);
        match &frame.body {
            Body::Gap { count } => self.lost += count,
            Body::End(end) => self.end = Some(end.clone()),
            Body::Line { .. } | Body::Event { .. } | Body::Beat => {}
        }
    }
}

/// Frames that wait to be uploaded.
#[derive(Default)]
struct Pending {
    frames: Vec<Arc<Frame>>,
    text: Arc<Vec<u8>>,
    since: Option<Instant>,
}

impl ArchiveWriter {
    pub(super) async fn open(
        store: Arc<dyn ObjectStore>,
        task: &str,
        chunking: Chunking,
    ) -> Result<Self, LogError> {
        let mut writer = Self {
            store,
            task: task.to_owned(),
            chunking,
            uploaded: Content::default(),
            chunks: Vec::new(),
            pending: Pending::default(),
            complete: None,
        };
        match read::manifest(&*writer.store, task).await {
            Ok(Some(manifest)) => {
                if writer.agrees_with(&manifest).await? {
                    writer.complete = Some(manifest);
                    return Ok(writer);
                }
                tracing::warn!(task.id = %task, "an archive is damaged and is written again");
                writer.uploaded = Content::default();
                writer.chunks.clear();
            }
            Ok(None) => {}
            Err(error @ LogError::Damaged(_)) => {
                tracing::warn!(task.id = %task, %error, "a manifest is damaged and is written again");
            }
            Err(error) => return Err(error),
        }
        let mut uploaded = Uploaded::open(Arc::clone(&writer.store), task, 0).await?;
        while !writer.has_ended() {
            match uploaded.next().await {
                Ok(Some((chunk, stored, fresh))) => {
                    let first = chunk.frames.first().map_or(1, |frame| frame.first());
                    writer.adopt(first, &chunk, stored, &fresh);
                }
                // What is damaged is written again, as far as the live log has it.
                Ok(None) | Err(LogError::Damaged(_)) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(writer)
    }

    /// Appends frames in the order of their numbers. Those that the archive has already are dropped; so is what follows the end frame.
    /// A chunk that became large enough is uploaded.
    ///
    /// # Errors
    /// [`LogError::Hole`] when the frames do not follow what is there; [`LogError::Unavailable`] when a chunk could not be
    /// uploaded. Frames after [`last`](Self::last) were not taken and have to be appended again.
    pub async fn append(&mut self, frames: &[Arc<Frame>]) -> Result<(), LogError> {
        for frame in frames {
            if self.pending.text.len() >= self.chunking.bytes {
                self.flush().await?;
            }
            if self.has_ended() {
                return Ok(());
            }
            let mut clip = Clip { after: self.last() };
            let Some(frame) = clip.frame(frame)? else {
                continue;
            };
            chunk::write_line(&frame, Arc::make_mut(&mut self.pending.text));
            self.pending.frames.push(frame);
            self.pending.since.get_or_insert_with(Instant::now);
        }
        if self.pending.text.len() >= self.chunking.bytes {
            self.flush().await?;
        }
        Ok(())
    }

    /// When what waits should be uploaded with [`flush`](Self::flush), however small it is.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        Some(self.pending.since? + self.chunking.age)
    }

    /// Uploads what waits.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached.
    pub async fn flush(&mut self) -> Result<(), LogError> {
        let (Some(first), Some(last)) = (self.pending.frames.first(), self.pending.frames.last())
        else {
            return Ok(());
        };
        let range = Range {
            first: first.first(),
            last: last.seq,
        };
        let object = chunk::compress(Arc::clone(&self.pending.text)).await?;
        let stored = object.len() as u64;
        let key = chunk_key(&self.task, range);
        if !self.store.create(&key, object.clone()).await? {
            let there = read::fetch(&*self.store, &self.task, range).await;
            match there {
                // Another writer, or an earlier try of this one, was here. What it wrote stands, because its manifest may
                // name it: its gaps and end may differ from ours.
                Ok(Some((chunk, stored))) => {
                    self.pending = Pending::default();
                    self.adopt(range.first, &chunk, stored, &chunk.frames);
                    return Ok(());
                }
                Ok(None) => {}
                Err(LogError::Damaged(problem)) => {
                    tracing::warn!(task.id = %self.task, %problem, "a chunk is damaged and is written again");
                }
                Err(error) => return Err(error),
            }
            self.store.replace(&key, object).await?;
        }
        let pending = std::mem::take(&mut self.pending);
        let chunk = Chunk {
            bytes: pending.text.len() as u64,
            sha256: chunk::sha256(&pending.text),
            frames: pending.frames,
        };
        self.adopt(range.first, &chunk, stored, &chunk.frames);
        Ok(())
    }

    /// Uploads what waits and then the manifest. From then on the log is complete.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached; the log is then not complete.
    pub async fn finish(&mut self) -> Result<Manifest, LogError> {
        self.flush().await?;
        let ours = self.manifest();
        let is_kept = |theirs: &Manifest| theirs.kept() >= ours.kept();
        if let Some(theirs) = self.complete.clone().filter(is_kept) {
            return Ok(theirs);
        }
        let key = manifest_key(&self.task);
        let text: bytes::Bytes = ours.to_json().into();
        if !self.store.create(&key, text.clone()).await? {
            // Another writer was faster, or there is one that is damaged or holds less.
            let other = Self::open(Arc::clone(&self.store), &self.task, self.chunking).await?;
            if let Some(theirs) = other.complete.filter(is_kept) {
                self.complete = Some(theirs.clone());
                return Ok(theirs);
            }
            self.store.replace(&key, text).await?;
        }
        self.complete = Some(ours.clone());
        Ok(ours)
    }

    /// Number of the last frame that was taken, uploaded or not.
    #[must_use]
    pub fn last(&self) -> u64 {
        let last = self.pending.frames.last();
        last.map_or(self.uploaded.last, |frame| frame.seq)
    }

    /// Number of the last frame that is safe in the archive.
    #[must_use]
    pub const fn uploaded(&self) -> u64 {
        self.uploaded.last
    }

    /// Whether the end frame was taken.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.uploaded.end.is_some() || self.pending.frames.last().is_some_and(|last| last.is_end())
    }

    /// SHA-256 over the frames that were taken, as [`FrameHasher`] makes it, in hexadecimal.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hasher = self.uploaded.hasher.clone();
        for frame in &self.pending.frames {
            hasher.update(frame);
        }
        hasher.hex()
    }

    /// The address of the manifest, for people.
    #[must_use]
    pub fn location(&self) -> String {
        self.store.location(&manifest_key(&self.task))
    }

    /// Takes over what a manifest names; whether all of it is there and right.
    async fn agrees_with(&mut self, manifest: &Manifest) -> Result<bool, LogError> {
        let mut clip = Clip::default();
        for entry in &manifest.chunks {
            match read::fetch(&*self.store, &self.task, entry.range()).await {
                Ok(Some((chunk, stored))) if chunk.sha256 == entry.sha256 => {
                    let fresh = clip.frames(&chunk.frames)?;
                    self.adopt(entry.first, &chunk, stored, &fresh);
                }
                Ok(_) | Err(LogError::Damaged(_)) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        let found = self.manifest();
        Ok(found.sha256 == manifest.sha256
            && found.lost == manifest.lost
            && found.end == manifest.end)
    }

    fn adopt(&mut self, first: u64, chunk: &Chunk, stored: u64, fresh: &[Arc<Frame>]) {
        for frame in fresh {
            self.uploaded.add(frame);
        }
        self.chunks.push(ChunkEntry {
            first,
            last: self.uploaded.last,
            bytes: chunk.bytes,
            stored,
            sha256: chunk.sha256.clone(),
        });
    }

    fn manifest(&self) -> Manifest {
        Manifest {
            lost: self.uploaded.lost,
            bytes: self.chunks.iter().map(|chunk| chunk.bytes).sum(),
            sha256: self.uploaded.hasher.hex(),
            end: self.uploaded.end.clone(),
            ..Manifest::new(&self.task, self.chunks.clone())
        }
    }
}
