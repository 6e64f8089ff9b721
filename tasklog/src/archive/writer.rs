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
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) task: String,
    pub(super) chunking: Chunking,
    pub(super) uploaded: Content,
    pub(super) chunks: Vec<ChunkEntry>,
    pub(super) holes: Vec<Hole>,
    pending: Pending,
    /// The manifest that was there when the writer was opened, and that the chunks agree with.
    complete: Option<Manifest>,
}

/// What a run of frames from the start amounts to.
#[derive(Clone, Default)]
pub(super) struct Content {
    pub(super) last: u64,
    pub(super) lost: u64,
    pub(super) end: Option<End>,
    pub(super) hasher: FrameHasher,
}

/// Frames that are missing where a chunk says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hole {
    pub(super) first: u64,
    pub(super) last: u64,
    /// The place of the chunk in the list.
    pub(super) chunk: usize,
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

/// How a chunk came to be in the store.
pub(super) enum Stored {
    /// It was written now, with so many bytes.
    Now(u64),
    /// It was there, and so large.
    Before(Chunk, u64),
}

/// Frames that wait to be uploaded.
#[derive(Default)]
struct Pending {
    frames: Vec<Arc<Frame>>,
    text: Arc<Vec<u8>>,
    since: Option<Instant>,
}

impl Pending {
    /// Whether a gap is all there is. It waits for the frame after it: a chunk of a gap alone would take the name that the missing
    /// frames have, should they be found.
    fn is_gap(&self) -> bool {
        self.frames.len() == 1 && is_gap(&self.frames[0])
    }

    fn push(&mut self, frame: Arc<Frame>) {
        chunk::write_line(&frame, Arc::make_mut(&mut self.text));
        self.frames.push(frame);
        self.since.get_or_insert_with(Instant::now);
    }
}

const fn is_gap(frame: &Frame) -> bool {
    matches!(frame.body, Body::Gap { .. })
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
            holes: Vec::new(),
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
                writer.forget_chunks();
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
            let Some(mut frame) = clip.frame(frame)? else {
                continue;
            };
            if is_gap(&frame) {
                if self.pending.is_gap() {
                    let before = std::mem::take(&mut self.pending).frames.swap_remove(0);
                    let count = frame.seq - before.first() + 1;
                    frame = Arc::new(Frame {
                        seq: frame.seq,
                        ts: before.ts.clone(),
                        body: Body::Gap { count },
                    });
                } else {
                    // A gap begins its chunk, so that a chunk with what is missing can come before it.
                    self.flush().await?;
                }
            }
            self.pending.push(frame);
        }
        if self.pending.text.len() >= self.chunking.bytes {
            self.flush().await?;
        }
        Ok(())
    }

    /// When what waits should be uploaded with [`flush`](Self::flush), however small it is.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        if self.pending.is_gap() {
            return None;
        }
        Some(self.pending.since? + self.chunking.age)
    }

    /// Uploads what waits; a gap only together with what follows it.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached.
    pub async fn flush(&mut self) -> Result<(), LogError> {
        if self.pending.is_gap() {
            return Ok(());
        }
        self.finish_chunks().await
    }

    /// Uploads what waits, whatever it is.
    pub(super) async fn finish_chunks(&mut self) -> Result<(), LogError> {
        let (Some(first), Some(last)) = (self.pending.frames.first(), self.pending.frames.last())
        else {
            return Ok(());
        };
        let range = Range {
            first: first.first(),
            last: last.seq,
        };
        let stored = self.create(range, Arc::clone(&self.pending.text)).await?;
        let pending = std::mem::take(&mut self.pending);
        let (chunk, stored) = match stored {
            // What another writer, or an earlier try of this one, wrote stands, because its manifest may name it: its gaps and end may
            // differ from ours.
            Stored::Before(chunk, stored) => (chunk, stored),
            Stored::Now(stored) => {
                let chunk = Chunk {
                    bytes: pending.text.len() as u64,
                    sha256: chunk::sha256(&pending.text),
                    frames: pending.frames,
                };
                (chunk, stored)
            }
        };
        self.adopt(range.first, &chunk, stored, &chunk.frames);
        Ok(())
    }

    /// Creates a chunk, unless there is one with these numbers that can be used.
    pub(super) async fn create(
        &self,
        range: Range,
        text: Arc<Vec<u8>>,
    ) -> Result<Stored, LogError> {
        let object = chunk::compress(text).await?;
        let stored = object.len() as u64;
        let key = chunk_key(&self.task, range);
        if self.store.create(&key, object.clone()).await? {
            return Ok(Stored::Now(stored));
        }
        match read::fetch(&*self.store, &self.task, range).await {
            Ok(Some((chunk, stored))) => return Ok(Stored::Before(chunk, stored)),
            Ok(None) => {}
            Err(LogError::Damaged(problem)) => {
                tracing::warn!(task.id = %self.task, %problem, "a chunk is damaged and is written again");
            }
            Err(error) => return Err(error),
        }
        self.store.replace(&key, object).await?;
        Ok(Stored::Now(stored))
    }

    /// Uploads what waits and then the manifest. From then on the log is complete.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached; the log is then not complete.
    pub async fn finish(&mut self) -> Result<Manifest, LogError> {
        self.finish_chunks().await?;
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

    /// How many of the frames that were taken are missing.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let waiting = self.pending.frames.iter().filter(|frame| is_gap(frame));
        self.uploaded.lost + waiting.map(|gap| gap.seq - gap.first() + 1).sum::<u64>()
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
        if !self.take_over(&manifest.chunks).await? {
            return Ok(false);
        }
        let found = self.manifest();
        Ok(found.sha256 == manifest.sha256
            && found.lost == manifest.lost
            && found.end == manifest.end)
    }

    /// Takes over these chunks in place of those before; whether all of them are there and right.
    pub(super) async fn take_over(&mut self, chunks: &[ChunkEntry]) -> Result<bool, LogError> {
        self.forget_chunks();
        let mut clip = Clip::default();
        for entry in chunks {
            match read::fetch(&*self.store, &self.task, entry.range()).await {
                Ok(Some((chunk, stored))) if chunk.sha256 == entry.sha256 => {
                    let fresh = clip.frames(&chunk.frames)?;
                    self.adopt(entry.first, &chunk, stored, &fresh);
                }
                Ok(_) | Err(LogError::Damaged(_)) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn forget_chunks(&mut self) {
        self.uploaded = Content::default();
        self.chunks.clear();
        self.holes.clear();
    }

    fn adopt(&mut self, first: u64, chunk: &Chunk, stored: u64, fresh: &[Arc<Frame>]) {
        for frame in fresh {
            self.uploaded.add(frame);
            if is_gap(frame) {
                self.holes.push(Hole {
                    first: frame.first(),
                    last: frame.seq,
                    chunk: self.chunks.len(),
                });
            }
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
