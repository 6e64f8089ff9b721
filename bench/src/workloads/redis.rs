//! Many live tasks on Redis: what it costs to wait for all of them.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use codex_tasklog::{Body, Frame, LiveLogWriter as _, RedisStore, Stream};

use super::{Column, Size, fill};
use crate::line::write_line;
use crate::load::Tally;
use crate::report::{Section, Target};
use crate::rounds::Rounds;
use crate::servers::{Kind, Peers, redis_store, redis_stream, redis_task};
use crate::system;
use crate::ticker::Ticker;

const TASKS: usize = 1_000;
/// Entries a second, of all tasks together.
const RATE: u64 = 1_000;
const TIME: Duration = Duration::from_secs(4);
/// For the readers to get the rest.
const DRAIN: Duration = Duration::from_secs(2);

struct Run {
    /// Microseconds of Redis and the reader for one entry.
    cpu: f64,
    redis: f64,
    /// Of it in commands.
    commands: f64,
    p50: f64,
    p99: f64,
    tally: Tally,
}

/// B8.
pub(super) fn run(rounds: &Rounds, size: Size) -> Result<Section> {
    let tasks = size.clients(TASKS);
    let entries = RATE * size.time(TIME).as_millis() as u64 / 1_000;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let kinds = [Kind::Xread, Kind::Publish, Kind::Store];
    let measured = rounds.run(&kinds, |peers, kind| {
        runtime.block_on(measure(peers, kind, tasks, entries))
    })?;
    let mut section = Section {
        title: "B8: many live tasks on Redis".into(),
        ..Section::default()
    };
    section.notes.push(format!(
        "{tasks} tasks, each watched, {RATE} entries of one line a second over all of them, {entries} entries. Redis and the reader share \
         a core. Latency counts from when a line was due until the reader has it; writing is part of it. For XREAD the writer uses plain \
         XADD. XADD + PUBLISH is the limit: the same entries without any check, one connection that subscribes to all tasks. Ours adds \
         what a log needs: repetitions and holes are refused, memory is bounded, readers notice what they missed. What Redis takes \
         outside of commands is the kernel's work to wake it for each entry and to send to writer and reader, which is the same for both."
    ));
    let columns: [Column<Run>; 5] = [
        ("CPU of Redis and reader, us per entry", |run| run.cpu),
        ("of Redis alone", |run| run.redis),
        ("of that in commands", |run| run.commands),
        ("p50, ms", |run| run.p50),
        ("p99, ms", |run| run.p99),
    ];
    fill(&mut section, "reader", &measured, &columns, |run| {
        Some(&run.tally)
    });
    section.goal(
        "XREAD BLOCK / ours, CPU",
        measured.ratio(Kind::Xread, Kind::Store, |run| run.cpu),
        Target::AtLeast(10.0),
    );
    section.goal(
        "ours, p99 in ms",
        measured.summary(Kind::Store, |run| run.p99),
        Target::AtMost(1.0),
    );
    Ok(section)
}

