//! Benchmarks, with their peers and their limits in the same run.
//!
//! `post` is the submission of tasks, `tasks` is what Kubernetes has of them. The rest is about streams: `servers` are what is compared, each a process on a core of its own;
//! `load` are the clients, which check every number; `drive` is one measurement, `rounds` repeats it for all servers in turn, and
//! `workloads` are the benchmarks. Nothing leaves loopback.

mod cli;
mod drive;
mod http;
mod line;
mod load;
mod post;
mod publish;
mod report;
mod rounds;
mod servers;
mod stats;
mod system;
mod tasks;
mod ticker;
mod workloads;

use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    cli::Cli::parse().run()
}
