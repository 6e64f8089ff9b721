//! What users do, against `codex-remote up` with the real codex and the scripted model.

mod allow_list;
mod ending;
mod isolation;
mod kubectl;
mod node;
mod outcome;
mod readme;
mod resume;
mod streams;

use std::process::ExitCode;

use codex_e2e::StackOptions;
use codex_e2e::suite::Suite;

fn main() -> anyhow::Result<ExitCode> {
    let mut suite = Suite::start(StackOptions::default())?;
    outcome::add(&mut suite);
    ending::add(&mut suite);
    isolation::add(&mut suite);
    allow_list::add(&mut suite);
    kubectl::add(&mut suite);
    node::add(&mut suite);
    streams::add(&mut suite);
    resume::add(&mut suite);
    readme::add(&mut suite);
    Ok(suite.run())
}
