//! What a stream costs on which nothing happens.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Column, Size, clients_of, fill};
use crate::drive::{Meter, Pace, Plan, Source};
use crate::report::{Section, Target};
use crate::rounds::Rounds;
use crate::servers::Kind;

const CLIENTS: usize = 10_000;
/// For the server to settle after the last connection.
const REST: Duration = Duration::from_millis(300);

struct Idle {
    bytes: f64,
    /// Microseconds of the server to accept a stream and send its first line.
    accept: f64,
}

/// B5.
pub(super) fn run(rounds: &Rounds, size: Size) -> Result<Section> {
    let clients = size.clients(CLIENTS);
    let kinds = [Kind::Naive, Kind::Nchan, Kind::Ours];
    let plan = Plan {
        batch: 1,
        len: 200,
        pace: Pace::Window(1),
        time: Duration::ZERO,
        drain: Duration::ZERO,
    };
    let measured = rounds.run(&kinds, |peers, kind| {
        let server = peers.start(kind)?;
        let mut load = clients_of(&server, 10)?;
        let mut source = Source::new(&server, &load)?;
        source.warm_up(&mut load, &plan)?;
        let before = server.memory()?;
        let meter = Meter::start(&server)?;
        load.connect(&server.request(), clients)?;
        source.warm_up(&mut load, &plan)?;
        std::thread::sleep(REST);
        let (_, cpu, other) = meter.stop(&server)?;
        let after = server.memory()?;
        let last = source.published;
        ensure!(
            load.slowest() == last,
            "{} of {} streams live",
            load.slowest(),
            load.len()
        );
        let each = |value: f64| value / clients as f64;
        let idle = Idle {
            bytes: each(after.saturating_sub(before) as f64),
            accept: each(cpu.as_secs_f64() * 1e6),
        };
        Ok((idle, other))
    })?;
    let mut section = Section {
        title: "B5: idle streams".into(),
        ..Section::default()
    };
    section.notes.push(format!(
        "{clients} streams of one task, each of which got a line. Memory of the process (PSS); what the kernel holds for a socket comes \
         on top and is the same for all."
    ));
    let columns: [Column<Idle>; 2] = [
        ("bytes of memory per stream", |idle| idle.bytes),
        ("us of CPU to accept one and send a line", |idle| {
            idle.accept
        }),
    ];
    fill(&mut section, "server", &measured, &columns, |_| None);
    section.goal(
        "ours / naive, bytes",
        measured.ratio(Kind::Ours, Kind::Naive, |idle| idle.bytes),
        Target::AtMost(0.5),
    );
    section.goal(
        "ours, bytes (the far goal)",
        measured.summary(Kind::Ours, |idle| idle.bytes),
        Target::AtMost(1_500.0),
    );
    Ok(section)
}
