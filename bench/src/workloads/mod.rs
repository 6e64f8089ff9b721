//! What is measured; the names and targets are those of the streaming facts.

mod chain;
mod fan_out;
mod idle;
mod redis;
mod replay;
mod stalled;

use std::time::Duration;

use anyhow::Result;

use crate::load::{Load, Request, Tally};
use crate::report::{Section, cell};
use crate::rounds::{Measured, Rounds};
use crate::servers::Server;

/// A benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Workload {
    /// 500 clients, batches of 64 lines, as fast as it goes.
    #[value(name = "B1", alias = "b1")]
    Batches,
    /// 500 clients, single lines, as fast as it goes.
    #[value(name = "B2", alias = "b2")]
    Lines,
    /// 500 clients, 1,000 lines a second.
    #[value(name = "B3", alias = "b3")]
    Moderate,
    /// 500 clients, 3,000 lines a second.
    #[value(name = "B4", alias = "b4")]
    Busy,
    /// 10,000 idle streams.
    #[value(name = "B5", alias = "b5")]
    Idle,
    /// 200 clients that read 20,000 lines from the beginning.
    #[value(name = "B6", alias = "b6")]
    Replay,
    /// One stalled client of 50.
    #[value(name = "B7", alias = "b7")]
    Stalled,
    /// 1,000 live tasks on Redis.
    #[value(name = "B8", alias = "b8")]
    Redis,
    /// From the operator's append through Redis to clients.
    #[value(name = "B9", alias = "b9")]
    Chain,
}

impl Workload {
    /// All of them, in the order in which they run.
    pub(crate) const ALL: [Self; 9] = [
        Self::Batches,
        Self::Lines,
        Self::Moderate,
        Self::Busy,
        Self::Idle,
        Self::Replay,
        Self::Stalled,
        Self::Redis,
        Self::Chain,
    ];

    /// Runs it.
    ///
    /// # Errors
    /// When a server cannot be measured.
    pub(crate) fn run(self, rounds: &Rounds, size: Size) -> Result<Section> {
        match self {
            Self::Batches => fan_out::batches(rounds, size),
            Self::Lines => fan_out::lines(rounds, size),
            Self::Moderate => fan_out::moderate(rounds, size),
            Self::Busy => fan_out::busy(rounds, size),
            Self::Idle => idle::run(rounds, size),
            Self::Replay => replay::run(rounds, size),
            Self::Stalled => stalled::run(rounds, size),
            Self::Redis => redis::run(rounds, size),
            Self::Chain => chain::run(rounds, size),
        }
    }

    /// How much of the time of a whole run it may use, relative to the others.
    pub(crate) const fn share(self) -> u32 {
        match self {
            Self::Stalled => 8,
            Self::Busy => 6,
            Self::Idle | Self::Redis => 4,
            Self::Batches | Self::Moderate | Self::Replay => 3,
            Self::Lines | Self::Chain => 2,
        }
    }
}

/// Whether it is a measurement or a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// As the benchmarks are defined.
    Full,
    /// A tenth of the clients, a quarter of the time: to see that everything works.
    Quick,
}

impl Size {
    const fn clients(self, full: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Quick => full.div_ceil(10),
        }
    }

    const fn time(self, full: Duration) -> Duration {
        match self {
            Self::Full => full,
            Self::Quick => Duration::from_millis(full.as_millis() as u64 / 4),
        }
    }
}

fn clients_of(server: &Server, count: usize) -> Result<Load> {
    let mut load = Load::new()?;
    load.connect(&server.request(), count)?;
    Ok(load)
}

/// What the clients of all rounds say about the numbers.
fn verified<'a>(tallies: impl IntoIterator<Item = &'a Tally>) -> String {
    let mut sum = Tally::default();
    for tally in tallies {
        sum.received += tally.received;
        sum.lost += tally.lost;
        sum.repeated += tally.repeated;
        sum.missing += tally.missing;
    }
    if sum.is_clean() {
        return "each once".into();
    }
    let mut faults = Vec::new();
    for (count, what) in [
        (sum.lost, "lost"),
        (sum.repeated, "repeated"),
        (sum.missing, "not there in time"),
    ] {
        if count > 0 {
            let part = count as f64 * 100.0 / (sum.received + sum.lost + sum.missing) as f64;
            faults.push(format!("**{part:.2} % {what}**"));
        }
    }
    faults.join(", ")
}

/// A column of a table: its heading, and which number of a round stands there.
type Column<T> = (&'static str, fn(&T) -> f64);

/// Writes the table: a row for each server with its numbers, and what its clients say about the numbers of their lines, if they do.
fn fill<T>(
    section: &mut Section,
    first: &'static str,
    measured: &Measured<T>,
    columns: &[Column<T>],
    tally: impl Fn(&T) -> Option<&Tally>,
) {
    let has_tallies = measured
        .kinds()
        .any(|kind| measured.of(kind).iter().any(|round| tally(round).is_some()));
    section.notes.extend(measured.notes.iter().cloned());
    section.header.push(first);
    section
        .header
        .extend(columns.iter().map(|(heading, _)| *heading));
    section.header.extend(has_tallies.then_some("numbers"));
    for kind in measured.kinds() {
        let mut row = vec![kind.name().to_owned()];
        row.extend(
            columns
                .iter()
                .map(|(_, number)| cell(&measured.numbers(kind, number))),
        );
        row.extend(has_tallies.then(|| verified(measured.of(kind).iter().filter_map(&tally))));
        section.rows.push(row);
    }
}

/// A client whose kernel takes little: when it stalls, the server notices soon.
fn slow(mut request: Request) -> Request {
    request.receive_buffer = Some(64 * 1024);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named() {
        let good = Tally {
            received: 90,
            ..Tally::default()
        };
        let bad = Tally {
            received: 0,
            lost: 10,
            repeated: 1,
            missing: 0,
        };
        assert_eq!(verified([&good]), "each once");
        assert_eq!(
            verified([&good, &bad]),
            "**10.00 % lost**, **1.00 % repeated**"
        );
    }

    #[test]
    fn all_workloads_have_their_names() {
        for (index, workload) in Workload::ALL.into_iter().enumerate() {
            let value = clap::ValueEnum::to_possible_value(&workload).unwrap();
            assert_eq!(value.get_name(), format!("B{}", index + 1));
        }
    }
}
