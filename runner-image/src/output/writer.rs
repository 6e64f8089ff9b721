//! The one place that writes to standard output.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use codex_tasklog::{EndReport, FrameEncoder};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Body, Output, Piece, WAITING_BYTES, WAITING_PIECES, now};
use crate::spool::{self, Spool};

/// After how much silence a sign of life is written.
pub const BEAT_INTERVAL: Duration = Duration::from_secs(15);
/// How much is collected from what waits already, before it is written.
const BATCH_BYTES: usize = 64 * 1024;

/// The runner's own record of the log, and how much there was.
#[derive(Debug)]
pub struct Record {
    /// How many bytes went to standard output.
    pub written: u64,
    /// Number of the last frame in the record.
    pub last: u64,
    /// The record itself, or why there is none.
    pub spool: Result<spool::Outcome, String>,
}

/// The end of the log: takes the end report.
#[derive(Debug)]
pub struct Writer {
    output: Output,
    done: oneshot::Receiver<()>,
}

/// Starts to write frames to `sink`, in a thread of its own: a write to standard output may block for as long as the container runtime
/// likes, and signals must be answered meanwhile. The thread ends with the end frame, or when `sink` fails. What is written also goes
/// into `spool`, or that holds the reason why there is none.
///
/// # Errors
/// The error of the system when there can be no thread.
pub fn start<W: Write + Send + 'static>(
    nonce: &SecretString,
    sink: W,
    beat: Duration,
    spool: Result<Spool, String>,
) -> std::io::Result<(Output, Writer)> {
    let (sender, pieces) = mpsc::channel(WAITING_PIECES);
    let (finished, done) = oneshot::channel();
    let output = Output {
        pieces: sender,
        budget: Arc::new(Semaphore::new(WAITING_BYTES)),
        broken: CancellationToken::new(),
    };
    let encoder = FrameEncoder::new(nonce.expose_secret());
    let thread = Thread {
        encoder: match spool {
            Ok(_) => encoder.with_copy(),
            Err(_) => encoder,
        },
        spool,
        written: 0,
        pieces,
        sink,
        beat,
        runtime: tokio::runtime::Handle::current(),
    };
    let broken = output.broken.clone();
    std::thread::Builder::new()
        .name("frames".into())
        .spawn(move || {
            if thread.write_all().is_err() {
                broken.cancel();
            }
            let _ = finished.send(());
        })?;
    let writer = Writer {
        output: output.clone(),
        done,
    };
    Ok((output, writer))
}

impl Writer {
    /// Ends the record of the log and answers with it. What is written afterwards is not in it. `None` when standard output is broken.
    pub async fn record(&self) -> Option<Record> {
        let (sender, record) = oneshot::channel();
        self.output.send(Body::Record(sender), 0, now()).await;
        record.await.ok()
    }

    /// Writes the end frame after everything that waits, and returns when it is out. `false` when standard output is broken.
    pub async fn end(self, report: EndReport) -> bool {
        self.output.send(Body::End(report), 0, now()).await;
        let _ = self.done.await;
        !self.output.is_broken()
    }
}

struct Thread<W> {
    encoder: FrameEncoder,
    spool: Result<Spool, String>,
    written: u64,
    pieces: mpsc::Receiver<Piece>,
    sink: W,
    beat: Duration,
    runtime: tokio::runtime::Handle,
}

impl<W: Write> Thread<W> {
    fn write_all(mut self) -> std::io::Result<()> {
        let mut buffer = Vec::with_capacity(BATCH_BYTES);
        let mut taken = Vec::new();
        let mut asked = None;
        loop {
            let mut next = match self.next() {
                Next::Piece(piece) => Some(piece),
                Next::Silence => {
                    self.encoder.beat(&now(), &mut buffer);
                    None
                }
                Next::Closed => return Ok(()),
            };
            while let Some(mut piece) = next {
                match &mut piece.body {
                    Body::Line(stream, text) => {
                        self.encoder.line(*stream, text, &piece.ts, &mut buffer);
                    }
                    Body::Event(json) => self.encoder.event(json, &piece.ts, &mut buffer),
                    Body::Record(sender) => {
                        let (unasked, _) = oneshot::channel();
                        asked = Some(std::mem::replace(sender, unasked));
                        break;
                    }
                    Body::End(report) => {
                        self.encoder.end(report.clone(), &piece.ts, &mut buffer);
                        self.sink.write_all(&buffer)?;
                        return self.sink.flush();
                    }
                }
                taken.push(piece);
                next = (buffer.len() < BATCH_BYTES)
                    .then(|| self.pieces.try_recv().ok())
                    .flatten();
            }
            self.sink.write_all(&buffer)?;
            self.sink.flush()?;
            self.written += buffer.len() as u64;
            self.keep();
            if let Some(sender) = asked.take() {
                let _ = sender.send(self.record());
            }
            // Only now may others take their place in memory.
            taken.clear();
            buffer.clear();
            buffer.shrink_to(BATCH_BYTES);
        }
    }

