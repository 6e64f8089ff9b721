//! Reads chunks in the order of their numbers.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};

use super::chunk::{self, Chunk, Clip, Range};
use super::manifest::{ChunkEntry, Manifest};
use super::object::ObjectStore;
use super::{chunk_folder, chunk_key, manifest_key};
use crate::error::LogError;
use crate::frame::Frame;
use crate::live::FrameStream;

/// How many frames a reader gets at once.
const BATCH: usize = 256;
/// How many chunks are fetched at once: the next one comes while the present one is sent.
const FETCHES: usize = 2;

pub(super) async fn manifest(
    store: &dyn ObjectStore,
    task: &str,
) -> Result<Option<Manifest>, LogError> {
    let object = store.get(&manifest_key(task)).await?;
    object
        .map(|text| Manifest::from_json(&text, task))
        .transpose()
}

/// A chunk, and the size of its object; `None` when it is not there.
pub(super) async fn fetch(
    store: &dyn ObjectStore,
    task: &str,
    range: Range,
) -> Result<Option<(Chunk, u64)>, LogError> {
    let Some(object) = store.get(&chunk_key(task, range)).await? else {
        return Ok(None);
    };
    let stored = object.len() as u64;
    Ok(Some((chunk::decode(object, range).await?, stored)))
}

/// The frames of a complete log after number `after`.
pub(super) fn complete(store: Arc<dyn ObjectStore>, manifest: Manifest, after: u64) -> FrameStream {
    let Manifest { task, chunks, .. } = manifest;
    let task: Arc<str> = task.into();
    let wanted = chunks.into_iter().filter(move |chunk| chunk.last > after);
    let mut clip = Clip { after };
    futures::stream::iter(wanted)
        .map(move |entry| listed(Arc::clone(&store), Arc::clone(&task), entry))
        .buffered(FETCHES)
        .map(move |chunk| {
            clip.frames(&chunk?.frames)
                .map_err(|error| LogError::Damaged(error.to_string()))
        })
        .map_ok(|frames| batches(&frames))
        .try_flatten()
        // What comes after an error would be a hole.
        .scan(false, |has_failed, batch| {
            let is_over = std::mem::replace(has_failed, batch.is_err());
            std::future::ready((!is_over).then_some(batch))
        })
        .boxed()
}

/// A chunk that must be what the manifest says.
async fn listed(
    store: Arc<dyn ObjectStore>,
    task: Arc<str>,
    entry: ChunkEntry,
) -> Result<Chunk, LogError> {
    let name = || entry.range().name();
    match fetch(&*store, &task, entry.range()).await? {
        None => Err(LogError::Damaged(format!("chunk {} is missing", name()))),
        Some((chunk, _)) if chunk.sha256 != entry.sha256 => {
            Err(LogError::Damaged(format!("chunk {} has changed", name())))
        }
        Some((chunk, _)) => Ok(chunk),
    }
}

/// The chunks that are there of a log that may still grow, in whatever way writers have cut them.
pub(super) struct Uploaded {
    store: Arc<dyn ObjectStore>,
    task: String,
    ranges: Vec<Range>,
    clip: Clip,
}

impl Uploaded {
    pub(super) async fn open(
        store: Arc<dyn ObjectStore>,
        task: &str,
        after: u64,
    ) -> Result<Self, LogError> {
        let names = store.list(&chunk_folder(task)).await?;
        let ranges = names
            .iter()
            .filter_map(|name| Range::parse(name))
            .filter(|range| range.last > after)
            .collect();
        Ok(Self {
            store,
            task: task.to_owned(),
            ranges,
            clip: Clip { after },
        })
    }

    pub(super) fn covers_next(&self) -> bool {
        let next = self.clip.after.saturating_add(1);
        self.ranges
            .iter()
            .any(|range| range.first <= next && next <= range.last)
    }

    /// How far the names of the chunks reach without a hole.
    pub(super) fn reach(&self) -> u64 {
        let mut sorted = self.ranges.clone();
        sorted.sort_unstable();
        sorted.iter().fold(self.clip.after, |after, range| {
            if range.first <= after.saturating_add(1) {
                after.max(range.last)
            } else {
                after
            }
        })
    }

    /// The chunk that holds the next frame and reaches furthest, its size in the store, and what is new in it. Where one is damaged,
    /// another one may have the same frames.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when the next frame is only in damaged ones.
    pub(super) async fn next(&mut self) -> Result<Option<(Chunk, u64, Vec<Arc<Frame>>)>, LogError> {
        let mut damage = None;
        loop {
            let after = self.clip.after;
            self.ranges.retain(|range| range.last > after);
            let candidates = self.ranges.iter().enumerate();
            let Some((at, range)) = candidates
                .filter(|(_, range)| range.first <= after + 1)
                .max_by_key(|(_, range)| (range.last, range.first))
                .map(|(at, range)| (at, *range))
            else {
                return damage.map_or(Ok(None), Err);
            };
            match fetch(&*self.store, &self.task, range).await {
                Ok(Some((chunk, stored))) => {
                    self.ranges.swap_remove(at);
                    let frames = self.clip.frames(&chunk.frames)?;
                    return Ok(Some((chunk, stored, frames)));
                }
                Ok(None) => {
                    self.ranges.swap_remove(at);
                    let problem = format!("chunk {} was listed and is not there", range.name());
                    damage = Some(LogError::Damaged(problem));
                }
                Err(error @ LogError::Damaged(_)) => {
                    tracing::warn!(task.id = %self.task, %error, "a chunk of a log cannot be used");
                    self.ranges.swap_remove(at);
                    damage = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn into_stream(self) -> FrameStream {
        futures::stream::try_unfold(self, |mut uploaded| async move {
            let next = uploaded.next().await?;
            Ok(next.map(|(_, _, frames)| (frames, uploaded)))
        })
        .map_ok(|frames| batches(&frames))
        .try_flatten()
        .boxed()
    }
}

fn batches(
    frames: &[Arc<Frame>],
) -> impl futures::Stream<Item = Result<Vec<Arc<Frame>>, LogError>> + use<> {
    let batches: Vec<_> = frames
        .chunks(BATCH)
        .map(|batch| Ok(batch.to_vec()))
        .collect();
    futures::stream::iter(batches)
}
