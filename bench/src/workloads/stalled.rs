//! One client that stops reading for a while.

use std::time::Duration;

use anyhow::Result;

use super::{Column, Size, fill, slow};
use crate::drive::{Outcome, Pace, Plan, drive};
use crate::load::{Load, Tally};
use crate::report::{Section, Target};
use crate::rounds::Rounds;
use crate::servers::{Kind, Peers};

const CLIENTS: usize = 50;
const TIME: Duration = Duration::from_secs(4);
/// For the stalled client to catch up.
const PATIENCE: Duration = Duration::from_secs(10);
const STALLED: usize = 0;

struct Run {
    outcome: Outcome,
    /// Bytes by which the server grew.
    growth: f64,
    /// Of all clients, after the stalled one has caught up.
    tally: Tally,
}

struct Pair {
    calm: Run,
    stalled: Run,
}

impl Pair {
    /// How much slower the others got.
    fn slowdown(&self) -> f64 {
        self.stalled.outcome.millis(0.99) / self.calm.outcome.millis(0.99)
    }

    /// Megabytes that the server holds for the stalled client.
    fn held(&self) -> f64 {
        (self.stalled.growth - self.calm.growth) / 1e6
    }
}

/// B7.
pub(super) fn run(rounds: &Rounds, size: Size) -> Result<Section> {
    let clients = size.clients(CLIENTS).max(10);
    let plan = Plan {
        batch: 10,
        len: 1_000,
        pace: Pace::Rate(5_000),
        time: size.time(TIME),
        drain: Duration::from_secs(8),
    };
    let kinds = [Kind::Naive, Kind::Nchan, Kind::Ours];
    let measured = rounds.run(&kinds, |peers, kind| {
        let calm = measure(peers, kind, clients, &plan, Stall::No)?;
        let stalled = measure(peers, kind, clients, &plan, Stall::Yes)?;
        let other = calm.outcome.other.max(stalled.outcome.other);
        Ok((Pair { calm, stalled }, other))
    })?;
    let mut section = Section {
        title: "B7: one stalled client".into(),
        ..Section::default()
    };
    section.notes.push(format!(
        "{clients} clients, 5,000 lines of 1,000 bytes a second in batches of 10, for {:.1} s: {:.0} MB to each. One client does not read in \
         that time and reads everything afterwards; the numbers are those of all clients at the end.",
        plan.time.as_secs_f64(),
        plan.time.as_secs_f64() * 5.0
    ));
    let columns: [Column<Pair>; 3] = [
        ("p99 of the others, ms", |pair| {
            pair.stalled.outcome.millis(0.99)
        }),
        ("p99 without the stalled one, ms", |pair| {
            pair.calm.outcome.millis(0.99)
        }),
        ("held for the stalled one, MB", Pair::held),
    ];
    fill(&mut section, "server", &measured, &columns, |pair| {
        Some(&pair.stalled.tally)
    });
    section.goal(
        "ours, p99 with / without",
        measured.summary(Kind::Ours, Pair::slowdown),
        Target::AtMost(1.2),
    );
    section.goal(
        "ours, MB held for the stalled client",
        measured.summary(Kind::Ours, Pair::held),
        Target::AtMost(4.0),
    );
    let faults = measured.summary(Kind::Ours, |pair| {
        let tally = pair.stalled.tally;
        (tally.lost + tally.repeated + tally.missing) as f64
    });
    section.goal("ours, lines lost or repeated", faults, Target::AtMost(0.0));
    Ok(section)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stall {
    No,
    Yes,
}

fn measure(peers: &Peers, kind: Kind, clients: usize, plan: &Plan, stall: Stall) -> Result<Run> {
    let server = peers.start(kind)?;
    let mut load = Load::new()?;
    load.connect(&slow(server.request()), 1)?;
    load.connect(&server.request(), clients - 1)?;
    let before = server.memory()?;
    if stall == Stall::Yes {
        load.pause(STALLED)?;
    }
    let outcome = drive(&server, &mut load, plan)?;
    let growth = server.memory()? as f64 - before as f64;
    load.resume(STALLED)?;
    load.wait_for(outcome.published, PATIENCE)?;
    Ok(Run {
        growth,
        tally: load.tally(outcome.published),
        outcome,
    })
}
