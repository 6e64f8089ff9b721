//! The runner's own record of its frames: NDJSON as in the archive, under zstd, in one object.

use std::io::{BufRead as _, BufReader, Cursor, ErrorKind, Read as _, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use zstd::zstd_safe::CParameter;

use super::Artifact;
use crate::archive::ObjectStore;
use crate::encode::MAX_FRAME_BYTES;
use crate::error::LogError;
use crate::frame::{Body, Frame};
use crate::live::FrameStream;

/// The fastest level: the spool is written beside the task, which needs the processor more.
const LEVEL: i32 = 1;
/// Decoders refuse windows above 8 MiB; the level above needs half a MiB.
const MAX_WINDOW_LOG: u32 = 23;
/// How many frames a reader gets at once.
const BATCH: usize = 256;

/// How large a spool may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Of the text, in bytes.
    pub text: u64,
    /// Of the compressed object, in bytes.
    pub stored: u64,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self {
            text: Artifact::Frames.max_text_bytes(),
            stored: Artifact::Frames.max_bytes(),
        }
    }
}

/// Compresses the frames of a task into a file.
pub struct SpoolWriter<W: Write> {
    encoder: zstd::stream::write::Encoder<'static, Bounded<W>>,
    text: u64,
    limits: SpoolLimits,
}

impl<W: Write> SpoolWriter<W> {
    /// A writer into an empty file.
    ///
    /// # Errors
    /// The error of the system when there is no memory for the compressor.
    pub fn new(file: W, limits: SpoolLimits) -> std::io::Result<Self> {
        let file = Bounded {
            inner: file,
            written: 0,
            limit: limits.stored,
        };
        let mut encoder = zstd::stream::write::Encoder::new(file, LEVEL)?;
        encoder.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self {
            encoder,
            text: 0,
            limits,
        })
    }

    /// Adds whole lines: frames as [`Frame::to_json`] writes them without nonce, each with a line end. After an error the spool is
    /// of no use.
    ///
    /// # Errors
    /// [`ErrorKind::FileTooLarge`] when a limit is reached; otherwise the error of the file.
    pub fn write(&mut self, lines: &[u8]) -> std::io::Result<()> {
        self.text += lines.len() as u64;
        if self.text > self.limits.text {
            return Err(too_large(self.limits.text));
        }
        self.encoder.write_all(lines)
    }

    /// Completes the spool; answers with the file and its size in bytes.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    pub fn finish(self) -> std::io::Result<(W, u64)> {
        let mut file = self.encoder.finish()?;
        file.inner.flush()?;
        Ok((file.inner, file.written))
    }
}

fn too_large(limit: u64) -> std::io::Error {
    std::io::Error::new(
        ErrorKind::FileTooLarge,
        format!("it is larger than {limit} bytes"),
    )
}

/// Refuses to grow past a limit.
struct Bounded<W> {
    inner: W,
    written: u64,
    limit: u64,
}

impl<W: Write> Write for Bounded<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.written + bytes.len() as u64 > self.limit {
            return Err(too_large(self.limit));
        }
        let written = self.inner.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

/// The frames of an uploaded spool from number 1 on, without the end frame; `None` when the task left none. Only a batch of them is in
/// memory at a time, beside the compressed object.
///
/// # Errors
/// [`LogError::Unavailable`] when the store cannot be reached. The stream yields [`LogError::Damaged`], and ends, where the object is
/// not a whole spool: numbers that do not follow each other, more text than a spool may have, a wrong checksum, an early end.
pub async fn read_spool(
    store: &dyn ObjectStore,
    task: &str,
) -> Result<Option<FrameStream>, LogError> {
    let object = store.get(&Artifact::Frames.key(task)?).await?;
    object
        .map(|object| decode(object, SpoolLimits::default()))
        .transpose()
}

fn decode(object: Bytes, limits: SpoolLimits) -> Result<FrameStream, LogError> {
    if object.len() as u64 > limits.stored {
        return Err(damaged(too_large(limits.stored)));
    }
    if object.is_empty() {
        // To the decompressor that is nothing at all, which is fine.
        return Err(damaged("it is empty"));
    }
    let reader = SpoolReader::new(object, limits).map_err(damaged)?;
    let batches = futures::stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        let read = tokio::task::spawn_blocking(move || {
            let batch = reader.next();
            (batch, reader)
        });
        match read.await {
            Ok((Ok(batch), _)) if batch.is_empty() => None,
            Ok((Ok(batch), reader)) => Some((Ok(batch), Some(reader))),
            Ok((Err(error), _)) => Some((Err(damaged(error)), None)),
            Err(error) => {
                let error = LogError::Unavailable(std::io::Error::other(error));
                Some((Err(error), None))
            }
        }
    });
    Ok(batches.boxed())
}

fn damaged(problem: impl std::fmt::Display) -> LogError {
    LogError::Damaged(format!("{}: {problem}", Artifact::Frames.name()))
}

type Text = std::io::Take<zstd::stream::read::Decoder<'static, Cursor<Bytes>>>;

struct SpoolReader {
    text: BufReader<Text>,
    limits: SpoolLimits,
    last: u64,
}

impl SpoolReader {
    fn new(object: Bytes, limits: SpoolLimits) -> std::io::Result<Self> {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(Cursor::new(object))?;
        decoder.window_log_max(MAX_WINDOW_LOG)?;
        Ok(Self {
            text: BufReader::new(decoder.take(limits.text + 1)),
            limits,
            last: 0,
        })
    }

