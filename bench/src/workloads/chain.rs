//! The whole way of a line: append, Redis, the gateway's ring, clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use codex_tasklog::{Body, Frame, LiveLogWriter as _, Stream};
use tokio::sync::oneshot;

use super::{Column, Size, fill};
use crate::drive::Meter;
use crate::line::write_line;
use crate::load::{Load, Tally};
use crate::report::{Section, Target};
use crate::rounds::Rounds;
use crate::servers::{Kind, Peers, redis_store, task_id};
use crate::stats::Histogram;
use crate::system;
use crate::ticker::Ticker;

const TASKS: usize = 10;
/// Of each task.
const CLIENTS: usize = 2;
/// Lines a second, of all tasks together.
const RATE: u64 = 100_000;
/// Lines that are appended together.
const BATCH: u64 = 64;
const LEN: usize = 200;
const TIME: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(10);

struct Run {
    /// Of a core.
    redis: f64,
    gateway: f64,
    /// Millions of lines a second.
    delivered: f64,
    latency: Histogram,
    tally: Tally,
}

impl Run {
    fn cores(&self) -> f64 {
        self.redis + self.gateway
    }

    fn millis(&self, part: f64) -> f64 {
        self.latency.quantile(part) / 1_000.0
    }
}

/// B9.
pub(super) fn run(rounds: &Rounds, size: Size) -> Result<Section> {
    let time = size.time(TIME);
    let measured = rounds.run(&[Kind::Chain], |peers, _| measure(peers, time))?;
    let mut section = Section {
        title: "B9: from append to client".into(),
        ..Section::default()
    };
    section.notes.push(format!(
        "{TASKS} tasks write {RATE} lines of {LEN} bytes a second together, {BATCH} at a time; each task has {CLIENTS} clients: `RedisStore` \
         appends, Redis stores and publishes, the gateway encodes and sends. Redis and the gateway share a core. Latency counts from when \
         lines were due for their append until a client has read them, for {:.1} s.",
        time.as_secs_f64()
    ));
    let columns: [Column<Run>; 6] = [
        ("CPU of both, cores", Run::cores),
        ("of Redis", |run| run.redis),
        ("of the gateway", |run| run.gateway),
        ("M lines/s delivered", |run| run.delivered),
        ("p50, ms", |run| run.millis(0.5)),
        ("p99, ms", |run| run.millis(0.99)),
    ];
    fill(&mut section, "", &measured, &columns, |run| {
        Some(&run.tally)
    });
    section.goal(
        "CPU of Redis and gateway, cores",
        measured.summary(Kind::Chain, Run::cores),
        Target::AtMost(0.35),
    );
    section.goal(
        "p99 in ms",
        measured.summary(Kind::Chain, |run| run.millis(0.99)),
        Target::AtMost(5.0),
    );
    Ok(section)
}

fn measure(peers: &Peers, time: Duration) -> Result<(Run, f64)> {
    let redis = peers.start_redis()?;
    let server = peers.start_chain(&redis)?;
    let mut load = Load::new()?;
    for task in 0..TASKS {
        load.connect(&server.request_of(task), CLIENTS)?;
    }
    let mut writer = Writer::start(redis.port, time)?;
    wait(&mut load, &writer, BATCH)?;
    let before = load.tally(0).received;
    load.timing = true;
    let of_redis = redis.cpu_time()?;
    let meter = Meter::start(&server)?;
    writer.go();
    while !writer.is_done() {
        load.poll(Duration::from_millis(5))?;
    }
    let published = writer.finish()?;
    let deadline = Instant::now() + PATIENCE;
    while load.slowest() < published && Instant::now() < deadline {
        load.poll(Duration::from_millis(5))?;
    }
    let (wall, cpu, other) = meter.stop(&server)?;
    let of_redis = redis.cpu_time()?.saturating_sub(of_redis);
    let tally = load.tally(published);
    let run = Run {
        redis: of_redis.as_secs_f64() / wall.as_secs_f64(),
        gateway: cpu.as_secs_f64() / wall.as_secs_f64(),
        delivered: (tally.received - before) as f64 / wall.as_secs_f64() / 1e6,
        latency: std::mem::take(&mut load.latency),
        tally,
    };
    Ok((run, other))
}

/// Waits until all clients have the lines that warm everything up.
fn wait(load: &mut Load, writer: &Writer, lines: u64) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while load.slowest() < lines {
        ensure!(
            Instant::now() < deadline && !writer.is_done(),
            "the first lines do not arrive"
        );
        load.poll(Duration::from_millis(5))?;
    }
    Ok(())
}

/// Appends, as an operator does, on a thread beside the clients.
struct Writer {
    thread: JoinHandle<Result<()>>,
    go: Option<oneshot::Sender<()>>,
    /// Lines of each task.
    published: Arc<AtomicU64>,
}

impl Writer {
    fn start(port: u16, time: Duration) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (go, started) = oneshot::channel();
        let published = Arc::new(AtomicU64::new(0));
        let thread = std::thread::spawn({
            let published = Arc::clone(&published);
            move || runtime.block_on(write(port, time, started, &published))
        });
        Ok(Self {
            thread,
            go: Some(go),
            published,
        })
    }

    fn go(&mut self) {
        if let Some(go) = self.go.take() {
            // A writer that failed is noticed at the end.
            let _ = go.send(());
        }
    }

    fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    /// The lines of each task.
    fn finish(self) -> Result<u64> {
        self.thread
            .join()
            .map_err(|_| anyhow!("the writer panicked"))??;
        Ok(self.published.load(Ordering::SeqCst))
    }
}

async fn write(
    port: u16,
    time: Duration,
    started: oneshot::Receiver<()>,
    published: &AtomicU64,
) -> Result<()> {
    let store = redis_store(port)?;
    let tasks: Vec<String> = (0..TASKS).map(|task| task_id(task).to_string()).collect();
    let period = Duration::from_nanos(1_000_000_000 * BATCH / RATE);
    let rounds = time.as_nanos() / period.as_nanos() / TASKS as u128;
    let mut ticker = None;
    let mut started = Some(started);
    for _ in 0..=rounds {
        let first = published.load(Ordering::SeqCst) + 1;
        for task in &tasks {
            let due = match &mut ticker {
                Some(ticker) => Ticker::tick(ticker).await?,
                None => system::now(),
            };
            store.append(task, &batch(first, due)?).await?;
        }
        published.store(first + BATCH - 1, Ordering::SeqCst);
        // After the first round, which warms everything up.
        if let Some(started) = started.take() {
            started.await?;
            ticker = Some(Ticker::start(period));
        }
    }
    Ok(())
}

fn batch(first: u64, due: u64) -> Result<Vec<Arc<Frame>>> {
    (first..first + BATCH)
        .map(|seq| {
            let mut line = Vec::with_capacity(LEN);
            write_line(&mut line, seq, due, LEN);
            Ok(Arc::new(Frame {
                seq,
                ts: "2026-01-01T00:00:00.000Z".into(),
                body: Body::Line {
                    stream: Stream::Stdout,
                    text: String::from_utf8(line)?,
                    more: false,
                },
            }))
        })
        .collect()
}
