//! The project against a real Kubernetes API, and the local cluster beside it: what both are asked, both answer in the same words.
//!
//! They run with `make test-kubernetes`. Without a Kubernetes they are skipped, and say so; `CODEX_REQUIRE_KUBERNETES=1` makes that a failure.

#![expect(
    clippy::needless_pass_by_value,
    reason = "literals are passed as they are written"
)]

mod chart;
mod pods;
mod policies;
mod programs;
mod rights;
mod same;
mod server;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use codex_e2e::kubernetes;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::world::World;

/// A test, with its name.
type Case = (&'static str, fn(&World) -> Result<()>);

fn main() -> Result<ExitCode> {
    // Whoever installed a provider before is fine: it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut arguments = Arguments::from_args();
    if arguments.test_threads.is_none() {
        // Each waits most of its time; a handful at once keeps two cores busy.
        arguments.test_threads = Some(4);
    }
    let wanted = kubernetes::wanted();
    let world = if wanted && !arguments.list {
        Some(Arc::new(World::start()?))
    } else {
        None
    };
    if !wanted {
        println!(
            "skipped: the tests on a real Kubernetes; `make test-kubernetes` runs them ({}, {} and {} as well)",
            kubernetes::REQUIRED,
            kubernetes::ASSETS,
            kubernetes::KUBECONFIG
        );
    }
    let trials = cases()
        .into_iter()
        .map(|(name, case)| {
            let world = world.clone();
            Trial::test(name, move || {
                let Some(world) = world else {
                    return Err(Failed::from("there is no Kubernetes to test with"));
                };
                case(&world).map_err(|error| Failed::from(format!("{error:#}")))
            })
            .with_ignored_flag(!wanted)
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(world);
    Ok(conclusion.exit_code())
}

fn cases() -> Vec<Case> {
    [
        server::CASES,
        pods::CASES,
        policies::CASES,
        chart::CASES,
        rights::CASES,
        programs::CASES,
        same::writes::CASES,
        same::reads::CASES,
        same::pods::CASES,
        same::status::CASES,
        same::tasks::CASES,
        same::kubectl::CASES,
    ]
    .concat()
}
