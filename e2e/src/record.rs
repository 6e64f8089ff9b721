//! What the runner wrote, as the archive has it, and the digest by which all who watched compare themselves with it.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use codex_tasklog::{
    Archive as _, DirArchive, End, FrameHasher, Joined, JoinedBody, Joiner, Stream,
};
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};

/// SHA-256 over the lines and events of a log with their numbers, whoever delivers them.
#[derive(Clone, Debug, Default)]
pub struct LogDigest {
    state: Sha256,
    last: u64,
}

impl LogDigest {
    /// Number of the last frame, 0 before the first.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Adds a line, or an event as a line of standard output, made of the frames `first` to `last`.
    ///
    /// # Errors
    /// When a number comes twice or is left out.
    pub fn add(&mut self, first: u64, last: u64, stream: &str, text: &str) -> Result<()> {
        ensure!(
            first == self.last + 1 && last >= first,
            "after number {} came {first} to {last}",
            self.last
        );
        self.last = last;
        self.state.update(first.to_be_bytes());
        self.state.update(last.to_be_bytes());
        self.state.update([u8::from(stream == "stderr")]);
        self.state.update((text.len() as u64).to_be_bytes());
        self.state.update(text);
        Ok(())
    }

    /// The digest so far.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.state.clone().finalize())
    }
}

/// The complete log of a task.
#[derive(Clone, Debug)]
pub struct Record {
    /// What the runner said at its end.
    pub end: End,
    /// What everybody who watched must have seen.
    pub digest: LogDigest,
}

impl Record {
    /// Reads a log from the folder of an archive. It must be what the runner wrote: the hash in the end frame is the runner's own.
    ///
    /// # Errors
    /// When there is no complete log, or its frames are not those that the runner hashed.
    pub async fn read(archive: &Path, task: &str) -> Result<Self> {
        let archive = DirArchive::new(archive);
        let read = archive.read(task, 0).await?;
        let mut batches = read.with_context(|| format!("the log of {task} is not complete"))?;
        let (mut hasher, mut joiner) = (FrameHasher::default(), Joiner::default());
        let (mut digest, mut end) = (LogDigest::default(), None);
        while let Some(batch) = batches.next().await {
            for frame in batch? {
                ensure!(end.is_none(), "number {} comes after the end", frame.seq);
                hasher.update(&frame);
                match joiner.push(&frame) {
                    Some(Joined {
                        body: JoinedBody::End(found),
                        ..
                    }) => end = Some(found),
                    Some(piece) => add(&mut digest, &piece)?,
                    None => {}
                }
            }
        }
        let end = end.with_context(|| format!("the log of {task} has no end"))?;
        ensure!(
            digest.last() == end.last,
            "the record has {} frames, and the runner wrote {}",
            digest.last(),
            end.last
        );
        ensure!(
            hasher.hex() == end.sha256,
            "the record of {task} is not what the runner wrote"
        );
        Ok(Self { end, digest })
    }
}

fn add(digest: &mut LogDigest, piece: &Joined) -> Result<()> {
    match &piece.body {
        JoinedBody::Line { stream, text } => {
            digest.add(piece.first, piece.last, stream.as_str(), text)
        }
        JoinedBody::Event { json } => {
            digest.add(piece.first, piece.last, Stream::Stdout.as_str(), json)
        }
        JoinedBody::Gap { count } => {
            anyhow::bail!("{count} frames before {} are lost", piece.last)
        }
        JoinedBody::End(_) => Ok(()),
    }
}
