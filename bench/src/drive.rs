//! One measurement: lines are published to one server, clients check what arrives, and the server's processor time is taken.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::line::write_line;
use crate::load::{Load, Tally};
use crate::publish::Publisher;
use crate::servers::Server;
use crate::stats::Histogram;
use crate::system;

/// How long the first lines may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How fast lines are published.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As fast as clients take them: at most that many lines ahead of the slowest.
    Window(u64),
    /// Lines a second, however the clients do.
    Rate(u64),
}

/// What is published to task 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Lines that are published together.
    pub(crate) batch: u64,
    /// Bytes of a line, before it is encoded.
    pub(crate) len: usize,
    pub(crate) pace: Pace,
    /// How long lines are published.
    pub(crate) time: Duration,
    /// How long clients may take to get the rest.
    pub(crate) drain: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Lines that were published, those before the measurement among them.
    pub(crate) published: u64,
    /// Lines that clients got while it was measured.
    pub(crate) delivered: u64,
    pub(crate) tally: Tally,
    /// Of the server.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    /// In microseconds, from the time when a line was due.
    pub(crate) latency: Histogram,
    /// Cores that others used meanwhile.
    pub(crate) other: f64,
}

impl Outcome {
    /// Nanoseconds of the server for one delivered line.
    pub(crate) fn nanos_per_line(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.delivered.max(1) as f64
    }

    /// Millions of lines a second.
    pub(crate) fn throughput(&self) -> f64 {
        self.delivered as f64 / self.wall.as_secs_f64() / 1e6
    }

    /// The latency that the part `part` of all lines does not exceed, in milliseconds.
    pub(crate) fn millis(&self, part: f64) -> f64 {
        self.latency.quantile(part) / 1_000.0
    }

    /// How much of a core the server used.
    pub(crate) fn cores(&self) -> f64 {
        self.cpu.as_secs_f64() / self.wall.as_secs_f64()
    }
}

/// Measures processor time from now on.
pub(crate) struct Meter {
    begin: Instant,
    server: Duration,
    ours: Duration,
    machine: Duration,
}

impl Meter {
    /// Begins.
    ///
    /// # Errors
    /// When the server is gone.
    pub(crate) fn start(server: &Server) -> Result<Self> {
        Ok(Self {
            machine: system::machine_time(),
            ours: system::cpu_time(std::process::id())?,
            server: server.cpu_time()?,
            begin: Instant::now(),
        })
    }

    /// The time since, the server's processor time, and how many cores others used.
    ///
    /// # Errors
    /// When the server is gone.
    pub(crate) fn stop(&self, server: &Server) -> Result<(Duration, Duration, f64)> {
        let wall = self.begin.elapsed();
        let cpu = server.cpu_time()?.saturating_sub(self.server);
        // The server is a child of this process and so among its own.
        let ours = system::cpu_time(std::process::id())?.saturating_sub(self.ours);
        let machine = system::machine_time().saturating_sub(self.machine);
        let other = machine.saturating_sub(ours).as_secs_f64() / wall.as_secs_f64();
        Ok((wall, cpu, other))
    }
}

/// Publishes and counts.
pub(crate) struct Source {
    publisher: Publisher,
    /// Lines that were published.
    pub(crate) published: u64,
    buffer: Vec<u8>,
}

impl Source {
    /// A source for task 0 of a server.
    ///
    /// # Errors
    /// When it does not take lines.
    pub(crate) fn new(server: &Server, load: &Load) -> Result<Self> {
        let publisher = server.publisher()?;
        load.watch(&publisher, 1)?;
        Ok(Self {
            publisher,
            published: 0,
            buffer: Vec::new(),
        })
    }

    /// Publishes the next lines together. `due` is the time of line `index` of them.
    pub(crate) fn publish(&mut self, count: u64, len: usize, due: impl Fn(u64) -> u64) {
        self.buffer.clear();
        for index in 0..count {
            self.published += 1;
            write_line(&mut self.buffer, self.published, due(index), len);
        }
        self.publisher.publish(0, &self.buffer, len);
    }

    /// Moves what can be moved.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) fn pump(&mut self) -> Result<()> {
        self.publisher.pump()
    }

    /// Publishes one batch and waits until all clients have it.
    ///
    /// # Errors
    /// When it does not arrive.
    pub(crate) fn warm_up(&mut self, load: &mut Load, plan: &Plan) -> Result<()> {
        self.publish(plan.batch, plan.len, |_| system::now());
        let deadline = Instant::now() + PATIENCE;
        while load.slowest() < self.published {
            ensure!(Instant::now() < deadline, "the first lines do not arrive");
            self.pump()?;
            load.poll(Duration::from_millis(5))?;
        }
        Ok(())
    }
}

/// Publishes by plan to clients that are connected, and waits for them.
///
/// # Errors
/// When the server fails. Lines that are missing are no error here: the outcome counts them.
pub(crate) fn drive(server: &Server, load: &mut Load, plan: &Plan) -> Result<Outcome> {
    let mut source = Source::new(server, load)?;
    source.warm_up(load, plan)?;
    let before = load.tally(0).received;
    load.latency = Histogram::default();
    load.timing = true;
    let meter = Meter::start(server)?;
    match plan.pace {
        Pace::Window(window) => flood(&mut source, load, plan, window)?,
        Pace::Rate(rate) => trickle(&mut source, load, plan, rate)?,
    }
    let deadline = Instant::now() + plan.drain;
    while load.slowest() < source.published && Instant::now() < deadline {
        source.pump()?;
        load.poll(Duration::from_millis(5))?;
    }
    let (wall, cpu, other) = meter.stop(server)?;
    load.timing = false;
    let tally = load.tally(source.published);
    Ok(Outcome {
        published: source.published,
        delivered: tally.received - before,
        tally,
        cpu,
        wall,
        latency: std::mem::take(&mut load.latency),
        other,
    })
}

fn flood(source: &mut Source, load: &mut Load, plan: &Plan, window: u64) -> Result<()> {
    let end = Instant::now() + plan.time;
    while Instant::now() < end {
        let limit = load.slowest() + window;
        let at = system::now();
        while source.published + plan.batch <= limit {
            source.publish(plan.batch, plan.len, |_| at);
        }
        source.pump()?;
        load.poll(patience(source))?;
    }
    Ok(())
}

fn trickle(source: &mut Source, load: &mut Load, plan: &Plan, rate: u64) -> Result<()> {
    let period = 1_000_000_000 / rate;
    let tick = Duration::from_nanos(period * plan.batch);
    let timer = TimerFd::new(
        ClockId::CLOCK_MONOTONIC,
        TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
    )?;
    timer.set(
        Expiration::Interval(TimeSpec::from(tick)),
        TimerSetTimeFlags::empty(),
    )?;
    load.watch(&timer, 2)?;
    let begin = system::now();
    let total = plan.time.as_nanos() as u64 / period / plan.batch * plan.batch;
    let mut sent = 0;
    while sent < total {
        let due = (system::now() - begin) / period;
        while sent + plan.batch <= due.min(total) {
            // What waited for its batch, or for this thread, waited: a line counts from when it was due.
            source.publish(plan.batch, plan.len, |index| {
                begin + (sent + index + 1) * period
            });
            sent += plan.batch;
        }
        source.pump()?;
        load.poll(patience(source))?;
        let _ = nix::unistd::read(&timer, &mut [0; 8]);
    }
    Ok(())
}

/// A full pipe is tried again soon; everything else wakes the load by itself.
fn patience(source: &Source) -> Duration {
    Duration::from_millis(if source.publisher.has_backlog() { 0 } else { 5 })
}
