//! The project against a real Kubernetes API.
//!
//! They run with `make test-kubernetes`. Without a Kubernetes they are skipped, and say so; `CODEX_REQUIRE_KUBERNETES=1` makes that a failure.

mod server;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use codex_e2e::kubernetes::{self, ApiServer};
use libtest_mimic::{Arguments, Failed, Trial};

/// A test, with its name.
type Case = (&'static str, fn(&ApiServer) -> Result<()>);

fn main() -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    let wanted = kubernetes::wanted();
    let server = if wanted && !arguments.list {
        Some(Arc::new(ApiServer::start()?))
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
            let server = server.clone();
            Trial::test(name, move || {
                let Some(server) = server else {
                    return Err(Failed::from("there is no Kubernetes to test with"));
                };
                case(&server).map_err(|error| Failed::from(format!("{error:#}")))
            })
            .with_ignored_flag(!wanted)
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(server);
    Ok(conclusion.exit_code())
}

fn cases() -> Vec<Case> {
    [server::CASES].concat()
}
