//! Clients that watch a task to its end in manners of their own, and keep nothing but a digest.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::time::Instant;

use crate::api::Task;
use crate::events::{EventStream, RECONNECT, RawEvent};
use crate::record::LogDigest;

/// A task must have ended by then, whatever happens to it.
const PATIENCE: Duration = Duration::from_secs(300);

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// It reads what comes, and connects again when its connection breaks.
    Steady,
    /// The same, but it leaves at random moments, up to this long after it came; longer where it saw nothing new the last time, so that
    /// it gets on on a busy machine too.
    Restless(Duration),
    /// It reads one byte a second for this long; then it reads what comes.
    Slow(Duration),
}

/// What a client saw.
#[derive(Debug)]
pub struct Seen {
    /// Of everything that it was sent.
    pub digest: LogDigest,
    /// How often it connected.
    pub connections: u32,
    /// The exit code that `done` told.
    pub exit_code: Option<i64>,
}

#[derive(Deserialize)]
struct LogData {
    line: String,
    stream: String,
    from: Option<u64>,
}

#[derive(Deserialize)]
struct DoneData {
    exit_code: Option<i64>,
}

/// Watches a task until `done`.
///
/// # Errors
/// When a number is repeated or left out, something is reported as lost, or the end does not come in time.
pub async fn watch(task: &Task, manner: Manner) -> Result<Seen> {
    let begin = Instant::now();
    let mut seen = Seen {
        digest: LogDigest::default(),
        connections: 0,
        exit_code: None,
    };
    let mut longest = match manner {
        Manner::Restless(longest) => longest,
        Manner::Steady | Manner::Slow(_) => PATIENCE,
    };
    loop {
        if let Ok(stream) = connect(task, manner, begin, seen.digest.last()).await {
            seen.connections += 1;
            let before = seen.digest.last();
            let leave = match manner {
                Manner::Restless(_) => longest.mul_f64(rand::random()),
                Manner::Steady | Manner::Slow(_) => longest,
            };
            // Cut off between any two bytes: what was read of an event by then is lost, as on a broken connection.
            let read = tokio::time::timeout(leave, read(stream, &mut seen)).await;
            if matches!(read, Ok(Ok(true))) {
                return Ok(seen);
            }
            if let Ok(Err(error)) = read {
                return Err(error.context(format!("task {}, {manner:?}", task.id)));
            }
            longest = match manner {
                Manner::Restless(longest) if seen.digest.last() > before => longest,
                _ => (longest * 2).min(PATIENCE),
            };
        }
        if begin.elapsed() > PATIENCE {
            let last = seen.digest.last();
            bail!("task {} never ended; {manner:?} saw {last} frames", task.id);
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn connect(task: &Task, manner: Manner, begin: Instant, after: u64) -> Result<EventStream> {
    match manner {
        Manner::Slow(time) if begin.elapsed() < time => {
            task.stream_slowly(after, "?view=raw", begin + time).await
        }
        _ => task.stream(after, "?view=raw").await,
    }
}

/// Reads on; answers whether `done` came.
async fn read(mut stream: EventStream, seen: &mut Seen) -> Result<bool> {
    while let Some(RawEvent { name, id, data }) = stream.next_raw().await? {
        match name.as_str() {
            "status" => {}
            "log" => {
                let id = id.context("a line without a number")?;
                let line: LogData = serde_json::from_str(&data)?;
                let first = line.from.unwrap_or(id);
                seen.digest.add(first, id, &line.stream, &line.line)?;
            }
            "done" => {
                let done: DoneData = serde_json::from_str(&data)?;
                seen.exit_code = done.exit_code;
                return Ok(true);
            }
            other => bail!("{other}: {data}"),
        }
    }
    Ok(false)
}
