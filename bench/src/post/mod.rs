//! `POST /api/tasks` next to the least that it could be: the row and the resource, written without anything around them.

mod clients;
mod postgres;
mod sightings;
mod stage;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::report::{Section, Target, cell};
use crate::rounds::NOISE;
use crate::stats::Summary;
use crate::system;

use clients::{Crew, Kind, Sample};
use sightings::Sightings;
pub(crate) use stage::{life_line, serve_cluster, serve_gateway};

/// Before anything counts: connections, prepared statements, the caches of everybody.
const WARM_UP: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(crate) struct Post {
    /// How often everything is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long each is measured in a round, in milliseconds.
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u64).range(100..))]
    milliseconds: u64,
    /// How many clients submit at once.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32", value_parser = clap::value_parser!(u8).range(1..=32))]
    clients: Vec<u8>,
    /// Counts rounds in which others used the machine. The numbers are for development only, and not written.
    #[arg(long)]
    keep_noisy: bool,
    /// Where the table is written, besides standard output; by default only there for trials, else bench/results/post.md.
    #[arg(long)]
    output: Option<PathBuf>,
}

/// What was measured with so many clients: by kind, in the order of the rounds.
struct Load {
    clients: usize,
    samples: [Vec<Sample>; Kind::ALL.len()],
}

impl Post {
    /// Measures, and writes the table.
    ///
    /// # Errors
    /// When a part does not start, or refuses something.
    pub(crate) async fn run(&self) -> Result<()> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let stage = stage::Stage::start().await?;
        let sightings = Sightings::start(&stage).await?;
        let most = self.clients.iter().copied().max().unwrap_or(1);
        let crew = Crew::gather(&stage, most.into()).await?;
        for kind in Kind::ALL {
            crew.measure(kind, most.into(), WARM_UP, &sightings).await?;
            stage.end_tasks().await?;
        }
        let mut loads: Vec<Load> = self
            .clients
            .iter()
            .map(|clients| Load {
                clients: usize::from(*clients),
                samples: Default::default(),
            })
            .collect();
        let wanted = usize::from(self.rounds);
        let (mut counted, mut tried) = (0, 0);
        while counted < wanted && tried < 3 * wanted {
            tried += 1;
            let round = self.round(&stage, &crew, &sightings, tried).await?;
            let Some(round) = round else { continue };
            counted += 1;
            for (load, samples) in loads.iter_mut().zip(round) {
                for (all, sample) in load.samples.iter_mut().zip(samples) {
                    all.push(sample);
                }
            }
        }
        let mut out = heading(tried - counted);
        for load in &loads {
            out.push_str(&load.section(self.milliseconds).markdown());
        }
        print!("{out}");
        if let Some(path) = self.destination() {
            std::fs::write(&path, out.trim_end().to_owned() + "\n")
                .with_context(|| format!("writing {}", path.display()))?;
            eprintln!("written to {}", path.display());
        }
        Ok(())
    }

    /// Everything once; nothing when others used the machine.
    async fn round(
        &self,
        stage: &stage::Stage,
        crew: &std::sync::Arc<Crew>,
        sightings: &Sightings,
        number: usize,
    ) -> Result<Option<Vec<Vec<Sample>>>> {
        let time = Duration::from_millis(self.milliseconds);
        let mut round = Vec::new();
        let (begun, machine, own) = (Instant::now(), system::machine_time(), own_time()?);
        for clients in &self.clients {
            let mut samples = [const { None }; Kind::ALL.len()];
            for turn in 0..Kind::ALL.len() {
                // Each round begins with another one, so that none is always after the same.
                let index = (turn + number) % Kind::ALL.len();
                let kind = Kind::ALL[index];
                let sample = crew
                    .measure(kind, (*clients).into(), time, sightings)
                    .await
                    .with_context(|| format!("measuring {} with {clients} clients", kind.name()))?;
                samples[index] = Some(sample);
                stage.end_tasks().await?;
            }
            round.push(samples.into_iter().flatten().collect());
        }
        let others = (system::machine_time() - machine).saturating_sub(own_time()? - own);
        let noise = others.as_secs_f64() / begun.elapsed().as_secs_f64();
        if noise > NOISE && !self.keep_noisy {
            eprintln!("  a round does not count: others used {noise:.2} of a core");
            return Ok(None);
        }
        Ok(Some(round))
    }

    fn destination(&self) -> Option<PathBuf> {
        let usual = || PathBuf::from("bench/results/post.md");
        self.output
            .clone()
            .or_else(|| (!self.keep_noisy).then(usual))
    }
}

/// The processor time of this process and all that it has started.
fn own_time() -> Result<Duration> {
    system::cpu_time(std::process::id())
}

