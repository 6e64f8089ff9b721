//! Fills what is missing in a log from the record that its runner kept and uploaded.
//!
//! Container logs are rotated, so frames can be lost on their way to the operator. The runner's record
//! ([`Artifact::Frames`](crate::Artifact::Frames)) has all of them but the end frame. It is only believed when it fits what came through
//! the container's log: the hash in the end frame, or, where that is missing too, all the frames that did arrive.

use std::sync::Arc;

use futures::StreamExt as _;

use super::chunk::{self, Chunk, Range};
use super::manifest::ChunkEntry;
use super::writer::{ArchiveWriter, Hole, Stored};
use crate::artifacts::read_spool;
use crate::error::LogError;
use crate::frame::{Body, Frame};
use crate::hash::FrameHasher;
use crate::live::FrameStream;

/// What became of a log in which something may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Nothing was missing.
    Whole,
    /// Something is missing, and the runner has left no record.
    NoRecord,
    /// The runner's record cannot be used, for this reason.
    Refused(String),
    /// So many frames came from the record. Nothing is missing any more, but perhaps the end frame.
    Filled(u64),
}

impl ArchiveWriter {
    /// Whether frames are missing that the record of the runner may have, or the end frame. To be called when no more frames come.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached.
    pub async fn needs_repair(&mut self) -> Result<bool, LogError> {
        self.finish_chunks().await?;
        Ok(self.uploaded.lost > 0 || !self.has_ended())
    }

    /// Looks for frames that are missing, before the last one that was taken and, where no end frame came, after it, in the record of
    /// the runner. To be called when no more frames come, and before the end frame is made up where none came. The record, compressed, is
    /// in memory meanwhile.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached. What was done until then is found again.
    pub async fn repair(&mut self) -> Result<Repair, LogError> {
        if !self.needs_repair().await? {
            return Ok(Repair::Whole);
        }
        let last = match self.check_record().await {
            Ok(Some(Ok(last))) => last,
            Ok(Some(Err(problem))) => return Ok(Repair::Refused(problem)),
            Ok(None) => return Ok(Repair::NoRecord),
            Err(LogError::Damaged(problem)) => return Ok(Repair::Refused(problem)),
            Err(error) => return Err(error),
        };
        let mut filled = self.uploaded.lost;
        if !self.holes.is_empty() {
            let chunks = match self.fill_holes().await? {
                Ok(chunks) => chunks,
                Err(problem) => return Ok(Repair::Refused(problem)),
            };
            if !self.take_over(&chunks).await? {
                return Err(LogError::Damaged(
                    "a chunk changed while the log was repaired".into(),
                ));
            }
        }
        if !self.has_ended() && last > self.last() {
            filled += last - self.last();
            let mut record = self.record().await?;
            while let Some(batch) = record.next().await {
                self.append(&batch?).await?;
            }
        }
        Ok(Repair::Filled(filled))
    }

    async fn record(&self) -> Result<FrameStream, LogError> {
        let record = read_spool(&*self.store, &self.task).await?;
        record.ok_or_else(|| LogError::Damaged("the record of the runner is gone".into()))
    }

    /// The last number of the runner's record, or why it cannot be used.
    async fn check_record(&self) -> Result<Option<Result<u64, String>>, LogError> {
        let Some(mut record) = read_spool(&*self.store, &self.task).await? else {
            return Ok(None);
        };
        let (mut whole, mut arrived) = (FrameHasher::default(), FrameHasher::default());
        let mut holes = self.holes.iter().peekable();
        let mut last = 0;
        while let Some(batch) = record.next().await {
            for frame in batch? {
                whole.update(&frame);
                last = frame.seq;
                while holes.next_if(|hole| hole.last < last).is_some() {}
                let is_missing = holes.peek().is_some_and(|hole| hole.first <= last);
                if !is_missing && last <= self.uploaded.last {
                    arrived.update(&frame);
                }
            }
        }
        let problem = match &self.uploaded.end {
            Some(end) if end.last != last => Some(format!(
                "the record of the runner has {last} frames, but the end frame speaks of {}",
                end.last
            )),
            Some(end) if end.sha256 != whole.hex() => {
                Some("the hash of the runner's record is not that of the end frame".to_owned())
            }
            None if last < self.uploaded.last => {
                Some(format!("the record of the runner ends with frame {last}"))
            }
            None if arrived.hex() != self.uploaded.hasher.hex() => {
                Some("the record of the runner differs from what arrived of the log".to_owned())
            }
            _ => None,
        };
        Ok(Some(problem.map_or(Ok(last), Err)))
    }

