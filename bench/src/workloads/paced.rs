//! A steady number of lines a second: processor time and latency.

use std::time::Duration;

use anyhow::Result;

use super::{Size, clients_of, tallies};
use crate::drive::{Outcome, Pace, Plan, drive};
use crate::report::{Section, Target, cell};
use crate::rounds::{Measured, Rounds};
use crate::servers::Kind;
use crate::stats::Summary;

const CLIENTS: usize = 500;
const TIME: Duration = Duration::from_secs(3);

/// B3.
pub(super) fn moderate(rounds: &Rounds, size: Size) -> Result<Section> {
    let kinds = [Kind::Naive, Kind::Ours, Kind::OursUi];
    let (mut section, measured) = run(rounds, size, &kinds, 1_000)?;
    section.title = "B3: 1,000 lines a second to many clients".into();
    for (what, kind, least) in [
        ("naive / ours for UIs, CPU", Kind::OursUi, 7.0),
        ("naive / ours, CPU", Kind::Ours, 1.9),
    ] {
        let ratio = Summary::of_ratios(
            &measured.numbers(Kind::Naive, Outcome::cores),
            &measured.numbers(kind, Outcome::cores),
        );
        section.goal(what, ratio, Target::AtLeast(least));
    }
    let p99 = Summary::of_ratios(
        &measured.numbers(Kind::Ours, |outcome| millis(outcome, 0.99)),
        &measured.numbers(Kind::Naive, |outcome| millis(outcome, 0.99)),
    );
    section.goal("ours / naive, p99", p99, Target::AtMost(1.0));
    Ok(section)
}

/// B4.
pub(super) fn busy(rounds: &Rounds, size: Size) -> Result<Section> {
    let kinds = [Kind::Naive, Kind::Nchan, Kind::Ours, Kind::OursUi];
    let (mut section, measured) = run(rounds, size, &kinds, 3_000)?;
    section.title = "B4: 3,000 lines a second to many clients".into();
    let p99 = measured.numbers(Kind::Ours, |outcome| millis(outcome, 0.99));
    section.goal("ours, p99 in ms", Summary::of(&p99), Target::AtMost(15.0));
    Ok(section)
}

fn run(
    rounds: &Rounds,
    size: Size,
    kinds: &[Kind],
    rate: u64,
) -> Result<(Section, Measured<Outcome>)> {
    let clients = size.clients(CLIENTS);
    let plan = Plan {
        batch: 1,
        len: 200,
        pace: Pace::Rate(rate),
        time: size.time(TIME),
        drain: Duration::from_secs(8),
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
            "server CPU, cores",
            "p50, ms",
            "p99, ms",
            "until all had all, s",
            "numbers",
        ],
        ..Section::default()
    };
    section.notes.push(format!(
        "{clients} clients on one task; lines of 200 bytes, published one by one for {:.1} s. Latency counts from when a line was due \
         until a client has read it.",
        plan.time.as_secs_f64()
    ));
    section.notes.extend(measured.notes.iter().cloned());
    for kind in measured.kinds() {
        section.rows.push(vec![
            kind.name().into(),
            cell(&measured.numbers(kind, Outcome::cores)),
            cell(&measured.numbers(kind, |outcome| millis(outcome, 0.5))),
            cell(&measured.numbers(kind, |outcome| millis(outcome, 0.99))),
            cell(&measured.numbers(kind, |outcome| outcome.wall.as_secs_f64())),
            tallies(&measured, kind),
        ]);
    }
    Ok((section, measured))
}

fn millis(outcome: &Outcome, part: f64) -> f64 {
    outcome.latency.quantile(part) / 1_000.0
}
