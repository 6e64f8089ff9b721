//! What one can ask for.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};

use crate::post::{self, Post};
use crate::report::Section;
use crate::rounds::Rounds;
use crate::servers::{self, Kind, Peers, Programs};
use crate::system::{self, Cores};
use crate::tasks::{self, Tasks};
use crate::workloads::{Size, Workload};

/// A whole run ends before twenty minutes are over, however many rounds do not count.
const WHOLE: Duration = Duration::from_secs(1_140);
/// For ten thousand streams, and what is open besides.
const FILES: u64 = 11_000;

/// Benchmarks, with their peers and their limits in the same run.
#[derive(Debug, Parser)]
#[command(name = "codex-bench")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Streams from a gateway to many clients, next to other servers.
    Streams(Streams),
    /// `POST /api/tasks`, next to the bare writes that it comes down to.
    Post(Post),
    /// Thousands of `CodexTask`s on a real Kubernetes API, next to the bare writes.
    Tasks(Tasks),
    /// The operator of `tasks`, which starts it itself, with the settings of `codex-operator` in its environment.
    #[command(hide = true)]
    Operator,
    /// The API server of `post`, which starts it itself.
    #[command(hide = true)]
    Cluster { folder: PathBuf },
    /// The gateway of `post`, which starts it itself, with the settings of `codex-gateway` in its environment.
    #[command(hide = true)]
    Gateway,
    /// One of the servers; the benchmark starts them itself.
    #[command(hide = true)]
    Serve {
        kind: Kind,
        /// The port of Redis, for servers that read from it.
        #[arg(long)]
        redis: Option<u16>,
    },
    /// One of the readers of Redis; the benchmark starts them itself.
    #[command(hide = true)]
    Read { kind: Kind, port: u16, tasks: usize },
}

#[derive(Debug, Args)]
struct Streams {
    /// How often everything is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Which benchmarks, for example B1,B2.
    #[arg(long, value_delimiter = ',', ignore_case = true)]
    only: Vec<Workload>,
    /// A tenth of the clients, a quarter of the time: to see that everything works. The numbers are not comparable.
    #[arg(long)]
    quick: bool,
    /// Counts rounds in which others used the machine. The numbers are for development only.
    #[arg(long)]
    keep_noisy: bool,
    /// Where the table is written, besides standard output; by default only there for trials and parts of a run, else
    /// bench/results/streams.md.
    #[arg(long)]
    output: Option<PathBuf>,
    #[command(flatten)]
    programs: Programs,
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// When a server cannot be measured, or the results cannot be written.
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::Streams(streams) => streams.run(),
            Command::Post(post) => block_on(post.run()),
            Command::Tasks(tasks) => block_on(tasks.run()),
            Command::Operator => block_on(tasks::serve_operator()),
            Command::Cluster { folder } => block_on(post::serve_cluster(folder)),
            Command::Gateway => block_on(post::serve_gateway()),
            Command::Serve { kind, redis } => servers::serve(kind, redis),
            Command::Read { kind, port, tasks } => servers::read_redis(kind, port, tasks),
        }
    }
}

fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("starting a runtime")?;
    let result = runtime.block_on(work);
    // Reading standard input cannot be cut short.
    runtime.shutdown_background();
    result
}

impl Streams {
    fn run(self) -> Result<()> {
        system::allow_files(FILES)?;
        let peers = Peers {
            cores: Cores::pick()?,
            programs: self.programs.clone(),
        };
        system::pin(peers.cores.load)?;
        let begin = Instant::now();
        let workloads = if self.only.is_empty() {
            Workload::ALL.to_vec()
        } else {
            self.only.clone()
        };
        let size = if self.quick { Size::Quick } else { Size::Full };
        let all: u32 = Workload::ALL.iter().map(|workload| workload.share()).sum();
        let mut share = 0;
        let mut out = self.heading();
        for workload in workloads {
            share += workload.share();
            let rounds = Rounds {
                peers: peers.clone(),
                wanted: self.rounds.into(),
                deadline: begin + WHOLE * share / all,
                keep_noisy: self.keep_noisy,
            };
            let section: Section = workload
                .run(&rounds, size)
                .with_context(|| format!("running {workload:?}"))?;
            let text = section.markdown();
            print!("{text}");
            out.push_str(&text);
        }
        eprintln!("took {:.0} s", begin.elapsed().as_secs_f64());
        if let Some(path) = self.destination() {
            fs::write(&path, out.trim_end().to_owned() + "\n")
                .with_context(|| format!("writing {}", path.display()))?;
            eprintln!("written to {}", path.display());
        }
        Ok(())
    }

    fn heading(&self) -> String {
        let mut out = String::from("# Streams\n\n");
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let _ = writeln!(
            out,
            "{}, {}. `cargo run --release -p codex-bench -- {}`\n",
            jiff::Zoned::now().date(),
            system::description(),
            arguments.join(" ")
        );
        out.push_str(
            "One machine, loopback, no TLS. The server has one core, the clients have another. Every client checks that it gets each number \
             once and in order. Medians, with the range over the rounds; ratios are those of servers in the same round. CPU is the time \
             of all threads of the server, the kernel's work for its calls among it. Absolute numbers hold for this machine only.\n\n",
        );
        if self.quick {
            out.push_str(
                "**A trial with few clients and little time: the numbers mean nothing.**\n\n",
            );
        }
        if self.keep_noisy {
            out.push_str("**Rounds count in which others used the machine: the numbers are for development only.**\n\n");
        }
        out
    }

    fn destination(&self) -> Option<PathBuf> {
        let is_whole = self.only.is_empty() && !self.quick && !self.keep_noisy;
        let usual = || PathBuf::from("bench/results/streams.md");
        self.output.clone().or_else(|| is_whole.then(usual))
    }
}
