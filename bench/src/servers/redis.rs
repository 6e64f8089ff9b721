//! Redis as a process, and the ways in which a gateway can wait for the logs of many tasks.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use codex_tasklog::{Body, LiveLog as _, RedisConfig, RedisStore};
use futures::StreamExt as _;
use redis::Value;
use tempfile::TempDir;

use super::Kind;
use crate::line::Scanner;
use crate::stats::Histogram;
use crate::system;

/// How long Redis has to start.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one XREAD waits, in milliseconds, so that readers end some time.
const BLOCK: u64 = 1_000;

/// A Redis that keeps nothing on disk. It ends when this is dropped.
pub(crate) struct Redis {
    child: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Redis {
    /// Starts one on the core of the calling thread.
    ///
    /// # Errors
    /// When it does not start, or does not listen in time.
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(program)
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &port.to_string(), "--dir"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(File::create(folder.path().join("log"))?)
            .spawn()
            .context("starting Redis")?;
        let mut redis = Self {
            child,
            port,
            _folder: folder,
        };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            ensure!(
                matches!(redis.child.try_wait(), Ok(None)) && Instant::now() < deadline,
                "Redis does not listen"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(redis)
    }

    /// The processor time that it took so far.
    ///
    /// # Errors
    /// When it ended.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        system::cpu_time(self.child.id())
    }

    /// What of it went into commands, by its own account; the rest is reading, writing and waking up.
    ///
    /// # Errors
    /// When it ended.
    pub(crate) fn command_time(&self) -> Result<Duration> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port))?;
        let stats: String = redis::cmd("INFO")
            .arg("commandstats")
            .query(&mut client.get_connection()?)?;
        let micros = stats.lines().filter_map(|line| {
            let (name, numbers) = line.strip_prefix("cmdstat_")?.split_once(':')?;
            let micros = numbers.split_once("usec=")?.1.split(',').next()?;
            Some((name, micros.parse::<u64>().ok()?))
        });
        let micros: HashMap<&str, u64> = micros.collect();
        // The commands of a script are counted with the script too.
        let total = match micros.get("evalsha") {
            Some(scripts) => *scripts,
            None => micros.values().sum(),
        };
        Ok(Duration::from_micros(total))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The id of a task.
pub(crate) fn task(index: usize) -> String {
    format!("task-{index}")
}

/// The stream and the channel of a task, where it is not our store that names them.
pub(crate) fn stream(index: usize) -> String {
    format!("bench:{}", task(index))
}

/// Our store, with room for everything.
///
/// # Errors
/// When the address is refused.
pub(crate) fn store(port: u16) -> Result<RedisStore> {
    let address = format!("redis://127.0.0.1:{port}").into();
    Ok(RedisStore::new(RedisConfig::new(&address, None)?)?)
}

/// What a reader got.
#[derive(Default)]
struct Seen {
    scanners: Vec<Scanner>,
    latency: Histogram,
}

impl Seen {
    fn take(&mut self, task: usize, text: &[u8]) {
        let now = system::now();
        let latency = &mut self.latency;
        self.scanners[task].feed(text, |at| latency.record(now.saturating_sub(at) / 1_000));
    }

    /// Received, lost, repeated; then the median and the 99th percentile in microseconds.
    fn line(&self) -> String {
        let sum = |count: fn(&Scanner) -> u64| self.scanners.iter().map(count).sum::<u64>();
        format!(
            "{} {} {} {} {}",
            sum(|scanner| scanner.received),
            sum(|scanner| scanner.lost),
            sum(|scanner| scanner.repeated),
            self.latency.quantile(0.5),
            self.latency.quantile(0.99)
        )
    }
}

/// Reads the logs of `tasks` tasks until standard input ends, and then says what it got.
///
/// # Errors
/// When Redis fails.
pub(crate) fn read(kind: Kind, port: u16, tasks: usize) -> Result<()> {
    let seen = Arc::new(Mutex::new(Seen {
        scanners: (0..tasks).map(|_| Scanner::default()).collect(),
        latency: Histogram::default(),
    }));
    std::thread::spawn({
        let seen = Arc::clone(&seen);
        move || {
            let mut rest = Vec::new();
            let _ = std::io::stdin().read_to_end(&mut rest);
            let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            println!("{}", seen.line());
            std::process::exit(0);
        }
    });
    match kind {
        Kind::Xread => read_blocking(port, tasks, &seen),
        Kind::Publish => read_published(port, tasks, &seen),
        Kind::Store => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(read_store(port, tasks, &seen)),
        _ => bail!("{} does not read from Redis", kind.name()),
    }
}

/// One connection that blocks on all streams, which is what the documentation of Redis suggests.
fn read_blocking(port: u16, tasks: usize, seen: &Mutex<Seen>) -> Result<()> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
    let mut connection = client.get_connection()?;
    let streams: Vec<String> = (0..tasks).map(stream).collect();
    let mut after = vec!["0".to_owned(); tasks];
    println!("ready");
    loop {
        let mut command = redis::cmd("XREAD");
        command.arg("BLOCK").arg(BLOCK).arg("STREAMS");
        let answer: Value = command.arg(&streams).arg(&after).query(&mut connection)?;
        let Value::Array(changed) = answer else {
            continue;
        };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in changed {
            take_stream(stream, &mut after, &mut seen).context("an answer to XREAD")?;
        }
    }
}

/// `[name, [[id, [field, payload]], ...]]`.
fn take_stream(stream: Value, after: &mut [String], seen: &mut Seen) -> Option<()> {
    let [name, entries] = <[Value; 2]>::try_from(stream.into_sequence().ok()?).ok()?;
    let Value::BulkString(name) = name else {
        return None;
    };
    let index = index_of(&name)?;
    for entry in entries.into_sequence().ok()? {
        let [id, fields] = <[Value; 2]>::try_from(entry.into_sequence().ok()?).ok()?;
        let Value::BulkString(id) = id else {
            return None;
        };
        after[index] = String::from_utf8(id).ok()?;
        if let Some(Value::BulkString(payload)) = fields.into_sequence().ok()?.pop() {
            seen.take(index, &payload);
        }
    }
    Some(())
}

/// One connection that subscribes to all tasks.
fn read_published(port: u16, tasks: usize, seen: &Mutex<Seen>) -> Result<()> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
    let mut connection = client.get_connection()?;
    let mut subscription = connection.as_pubsub();
    let channels: Vec<String> = (0..tasks).map(stream).collect();
    subscription.subscribe(&channels)?;
    println!("ready");
    loop {
        let message = subscription.get_message()?;
        let index = index_of(message.get_channel_name().as_bytes()).context("a channel")?;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.take(index, message.get_payload_bytes());
    }
}

/// The number of the task whose stream or channel has this name.
fn index_of(name: &[u8]) -> Option<usize> {
    let (_, index) = std::str::from_utf8(name).ok()?.rsplit_once('-')?;
    index.parse().ok()
}

async fn read_store(port: u16, tasks: usize, seen: &Mutex<Seen>) -> Result<()> {
    let store = store(port)?;
    let mut logs = futures::stream::SelectAll::new();
    for index in 0..tasks {
        let frames = store.subscribe(&task(index), 0).await?;
        logs.push(frames.map(move |batch| (index, batch)));
    }
    println!("ready");
    while let Some((index, batch)) = logs.next().await {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        for frame in batch? {
            if let Body::Line { text, .. } = &frame.body {
                seen.take(index, text.as_bytes());
            }
        }
    }
    bail!("all logs ended")
}
