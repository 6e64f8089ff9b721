//! The runner's own record of its frames.
//!
//! Container logs rotate, and what nobody read before is lost. So everything that goes to standard output also goes, compressed, into
//! a file without a name, which is handed in at the end when the log grew large. Codex and its commands run under the same user in
//! the same folders: what has no name they cannot open, and the descriptor is closed to them because the runner is not dumpable
//! (`harden`). A record that cannot be kept costs the task nothing.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use codex_tasklog::{SpoolLimits, SpoolWriter};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// How many batches of frames may wait to be compressed. A batch is some 64 KiB, or one long event.
const WAITING_BATCHES: usize = 16;
/// How long standard output waits for the disk in all, before the record is given up.
const PATIENCE: Duration = Duration::from_secs(2);

/// A complete record.
#[derive(Debug)]
pub struct Spooled {
    /// The file.
    pub file: File,
    /// How many bytes it has.
    pub size: u64,
}

/// What becomes of a record: the file, or why there is none.
pub type Outcome = oneshot::Receiver<Result<Spooled, String>>;

/// A record that grows, in a thread of its own: a write to a disk may block.
#[derive(Debug)]
pub struct Spool {
    batches: mpsc::Sender<Vec<u8>>,
    outcome: Outcome,
    patience: Duration,
}

/// Starts a record in a folder. `limit` bounds the file, in bytes.
///
/// # Errors
/// The error of the system when there can be no such file, or no thread.
pub fn start(folder: &Path, limit: u64) -> std::io::Result<Spool> {
    let limits = SpoolLimits::default();
    let limits = SpoolLimits {
        stored: limit.min(limits.stored),
        ..limits
    };
    let spool = SpoolWriter::new(tempfile::tempfile_in(folder)?, limits)?;
    let (batches, waiting) = mpsc::channel(WAITING_BATCHES);
    let (sender, outcome) = oneshot::channel();
    std::thread::Builder::new()
        .name("spool".into())
        .spawn(move || {
            let spooled = write(spool, waiting).map_err(|error| error.to_string());
            let _ = sender.send(spooled);
        })?;
    Ok(Spool {
        batches,
        outcome,
        patience: PATIENCE,
    })
}

/// Ends when there are no more batches, or with the first error: then nobody waits for it any more.
fn write(
    mut spool: SpoolWriter<File>,
    mut waiting: mpsc::Receiver<Vec<u8>>,
) -> std::io::Result<Spooled> {
    while let Some(batch) = waiting.blocking_recv() {
        spool.write(&batch)?;
    }
    let (file, size) = spool.finish()?;
    Ok(Spooled { file, size })
}

impl Spool {
    /// Adds frames. Answers with the reason when there will be no record. May block for a moment.
    ///
    /// # Errors
    /// Why there is no record.
    pub fn push(&mut self, runtime: &Handle, batch: Vec<u8>) -> Result<(), String> {
        let batch = match self.batches.try_send(batch) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Full(batch)) => batch,
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(self.failure(runtime)),
        };
        let started = Instant::now();
        let patience = self.patience;
        let batches = &self.batches;
        let sent = runtime
            .block_on(async move { tokio::time::timeout(patience, batches.send(batch)).await });
        self.patience = patience.saturating_sub(started.elapsed());
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.failure(runtime)),
            Err(_) => Err("the disk is too slow".to_owned()),
        }
    }

    /// Completes the record.
    #[must_use]
    pub fn finish(self) -> Outcome {
        self.outcome
    }

    fn failure(&mut self, runtime: &Handle) -> String {
        match runtime.block_on(&mut self.outcome) {
            Ok(Err(reason)) => reason,
            _ => "its thread ended".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_thread<T: Send + 'static>(
        work: impl FnOnce(Handle) -> T + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || work(runtime))
    }

    #[tokio::test]
    async fn a_limit_ends_the_record_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = start(folder.path(), 1000).unwrap();
        let refused = in_thread(move |runtime| {
            let mut noise = 1_u64;
            loop {
                let batch = std::iter::repeat_with(|| {
                    noise = noise
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    noise.to_be_bytes()[0]
                });
                if let Err(reason) = spool.push(&runtime, batch.take(100_000).collect()) {
                    return reason;
                }
            }
        });
        let reason = refused.await.unwrap();
        assert_eq!(reason, "it is larger than 1000 bytes");
        let left = folder.path().read_dir().unwrap().count();
        assert_eq!(left, 0, "the file has no name");
    }

    #[tokio::test]
    async fn a_disk_that_stalls_is_waited_for_once_in_a_while_and_not_for_ever() {
        let (batches, mut waiting) = mpsc::channel(1);
        let (_never, outcome) = oneshot::channel();
        let mut spool = Spool {
            batches,
            outcome,
            patience: Duration::from_millis(200),
        };
        let pushed = in_thread(move |runtime| {
            let first = spool.push(&runtime, vec![1]);
            let started = Instant::now();
            let second = spool.push(&runtime, vec![2]);
            (first, second, started.elapsed())
        });
        let (first, second, took) = pushed.await.unwrap();
        assert_eq!(first, Ok(()));
        assert_eq!(second.unwrap_err(), "the disk is too slow");
        assert!(took >= Duration::from_millis(200), "{took:?}");
        assert_eq!(waiting.recv().await, Some(vec![1]));
    }
}
