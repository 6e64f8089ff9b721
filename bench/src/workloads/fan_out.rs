//! Many clients on one task: as many lines as it goes (B1, B2), and a steady number of them (B3, B4).

use std::time::Duration;

use anyhow::Result;

use super::{Column, Size, clients_of, fill};
use crate::drive::{Outcome, Pace, Plan, drive};
use crate::report::{Section, Target};
use crate::rounds::{Measured, Rounds};
use crate::servers::Kind;

const CLIENTS: usize = 500;
const LEN: usize = 200;
/// Lines that are published ahead of the slowest client: less than what the naive server may be behind without losing any.
const WINDOW: u64 = 1_024;

/// B1.
pub(super) fn batches(rounds: &Rounds, size: Size) -> Result<Section> {
    let kinds = [Kind::Naive, Kind::Nchan, Kind::Raw, Kind::Ours];
    let (mut section, measured) = flood(rounds, size, &kinds, 64)?;
    section.title = "B1: batches of 64 lines to many clients".into();
    cost_ratio(&mut section, &measured, Kind::Naive, 20.0);
    cost_ratio(&mut section, &measured, Kind::Nchan, 8.0);
    section.goal(
        "raw / ours, ns per line",
        measured.ratio(Kind::Raw, Kind::Ours, Outcome::nanos_per_line),
        Target::AtLeast(0.8),
    );
    Ok(section)
}

/// B2.
pub(super) fn lines(rounds: &Rounds, size: Size) -> Result<Section> {
    let kinds = [Kind::Naive, Kind::Nchan, Kind::Ours];
    let (mut section, measured) = flood(rounds, size, &kinds, 1)?;
    section.title = "B2: single lines to many clients".into();
    cost_ratio(&mut section, &measured, Kind::Naive, 4.5);
    cost_ratio(&mut section, &measured, Kind::Nchan, 20.0);
    Ok(section)
}

/// B3.
pub(super) fn moderate(rounds: &Rounds, size: Size) -> Result<Section> {
    let kinds = [Kind::Naive, Kind::Ours, Kind::OursUi];
    let (mut section, measured) = trickle(rounds, size, &kinds, 1_000)?;
    section.title = "B3: 1,000 lines a second to many clients".into();
    for (what, kind, least) in [
        ("naive / ours for UIs, CPU", Kind::OursUi, 7.0),
        ("naive / ours, CPU", Kind::Ours, 1.9),
    ] {
        let ratio = measured.ratio(Kind::Naive, kind, Outcome::cores);
        section.goal(what, ratio, Target::AtLeast(least));
    }
    let p99 = measured.ratio(Kind::Ours, Kind::Naive, |outcome| outcome.millis(0.99));
    section.goal("ours / naive, p99", p99, Target::AtMost(1.0));
    Ok(section)
}

/// B4.
pub(super) fn busy(rounds: &Rounds, size: Size) -> Result<Section> {
    let kinds = [Kind::Naive, Kind::Nchan, Kind::Ours, Kind::OursUi];
    let (mut section, measured) = trickle(rounds, size, &kinds, 3_000)?;
    section.title = "B4: 3,000 lines a second to many clients".into();
    let p99 = measured.summary(Kind::Ours, |outcome| outcome.millis(0.99));
    section.goal("ours, p99 in ms", p99, Target::AtMost(15.0));
    Ok(section)
}

/// As fast as the slowest client takes it.
fn flood(
    rounds: &Rounds,
    size: Size,
    kinds: &[Kind],
    batch: u64,
) -> Result<(Section, Measured<Outcome>)> {
    let clients = size.clients(CLIENTS);
    let plan = Plan {
        batch,
        len: LEN,
        pace: Pace::Window(WINDOW),
        time: size.time(Duration::from_millis(1_200)),
        drain: Duration::from_secs(10),
    };
    let note = format!(
        "{clients} clients on one task; lines of {LEN} bytes, {batch} per publication, at most {WINDOW} lines ahead of the slowest client, \
         for {:.1} s. A server is free to join publications that come close together.",
        plan.time.as_secs_f64()
    );
    let columns: [Column<Outcome>; 3] = [
        ("server CPU, ns per delivered line", Outcome::nanos_per_line),
        ("M lines/s delivered", Outcome::throughput),
        ("lines published", |outcome| outcome.published as f64),
    ];
    run(rounds, kinds, clients, &plan, note, &columns)
}

/// As fast as a task writes.
fn trickle(
    rounds: &Rounds,
    size: Size,
    kinds: &[Kind],
    rate: u64,
) -> Result<(Section, Measured<Outcome>)> {
    let clients = size.clients(CLIENTS);
    let plan = Plan {
        batch: 1,
        len: LEN,
        pace: Pace::Rate(rate),
        time: size.time(Duration::from_secs(3)),
        drain: Duration::from_secs(8),
    };
    let note = format!(
        "{clients} clients on one task; lines of {LEN} bytes, published one by one for {:.1} s. Latency counts from when a line was due \
         until a client has read it.",
        plan.time.as_secs_f64()
    );
    let columns: [Column<Outcome>; 4] = [
        ("server CPU, cores", Outcome::cores),
        ("p50, ms", |outcome| outcome.millis(0.5)),
        ("p99, ms", |outcome| outcome.millis(0.99)),
        ("until all had all, s", |outcome| outcome.wall.as_secs_f64()),
    ];
    run(rounds, kinds, clients, &plan, note, &columns)
}

fn run(
    rounds: &Rounds,
    kinds: &[Kind],
    clients: usize,
    plan: &Plan,
    note: String,
    columns: &[Column<Outcome>],
) -> Result<(Section, Measured<Outcome>)> {
    let measured = rounds.run(kinds, |peers, kind| {
        let server = peers.start(kind)?;
        let mut load = clients_of(&server, clients)?;
        let outcome = drive(&server, &mut load, plan)?;
        let other = outcome.other;
        Ok((outcome, other))
    })?;
    let mut section = Section {
        notes: vec![note],
        ..Section::default()
    };
    fill(&mut section, "server", &measured, columns, |outcome| {
        Some(&outcome.tally)
    });
    Ok((section, measured))
}

fn cost_ratio(section: &mut Section, measured: &Measured<Outcome>, peer: Kind, least: f64) {
    let what = format!("{} / ours, ns per line", peer.name());
    let ratio = measured.ratio(peer, Kind::Ours, Outcome::nanos_per_line);
    section.goal(&what, ratio, Target::AtLeast(least));
}