    /// Adds what has just been written to the record. Standard output came first: whoever watches does not wait for the disk.
    fn keep(&mut self) {
        let Ok(spool) = &mut self.spool else {
            return;
        };
        let copy = self.encoder.take_copy();
        if copy.is_empty() {
            return;
        }
        if let Err(reason) = spool.push(&self.runtime, copy) {
            self.encoder.drop_copy();
            self.spool = Err(reason);
        }
    }

    fn record(&mut self) -> Record {
        self.encoder.drop_copy();
        let over = Err("it was asked for before".to_owned());
        Record {
            written: self.written,
            last: self.encoder.last(),
            spool: std::mem::replace(&mut self.spool, over).map(Spool::finish),
        }
    }

    fn next(&mut self) -> Next {
        let pieces = &mut self.pieces;
        let beat = self.beat;
        // The timer has to be made inside of the runtime, hence the block.
        let waited = self
            .runtime
            .block_on(async move { tokio::time::timeout(beat, pieces.recv()).await });
        match waited {
            Ok(Some(piece)) => Next::Piece(piece),
            Ok(None) => Next::Closed,
            Err(_) => Next::Silence,
        }
    }
}

enum Next {
    Piece(Piece),
    Silence,
    /// Everybody who could write is gone, without an end.
    Closed,
}

#[cfg(test)]
mod tests {
    use codex_tasklog::{Body as FrameBody, Frame, Stream, parse_wire};

    use super::*;

    /// Collects what is written, and fails after a number of writes.
    struct Sink {
        written: std::sync::mpsc::Sender<Vec<u8>>,
        writes_left: usize,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.writes_left == 0 {
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
            self.writes_left -= 1;
            self.written.send(bytes.to_owned()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn sink(writes_left: usize) -> (Sink, std::sync::mpsc::Receiver<Vec<u8>>) {
        let (written, receiver) = std::sync::mpsc::channel();
        (
            Sink {
                written,
                writes_left,
            },
            receiver,
        )
    }

    fn none() -> Result<Spool, String> {
        Err("not here".to_owned())
    }

    fn frames(written: &std::sync::mpsc::Receiver<Vec<u8>>) -> Vec<Frame> {
        let all: Vec<u8> = written.try_iter().flatten().collect();
        all.split_inclusive(|byte| *byte == b'\n')
            .map(|line| parse_wire(line, "n").unwrap())
            .collect()
    }

    #[tokio::test]
    async fn silence_is_broken_by_beats() {
        let (sink, written) = sink(1000);
        let (output, writer) = start(&"n".into(), sink, Duration::from_millis(5), none()).unwrap();
        output.line(Stream::Stdout, "a".into(), now()).await;
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let mut found = Vec::new();
        while found.len() < 3 {
            assert!(std::time::Instant::now() < deadline, "no beat came");
            found.extend(frames(&written));
            tokio::task::yield_now().await;
        }
        assert!(matches!(found[0].body, FrameBody::Line { .. }));
        assert!(
            found[1..]
                .iter()
                .all(|frame| frame.body == FrameBody::Beat && frame.seq == 1)
        );
        assert!(writer.end(EndReport::default()).await);
        assert!(frames(&written).last().unwrap().is_end());
    }

    #[tokio::test]
    async fn a_broken_sink_is_told() {
        let (sink, _written) = sink(0);
        let (output, writer) = start(&"n".into(), sink, BEAT_INTERVAL, none()).unwrap();
        for _ in 0..2 * WAITING_PIECES {
            output.line(Stream::Stdout, "a".into(), now()).await;
        }
        tokio::time::timeout(Duration::from_secs(10), output.broken())
            .await
            .unwrap();
        assert!(!writer.end(EndReport::default()).await);
    }
}
