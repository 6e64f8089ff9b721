//! An installation with its logs in Redis and S3, with the real codex: whatever is killed, emptied or refused while a task talks,
//! everybody who watches ends with what the runner wrote.

mod crowd;
mod kills;
mod leases;
mod operator;
mod options;
mod outages;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use codex_e2e::Stores;
use codex_e2e::suite::Suite;

fn main() -> Result<ExitCode> {
    let stores = Arc::new(Stores::start()?);
    let mut options = stores.options();
    options.arguments.push("--leader-election".into());
    let mut suite = Suite::start(options)?;
    options::add(&mut suite, &stores);
    kills::add(&mut suite, &stores);
    outages::add(&mut suite, &stores);
    leases::add(&mut suite, &stores);
    // One after the other: each scenario pulls the floor from under the rest.
    suite.one_by_one();
    Ok(suite.run())
}