async fn measure(peers: &Peers, kind: Kind, tasks: usize, entries: u64) -> Result<(Run, f64)> {
    let redis = peers.start_redis()?;
    let mut reader = Reader::start(peers, kind, redis.port, tasks)?;
    let mut writer = Writer::new(kind, redis.port)?;
    let (machine, ours) = (
        system::machine_time(),
        system::cpu_time(std::process::id())?,
    );
    let in_commands = redis.command_time()?;
    let (of_redis, of_reader) = (redis.cpu_time()?, system::cpu_time(reader.child.id())?);
    let begin = system::now();
    let mut ticker = Ticker::start(Duration::from_nanos(1_000_000_000 / RATE));
    for entry in 0..entries {
        let due = ticker.tick().await?;
        let (round, task) = (entry / tasks as u64, entry % tasks as u64);
        writer.write(usize::try_from(task)?, round + 1, due).await?;
    }
    tokio::time::sleep(DRAIN).await;
    let of_redis = redis.cpu_time()?.saturating_sub(of_redis);
    let of_reader = system::cpu_time(reader.child.id())?.saturating_sub(of_reader);
    let ours = system::cpu_time(std::process::id())?.saturating_sub(ours);
    let in_commands = redis.command_time()?.saturating_sub(in_commands);
    let machine = system::machine_time().saturating_sub(machine);
    let wall = Duration::from_nanos(system::now() - begin);
    let other = machine.saturating_sub(ours).as_secs_f64() / wall.as_secs_f64();
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / entries as f64;
    let [received, lost, repeated, p50, p99] = reader.report()?;
    let run = Run {
        cpu: each(of_redis + of_reader),
        redis: each(of_redis),
        commands: each(in_commands),
        p50: p50 as f64 / 1_000.0,
        p99: p99 as f64 / 1_000.0,
        tally: Tally {
            received,
            lost,
            repeated,
            missing: entries.saturating_sub(received + lost),
        },
    };
    Ok((run, other))
}

/// The process that reads. It ends when this is dropped.
struct Reader {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Reader {
    fn start(peers: &Peers, kind: Kind, port: u16, tasks: usize) -> Result<Self> {
        let mut child = peers.start_reader(
            Command::new(std::env::current_exe()?)
                .args(["read", &kind.argument()])
                .args([port.to_string(), tasks.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped()),
        )?;
        let output = child.stdout.take().context("no output of the reader")?;
        let mut reader = Self {
            child,
            output: BufReader::new(output),
        };
        let mut line = String::new();
        reader.output.read_line(&mut line)?;
        ensure!(line == "ready\n", "the reader says {line:?}");
        Ok(reader)
    }

    fn report(&mut self) -> Result<[u64; 5]> {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let numbers: Vec<u64> = line
            .split_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect();
        numbers
            .try_into()
            .map_err(|_| anyhow::anyhow!("the reader says {line:?}"))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Adds entries of one line.
enum Writer {
    Add(redis::Connection),
    AddAndPublish(redis::Connection),
    Store(RedisStore),
}

impl Writer {
    fn new(kind: Kind, port: u16) -> Result<Self> {
        let connect = || redis::Client::open(format!("redis://127.0.0.1:{port}"))?.get_connection();
        Ok(match kind {
            Kind::Store => Self::Store(redis_store(port)?),
            Kind::Publish => Self::AddAndPublish(connect()?),
            _ => Self::Add(connect()?),
        })
    }

    async fn write(&mut self, task: usize, number: u64, due: u64) -> Result<()> {
        let mut line = Vec::new();
        write_line(&mut line, number, due, 200);
        let frame = Frame {
            seq: number,
            ts: "2026-01-01T00:00:00.000Z".into(),
            body: Body::Line {
                stream: Stream::Stdout,
                text: String::from_utf8(line)?,
                more: false,
            },
        };
        match self {
            Self::Store(store) => {
                store.append(&redis_task(task), &[Arc::new(frame)]).await?;
            }
            Self::Add(connection) => entry(task, number, &frame).exec(connection)?,
            Self::AddAndPublish(connection) => {
                let payload = payload(number, &frame);
                redis::pipe()
                    .add_command(entry(task, number, &frame))
                    .cmd("PUBLISH")
                    .arg(redis_stream(task))
                    .arg(payload)
                    .exec(connection)?;
            }
        }
        Ok(())
    }
}

fn payload(number: u64, frame: &Frame) -> String {
    format!("{number} {number}\n{}", frame.to_json(None))
}

fn entry(task: usize, number: u64, frame: &Frame) -> redis::Cmd {
    let mut command = redis::cmd("XADD");
    command
        .arg(redis_stream(task))
        .arg(format!("{number}-0"))
        .arg("frames")
        .arg(payload(number, frame));
    command
}