    /// The next frames; none at the end.
    fn next(&mut self) -> std::io::Result<Vec<Arc<Frame>>> {
        let mut batch = Vec::new();
        let mut line = Vec::new();
        while batch.len() < BATCH {
            line.clear();
            // A line without end must not fill the memory.
            let mut bounded = (&mut self.text).take(MAX_FRAME_BYTES as u64 + 1);
            bounded.read_until(b'\n', &mut line)?;
            if self.text.get_ref().limit() == 0 {
                return Err(too_large(self.limits.text));
            }
            if line.is_empty() {
                break;
            }
            batch.push(Arc::new(self.frame(&line)?));
        }
        Ok(batch)
    }

    fn frame(&mut self, line: &[u8]) -> std::io::Result<Frame> {
        let next = self.last + 1;
        if line.len() > MAX_FRAME_BYTES || line.last() != Some(&b'\n') {
            return Err(std::io::Error::other(format!("frame {next} is not whole")));
        }
        let frame = Frame::from_json(line)
            .map_err(|error| std::io::Error::other(format!("frame {next}: {error}")))?;
        if frame.seq != next || !matches!(frame.body, Body::Line { .. } | Body::Event { .. }) {
            let problem = format!("frame {} stands in place of {next}", frame.seq);
            return Err(std::io::Error::other(problem));
        }
        self.last = next;
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;

    use super::*;
    use crate::archive::Folder;
    use crate::encode::FrameEncoder;
    use crate::frame::Stream;

    fn frames(count: u64) -> Vec<Frame> {
        let frame = |seq| Frame {
            seq,
            ts: "2026-01-01T00:00:00.000000Z".into(),
            body: Body::Line {
                stream: Stream::Stdout,
                text: format!("line {seq}"),
                more: false,
            },
        };
        (1..=count).map(frame).collect()
    }

    fn lines(frames: &[Frame]) -> Vec<u8> {
        let text = frames.iter().map(|frame| frame.to_json(None) + "\n");
        text.collect::<String>().into_bytes()
    }

    fn object(text: &[u8]) -> Vec<u8> {
        let mut spool = SpoolWriter::new(Vec::new(), SpoolLimits::default()).unwrap();
        spool.write(text).unwrap();
        spool.finish().unwrap().0
    }

    async fn all(object: &[u8], limits: SpoolLimits) -> Result<Vec<Frame>, LogError> {
        let stream = decode(Bytes::copy_from_slice(object), limits)?;
        let batches: Vec<_> = stream.try_collect().await?;
        Ok(batches
            .concat()
            .iter()
            .map(|frame| Frame::clone(frame))
            .collect())
    }

    #[tokio::test]
    async fn what_a_runner_spools_is_read_again_from_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let store = Folder::new(dir.path());
        assert!(read_spool(&store, "t1").await.unwrap().is_none());
        let mut encoder = FrameEncoder::new("n").with_copy();
        let mut wire = Vec::new();
        for at in 0..1000 {
            let text = "\"nonce\":\"n\",".repeat(at);
            encoder.line(Stream::Stderr, &text, "T", &mut wire);
            encoder.beat("T", &mut wire);
        }
        let mut spool = SpoolWriter::new(Vec::new(), SpoolLimits::default()).unwrap();
        spool.write(&encoder.take_copy()).unwrap();
        assert!(encoder.take_copy().is_empty(), "it is handed out once");
        let (object, size) = spool.finish().unwrap();
        assert_eq!(size, object.len() as u64);
        let key = Artifact::Frames.key("t1").unwrap();
        store.replace(&key, object.into()).await.unwrap();

        let wanted: Vec<Frame> = wire
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| crate::parse_wire(line, "n").unwrap())
            .filter(|frame| frame.body != Body::Beat)
            .collect();
        let stream = read_spool(&store, "t1").await.unwrap().unwrap();
        let found: Vec<_> = stream.try_collect::<Vec<_>>().await.unwrap().concat();
        assert!(found.len() > 1000, "some lines are longer than a frame");
        assert!(found.iter().map(|frame| &**frame).eq(&wanted));
    }

    #[tokio::test]
    async fn what_is_no_whole_spool_is_refused() {
        let three = frames(3);
        let whole = object(&lines(&three));
        assert_eq!(all(&whole, SpoolLimits::default()).await.unwrap(), three);
        let end = Frame {
            seq: 1,
            ts: "T".into(),
            body: Body::Gap { count: 1 },
        };
        for (what, text) in [
            ("no beginning", lines(&three[1..])),
            ("a repetition", lines(&[&three[..1], &three[..1]].concat())),
            ("a gap", lines(&[end])),
            ("half a line", lines(&three)[..100].to_owned()),
            ("an endless line", vec![b'x'; 10 * MAX_FRAME_BYTES]),
        ] {
            let refused = all(&object(&text), SpoolLimits::default()).await;
            assert!(matches!(refused, Err(LogError::Damaged(_))), "{what}");
        }
        for cut in 0..whole.len() {
            let refused = all(&whole[..cut], SpoolLimits::default()).await;
            assert!(matches!(refused, Err(LogError::Damaged(_))), "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn bombs_are_stopped_at_both_ends() {
        let text = lines(&frames(2000));
        let small = SpoolLimits {
            text: text.len() as u64 - 1,
            ..SpoolLimits::default()
        };
        let mut spool = SpoolWriter::new(Vec::new(), small).unwrap();
        let refused = spool.write(&text).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::FileTooLarge);
        let refused = all(&object(&text), small).await;
        assert!(matches!(refused, Err(LogError::Damaged(_))));
        let exact = SpoolLimits {
            text: text.len() as u64,
            ..small
        };
        assert_eq!(all(&object(&text), exact).await.unwrap().len(), 2000);

        let narrow = SpoolLimits {
            stored: 100,
            ..SpoolLimits::default()
        };
        let mut spool = SpoolWriter::new(Vec::new(), narrow).unwrap();
        let refused = spool.write(&text).and_then(|()| spool.finish().map(|_| ()));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
