//! Clients that come late and read everything from the beginning.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Column, Size, clients_of, fill};
use crate::drive::{Meter, Source};
use crate::load::Tally;
use crate::report::{Section, Target};
use crate::rounds::Rounds;
use crate::servers::Kind;
use crate::system;

const CLIENTS: usize = 200;
const LINES: u64 = 20_000;
const BATCH: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(20);

struct Replay {
    nanos: f64,
    throughput: f64,
    tally: Tally,
}

/// B6.
pub(super) fn run(rounds: &Rounds, size: Size) -> Result<Section> {
    let clients = size.clients(CLIENTS);
    let measured = rounds.run(&[Kind::Nchan, Kind::Ours], |peers, kind| {
        let server = peers.start(kind)?;
        // The first one shows that the server has everything.
        let mut first = clients_of(&server, 1)?;
        let mut source = Source::new(&server, &first)?;
        while source.published < LINES {
            let count = BATCH.min(LINES - source.published);
            source.publish(count, 200, |_| system::now());
            source.pump()?;
            first.poll(Duration::ZERO)?;
        }
        while first.slowest() < LINES {
            source.pump()?;
            first.poll(Duration::from_millis(5))?;
        }
        let meter = Meter::start(&server)?;
        let mut load = clients_of(&server, clients)?;
        ensure!(
            load.wait_for(LINES, PATIENCE)?,
            "not everything that is stored arrives: {:?}",
            load.tally(LINES)
        );
        let (wall, cpu, other) = meter.stop(&server)?;
        let tally = load.tally(LINES);
        let replay = Replay {
            nanos: cpu.as_nanos() as f64 / tally.received as f64,
            throughput: tally.received as f64 / wall.as_secs_f64() / 1e6,
            tally,
        };
        Ok((replay, other))
    })?;
    let mut section = Section {
        title: "B6: replay of stored lines".into(),
        ..Section::default()
    };
    section.notes.push(format!(
        "{clients} clients connect at once and read {LINES} lines of 200 bytes, which were published {BATCH} at a time before. The naive \
         server keeps nothing and cannot do that."
    ));
    let columns: [Column<Replay>; 2] = [
        ("server CPU, ns per line", |replay| replay.nanos),
        ("M lines/s delivered", |replay| replay.throughput),
    ];
    fill(&mut section, "server", &measured, &columns, |replay| {
        Some(&replay.tally)
    });
    section.goal(
        "ours / nchan, lines/s",
        measured.ratio(Kind::Ours, Kind::Nchan, |replay| replay.throughput),
        Target::AtLeast(5.0),
    );
    Ok(section)
}
