//! Rounds: every server once, one after the other, so that what the machine does besides meets all of them.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::servers::{Kind, Peers};
use crate::stats::Summary;

/// Cores that others may use before a round does not count.
pub(crate) const NOISE: f64 = 0.25;

/// How a run measures.
#[derive(Debug)]
pub(crate) struct Rounds {
    pub(crate) peers: Peers,
    /// How many rounds should count.
    pub(crate) wanted: usize,
    /// No round begins later.
    pub(crate) deadline: Instant,
    /// Whether rounds count in which others used the machine. Such results are for development only.
    pub(crate) keep_noisy: bool,
}

/// What was measured, by server: the same index is the same round.
#[derive(Debug)]
pub(crate) struct Measured<T> {
    by_kind: BTreeMap<Kind, Vec<T>>,
    /// Sentences for the report.
    pub(crate) notes: Vec<String>,
}

impl<T> Measured<T> {
    /// One number of every round of a server; nothing when the server did not take part.
    pub(crate) fn numbers(&self, kind: Kind, number: impl Fn(&T) -> f64) -> Vec<f64> {
        self.of(kind).iter().map(number).collect()
    }

    /// The middle and the ends of one number of a server.
    pub(crate) fn summary(&self, kind: Kind, number: impl Fn(&T) -> f64) -> Option<Summary> {
        Summary::of(&self.numbers(kind, number))
    }

    /// The same of the quotients of two servers, each of the same round.
    pub(crate) fn ratio(
        &self,
        above: Kind,
        below: Kind,
        number: impl Fn(&T) -> f64,
    ) -> Option<Summary> {
        Summary::of_ratios(&self.numbers(above, &number), &self.numbers(below, &number))
    }

    /// All rounds of a server.
    pub(crate) fn of(&self, kind: Kind) -> &[T] {
        self.by_kind.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// The servers that took part.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.by_kind.keys().copied()
    }
}

impl Rounds {
    /// Measures every server in every round. `measure` also says how many cores others used.
    ///
    /// # Errors
    /// The first one of `measure`: a server that fails is no result.
    pub(crate) fn run<T>(
        &self,
        kinds: &[Kind],
        mut measure: impl FnMut(&Peers, Kind) -> Result<(T, f64)>,
    ) -> Result<Measured<T>> {
        let mut notes = Vec::new();
        let mut present = Vec::new();
        for kind in kinds {
            match self.peers.obstacle(*kind) {
                Some(obstacle) => notes.push(format!("{obstacle}.")),
                None => present.push(*kind),
            }
        }
        let mut by_kind: BTreeMap<Kind, Vec<T>> =
            present.iter().map(|kind| (*kind, Vec::new())).collect();
        let (mut counted, mut rejected, mut tried) = (0, 0, 0);
        while counted < self.wanted && tried < 3 * self.wanted && Instant::now() < self.deadline {
            tried += 1;
            let mut round = Vec::new();
            let mut noise: f64 = 0.0;
            for kind in &present {
                let (result, other) = measure(&self.peers, *kind)
                    .with_context(|| format!("measuring {}", kind.name()))?;
                noise = noise.max(other);
                round.push((*kind, result));
            }
            if noise > NOISE && !self.keep_noisy {
                rejected += 1;
                eprintln!("  a round does not count: others used {noise:.2} of a core");
                continue;
            }
            counted += 1;
            for (kind, result) in round {
                by_kind.entry(kind).or_default().push(result);
            }
        }
        if counted < self.wanted || rejected > 0 {
            notes.push(format!(
                "{counted} of {} wanted rounds count; {rejected} were rejected because others used more than {NOISE} of a core.",
                self.wanted
            ));
        }
        Ok(Measured { by_kind, notes })
    }
}
