//! As many lines as it goes: what one delivered line costs the server.

use std::time::Duration;

use anyhow::Result;

use super::{Size, clients_of, tallies};
use crate::drive::{Outcome, Pace, Plan, drive};
use crate::report::{Section, Target, cell};
use crate::rounds::{Measured, Rounds};
use crate::servers::Kind;
use crate::stats::Summary;

const CLIENTS: usize = 500;
/// Lines that are published ahead of the slowest client: less than what the naive server may be behind without losing any.
const WINDOW: u64 = 1_024;

/// B1.
pub(super) fn batches(rounds: &Rounds, size: Size) -> Result<Section> {
    let kinds = [Kind::Naive, Kind::Nchan, Kind::Raw, Kind::Ours];
    let (mut section, measured) = run(rounds, size, &kinds, 64)?;
    section.title = "B1: batches of 64 lines to many clients".into();
    ratio(&mut section, &measured, Kind::Naive, Target::AtLeast(20.0));
    ratio(&mut section, &measured, Kind::Nchan, Target::AtLeast(8.0));
    section.goal(
        "raw / ours, ns per line",
        cost(&measured, Kind::Raw, Kind::Ours),
        Target::AtLeast(0.8),
    );
    Ok(section)
}

/// B2.
pub(super) fn lines(rounds: &Rounds, size: Size) -> Result<Section> {
    let kinds = [Kind::Naive, Kind::Nchan, Kind::Ours];
    let (mut section, measured) = run(rounds, size, &kinds, 1)?;
    section.title = "B2: single lines to many clients".into();
    ratio(&mut section, &measured, Kind::Naive, Target::AtLeast(4.5));
    ratio(&mut section, &measured, Kind::Nchan, Target::AtLeast(20.0));
    Ok(section)
}

fn run(
    rounds: &Rounds,
    size: Size,
    kinds: &[Kind],
    batch: u64,
) -> Result<(Section, Measured<Outcome>)> {
    let clients = size.clients(CLIENTS);
    let plan = Plan {
        batch,
        len: 200,
        pace: Pace::Window(WINDOW),
        time: size.time(Duration::from_millis(1_200)),
        drain: Duration::from_secs(10),
    };
    let measured = rounds.run(kinds, |peers, kind| {
        let server = peers.start(kind)?;
        let mut load = clients_of(&server, clients)?;
        let outcome = drive(&server, &mut load, &plan)?;
        let other = outcome.other;
        Ok((outcome, other))
    })?;
    let mut section = Section {
        header: vec![
            "server",
            "server CPU, ns per delivered line",
            "M lines/s delivered",
            "lines published",
            "numbers",
        ],
        ..Section::default()
    };
    section.notes.push(format!(
        "{clients} clients on one task; lines of 200 bytes, {batch} per publication, at most {WINDOW} lines ahead of the slowest client, \
         for {:.1} s. A server is free to join publications that come close together.",
        plan.time.as_secs_f64()
    ));
    section.notes.extend(measured.notes.iter().cloned());
    for kind in measured.kinds() {
        section.rows.push(vec![
            kind.name().into(),
            cell(&measured.numbers(kind, Outcome::nanos_per_line)),
            cell(&measured.numbers(kind, Outcome::throughput)),
            cell(&measured.numbers(kind, |outcome| outcome.published as f64)),
            tallies(&measured, kind),
        ]);
    }
    Ok((section, measured))
}

fn cost(measured: &Measured<Outcome>, above: Kind, below: Kind) -> Option<Summary> {
    Summary::of_ratios(
        &measured.numbers(above, Outcome::nanos_per_line),
        &measured.numbers(below, Outcome::nanos_per_line),
    )
}

fn ratio(section: &mut Section, measured: &Measured<Outcome>, peer: Kind, target: Target) {
    let what = format!("{} / ours, ns per line", peer.name());
    section.goal(&what, cost(measured, peer, Kind::Ours), target);
}