    /// Writes chunks with what is missing; answers with the list of all chunks, in which they come before those that have gaps, or with
    /// the reason why that cannot be done.
    async fn fill_holes(&self) -> Result<Result<Vec<ChunkEntry>, String>, LogError> {
        let mut record = Record {
            stream: self.record().await?,
            batch: Vec::new().into_iter(),
        };
        let mut chunks: Vec<ChunkEntry> = Vec::new();
        let mut holes = self.holes.iter().peekable();
        for (at, entry) in self.chunks.iter().enumerate() {
            let mut until = 0;
            while let Some(Hole { last, .. }) = holes.next_if(|hole| hole.chunk == at) {
                until = *last;
            }
            // Usually the gap is what the chunk begins with, and so just what is missing.
            let mut after = chunks.last().map_or(0, |chunk| chunk.last);
            while after < until {
                let frames = record.take(after, until, self.chunking.bytes).await?;
                let mut rest = &frames[..];
                let mut count = rest.len();
                while count > 0 {
                    match self.fill(&rest[..count]).await? {
                        Some(entry) => {
                            after = entry.last;
                            chunks.push(entry);
                            rest = &rest[count..];
                            count = rest.len();
                        }
                        // Another writer, for whom a part of these was missing, has a chunk with these numbers. One with a single
                        // number cannot be in the way: it is never a gap.
                        None if count > 1 => count = count.div_ceil(2),
                        None => {
                            let problem = format!("the archive has another frame {}", after + 1);
                            return Ok(Err(problem));
                        }
                    }
                }
                if frames.is_empty() {
                    return Err(LogError::Damaged(
                        "the record of the runner has changed".into(),
                    ));
                }
            }
            if entry.last > after {
                chunks.push(entry.clone());
            }
        }
        Ok(Ok(chunks))
    }

    /// Writes a chunk with these frames; `None` when there is another one with their numbers.
    async fn fill(&self, frames: &[Arc<Frame>]) -> Result<Option<ChunkEntry>, LogError> {
        let (Some(first), Some(last)) = (frames.first(), frames.last()) else {
            return Ok(None);
        };
        let range = Range {
            first: first.first(),
            last: last.seq,
        };
        let mut text = Vec::new();
        for frame in frames {
            chunk::write_line(frame, &mut text);
        }
        let (bytes, sha256) = (text.len() as u64, chunk::sha256(&text));
        let stored = match self.create(range, Arc::new(text)).await? {
            Stored::Now(stored) => stored,
            Stored::Before(Chunk { sha256: there, .. }, stored) if there == sha256 => stored,
            Stored::Before(..) => return Ok(None),
        };
        Ok(Some(ChunkEntry {
            first: range.first,
            last: range.last,
            bytes,
            stored,
            sha256,
        }))
    }
}

/// The frames of a record, one after the other.
struct Record {
    stream: FrameStream,
    batch: std::vec::IntoIter<Arc<Frame>>,
}

impl Record {
    /// The frames after `after` and up to `until`, or as many of them as fill a chunk. Nothing before may be asked for again.
    async fn take(
        &mut self,
        after: u64,
        until: u64,
        bytes: usize,
    ) -> Result<Vec<Arc<Frame>>, LogError> {
        let (mut frames, mut size) = (Vec::new(), 0);
        while size < bytes {
            let Some(frame) = self.batch.next() else {
                match self.stream.next().await {
                    Some(batch) => self.batch = batch?.into_iter(),
                    None => break,
                }
                continue;
            };
            let is_last = frame.seq >= until;
            if frame.seq > after {
                size += match &frame.body {
                    Body::Line { text, .. } | Body::Event { json: text, .. } => text.len() + 64,
                    Body::End(_) | Body::Gap { .. } | Body::Beat => 64,
                };
                frames.push(frame);
            }
            if is_last {
                break;
            }
        }
        Ok(frames)
    }
}
