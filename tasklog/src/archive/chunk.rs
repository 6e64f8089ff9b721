//! A run of frames as one object: NDJSON under zstd.

use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use zstd::zstd_safe::CParameter;

use crate::error::LogError;
use crate::frame::{Body, Frame};

/// Objects that are larger are not ours, and are never read into memory whole.
pub(super) const MAX_OBJECT_BYTES: u64 = 64 * 1024 * 1024;
/// The same for what comes out of them.
const MAX_RAW_BYTES: u64 = 64 * 1024 * 1024;
/// Fast, and within a few percent of the slower levels for logs.
const LEVEL: i32 = 3;
const DIGITS: usize = 20;
const SUFFIX: &str = ".ndjson.zst";

/// The numbers that a chunk covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Range {
    /// The name of the object in the folder of chunks. Names sort as numbers do.
    pub(super) fn name(self) -> String {
        format!("{:020}-{:020}{SUFFIX}", self.first, self.last)
    }

    /// Reads a name; what does not look like one is somebody else's.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (first, last) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        let number = |text: &str| {
            (text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| text.parse::<u64>().ok())
                .flatten()
        };
        let range = Self {
            first: number(first)?,
            last: number(last)?,
        };
        (1 <= range.first && range.first <= range.last).then_some(range)
    }
}

/// The content of a chunk.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) frames: Vec<Arc<Frame>>,
    /// Size of the NDJSON text in bytes.
    pub(super) bytes: u64,
    /// SHA-256 of the NDJSON text in hexadecimal: unlike that of the object, it does not depend on the version of zstd.
    pub(super) sha256: String,
}

/// The line of a frame in a chunk.
pub(super) fn write_line(frame: &Frame, out: &mut Vec<u8>) {
    out.extend_from_slice(frame.to_json(None).as_bytes());
    out.push(b'\n');
}

pub(super) fn sha256(text: &[u8]) -> String {
    hex::encode(Sha256::digest(text))
}

/// Compresses NDJSON text. The object carries a checksum, so that a damaged one is noticed without a manifest too.
pub(super) async fn compress(text: Arc<Vec<u8>>) -> Result<Bytes, LogError> {
    blocking(move || {
        let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        compressor.compress(&text)
    })
    .await?
    .map(Bytes::from)
    .map_err(LogError::Unavailable)
}

/// Reads an object that must cover `range`.
///
/// # Errors
/// [`LogError::Damaged`] when it does not.
pub(super) async fn decode(object: Bytes, range: Range) -> Result<Chunk, LogError> {
    blocking(move || parse(&object, range))
        .await?
        .map_err(|problem| LogError::Damaged(format!("chunk {}: {problem}", range.name())))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LogError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| LogError::Unavailable(std::io::Error::other(error)))
}

fn parse(object: &[u8], range: Range) -> Result<Chunk, String> {
    let decoder = zstd::stream::read::Decoder::with_buffer(object).map_err(|e| e.to_string())?;
    let mut text = Vec::new();
    decoder
        .take(MAX_RAW_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_RAW_BYTES {
        return Err("it is too large".into());
    }
    let mut frames: Vec<Arc<Frame>> = Vec::new();
    let mut next = range.first;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let frame = Frame::from_json(line).map_err(|error| error.to_string())?;
        if frame.body == Body::Beat || frame.first() != next {
            return Err(format!("frame {} stands in place of {next}", frame.seq));
        }
        if frames.last().is_some_and(|frame| frame.is_end()) {
            return Err("frames follow the end".into());
        }
        next = frame.seq + 1;
        frames.push(Arc::new(frame));
    }
    if next != range.last + 1 {
        return Err(format!("it ends before frame {next}"));
    }
    Ok(Chunk {
        frames,
        bytes: text.len() as u64,
        sha256: sha256(&text),
    })
}

/// Drops what comes before a number, and refuses holes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clip {
    /// The last number that went through.
    pub(super) after: u64,
}

impl Clip {
    /// The part of a frame that is new: nothing, all, or what is left of a gap.
    pub(super) fn frame(&mut self, frame: &Arc<Frame>) -> Result<Option<Arc<Frame>>, LogError> {
        let rest = frame.after(self.after);
        let Some(rest) = rest.filter(|frame| frame.body != Body::Beat) else {
            return Ok(None);
        };
        if frame.first() > self.after + 1 {
            return Err(LogError::Hole {
                last: self.after,
                found: frame.first(),
            });
        }
        self.after = frame.seq;
        Ok(Some(rest))
    }

    /// The new part of a run of frames.
    pub(super) fn frames(&mut self, frames: &[Arc<Frame>]) -> Result<Vec<Arc<Frame>>, LogError> {
        let mut fresh = Vec::with_capacity(frames.len());
        for frame in frames {
            fresh.extend(self.frame(frame)?);
        }
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_strange_ones_are_left_alone() {
        let range = Range {
            first: 1,
            last: u64::MAX,
        };
        assert_eq!(Range::parse(&range.name()), Some(range));
        assert!(
            Range { first: 9, last: 9 }.name()
                < Range {
                    first: 10,
                    last: 10
                }
                .name()
        );
        for name in [
            "",
            ".tmpAb12",
            "1-2.ndjson.zst",
            "00000000000000000002-00000000000000000001.ndjson.zst",
            "00000000000000000000-00000000000000000001.ndjson.zst",
            "0000000000000000000+-00000000000000000001.ndjson.zst",
        ] {
            assert_eq!(Range::parse(name), None, "{name}");
        }
    }

    #[tokio::test]
    async fn objects_are_checked_from_end_to_end() {
        let frame = |seq| {
            Arc::new(Frame {
                seq,
                ts: "T".into(),
                body: Body::Gap { count: 1 },
            })
        };
        let mut text = Vec::new();
        for seq in 3..=5 {
            write_line(&frame(seq), &mut text);
        }
        let hash = sha256(&text);
        let object = compress(Arc::new(text)).await.unwrap();
        let range = |first, last| Range { first, last };
        let chunk = decode(object.clone(), range(3, 5)).await.unwrap();
        assert_eq!((chunk.frames.len(), chunk.sha256), (3, hash));
        for wrong in [range(2, 5), range(3, 6), range(3, 4), range(4, 5)] {
            let refused = decode(object.clone(), wrong).await;
            assert!(matches!(refused, Err(LogError::Damaged(_))), "{wrong:?}");
        }
        for cut in 0..object.len() {
            let refused = decode(object.slice(..cut), range(3, 5)).await;
            assert!(matches!(refused, Err(LogError::Damaged(_))), "cut at {cut}");
        }
        for at in 4..object.len() {
            let mut damaged = object.to_vec();
            damaged[at] ^= 0x10;
            if let Ok(chunk) = decode(damaged.into(), range(3, 5)).await {
                // Some bits of the header say nothing about the content.
                assert_eq!(chunk.frames.len(), 3);
                assert_eq!(chunk.frames[0], frame(3));
            }
        }
    }

    #[test]
    fn clips_cut_gaps_and_refuse_holes() {
        let gap = Arc::new(Frame {
            seq: 7,
            ts: "T".into(),
            body: Body::Gap { count: 5 },
        });
        let mut clip = Clip { after: 4 };
        let rest = clip.frame(&gap).unwrap().unwrap();
        assert_eq!((rest.first(), rest.seq, clip.after), (5, 7, 7));
        assert_eq!(clip.frame(&gap).unwrap(), None);
        let mut early = Clip { after: 1 };
        assert!(matches!(
            early.frame(&gap),
            Err(LogError::Hole { last: 1, found: 3 })
        ));
    }
}