fn heading(rejected: usize) -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let commit = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .output();
    let commit = commit.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    let mut out = String::from("# Submitting tasks\n\n");
    let _ = writeln!(
        out,
        "{}, {}, commit {commit}. `cargo run --release -p codex-bench -- {}`\n",
        jiff::Zoned::now().date(),
        system::description(),
        arguments.join(" ")
    );
    out.push_str(
        "Clients, gateway, PostgreSQL and API server share the cores of one machine, over loopback. PostgreSQL and the API server have every write on \
         disk before they acknowledge it. Each client sends the next as soon as it has the answer, and each is a user of its own but where the \
         table says otherwise; limits are counted, and never reached.\n\n\
         `POST /api/tasks` answers when the task and its audit row are committed, after a look at who asks; the `CodexTask` is made afterwards, \
         by a worker that the request hands it to, or from the outbox where all of them are busy. So its answer is to be compared with the bare INSERT of the same row (same columns, indexes and reference to the \
         user, no audit row, no limit of the user's tasks), and the time until a watch sees the `CodexTask` with a bare INSERT and \
         then a bare create. In a closed loop the answers come faster than resources can be created, so at more clients the wait in the \
         outbox is a part of that time.\n\n",
    );
    if rejected > 0 {
        let _ = writeln!(
            out,
            "{rejected} rounds were rejected because others used more than {NOISE} of a core.\n"
        );
    }
    out
}

impl Load {
    fn section(&self, milliseconds: u64) -> Section {
        let clients = match self.clients {
            1 => "1 client".to_owned(),
            more => format!("{more} clients"),
        };
        let count: usize = self.of(Kind::Post).iter().map(|it| it.answers.len()).sum();
        let mut section = Section {
            title: clients,
            notes: vec![format!(
                "{milliseconds} ms each in each of {} rounds; {count} tasks were posted. Medians of the rounds, and their range.",
                self.of(Kind::Post).len()
            )],
            header: vec![
                "",
                "answer, p50 ms",
                "p99 ms",
                "answers a second",
                "`CodexTask` seen, p50 ms",
                "p99 ms",
            ],
            ..Section::default()
        };
        for kind in Kind::ALL {
            let numbers = |number: &dyn Fn(&Sample) -> f64| {
                cell(&self.of(kind).iter().map(number).collect::<Vec<_>>())
            };
            let seen = |part| {
                if kind == Kind::Insert {
                    return "-".to_owned();
                }
                numbers(&|sample| quantile(&sample.sightings, part))
            };
            section.rows.push(vec![
                kind.name().to_owned(),
                numbers(&|sample| quantile(&sample.answers, 0.5)),
                numbers(&|sample| quantile(&sample.answers, 0.99)),
                numbers(&|sample| sample.rate),
                seen(0.5),
                seen(0.99),
            ]);
        }
        for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
            let answers = |sample: &Sample| quantile(&sample.answers, part);
            let seen = |sample: &Sample| quantile(&sample.sightings, part);
            section.ratio(
                &format!("`POST` / bare INSERT, answer, {name}"),
                self.ratio(Kind::Insert, answers),
            );
            section.goal(
                &format!("`POST` / bare INSERT and create, answer, {name}"),
                self.ratio(Kind::InsertAndCreate, answers),
                Target::AtMost(1.0),
            );
            section.ratio(
                &format!("`POST` / bare INSERT and create, until the `CodexTask` is seen, {name}"),
                self.ratio(Kind::InsertAndCreate, seen),
            );
        }
        section
    }

    fn of(&self, kind: Kind) -> &[Sample] {
        let index = Kind::ALL.iter().position(|other| *other == kind);
        index.map_or(&[], |index| &self.samples[index])
    }

    /// `POST` above, `below` below, each of the same round.
    fn ratio(&self, below: Kind, number: impl Fn(&Sample) -> f64) -> Option<Summary> {
        let above: Vec<f64> = self.of(Kind::Post).iter().map(&number).collect();
        let below: Vec<f64> = self.of(below).iter().map(&number).collect();
        Summary::of_ratios(&above, &below)
    }
}

/// The nearest rank of numbers in ascending order; 0 when there are none.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let rank = (sorted.len() as f64 * part).ceil().max(1.0);
    sorted.get(rank as usize - 1).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numbers_that_were_measured() {
        let numbers: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&numbers, 0.5), 50.0);
        assert_eq!(quantile(&numbers, 0.99), 99.0);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let sample = |answer: f64| Sample {
            answers: vec![answer],
            sightings: vec![answer * 2.0],
            rate: 1.0,
        };
        let mut load = Load {
            clients: 8,
            samples: Default::default(),
        };
        for (post, bare) in [(10.0, 5.0), (40.0, 10.0)] {
            load.samples[0].push(sample(post));
            load.samples[1].push(sample(post));
            load.samples[2].push(sample(bare));
            load.samples[3].push(sample(bare));
            load.samples[4].push(sample(bare * 2.0));
        }
        let text = load.section(100).markdown();
        assert!(text.starts_with("## 8 clients\n"), "{text}");
        assert!(
            text.contains("| `POST` / bare INSERT, answer, p99 | 3.00 (2.00 to 4.00) | - | |"),
            "{text}"
        );
        assert!(
            text.contains("| `POST` / bare INSERT and create, answer, p99 | 1.50 (1.00 to 2.00) | at most 1.00 | **missed** |"),
            "{text}"
        );
        assert!(
            text.contains(
                "| bare INSERT | 7.50 (5.00 to 10.0) | 7.50 (5.00 to 10.0) | 1.00 | - | - |"
            ),
            "{text}"
        );
    }
}
