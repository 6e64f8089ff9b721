//! The shim: small processes that own a Pod, so that Pods outlive the node.
//!
//! `shim container --dir DIR` runs one container and copies its output. `shim network --dir DIR` keeps the network of
//! one Pod. Both get their plan on standard input, are leaders of their own sessions, and report to the node by files in
//! their directory ([`state`]); standard output only says "look now". If a shim of a container is killed, the container
//! is killed with it (`PR_SET_PDEATHSIG` from shim to bubblewrap to the first process), so no container is ever without
//! somebody who writes down how it ended. A container whose folder was removed, so that no node can find it, is ended, and a
//! network that neither node nor container needs ends by itself ([`Lifeline`]).
//!
//! Forking and changing namespaces need a process with a single thread: `main` must call this before it makes any.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde::de::DeserializeOwned;

mod child;
mod container;
mod lifeline;
pub mod log_writer;
mod network;
mod pump;
pub mod state;

pub use lifeline::Lifeline;
pub use network::{NETWORK_LOCK, NETWORK_STATE, NetworkState};

/// The command line of a shim, with an empty environment. The plan goes to its standard input, and its standard output says
/// when to look; where its messages go is up to the caller.
pub(crate) fn command(program: &Path, kind: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(["shim", kind, "--dir"])
        .arg(dir)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// Runs a shim. `arguments` are those after the word `shim`.
pub fn main<I: IntoIterator<Item = String>>(arguments: I) -> ExitCode {
    let arguments: Vec<String> = arguments.into_iter().collect();
    let result = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["container", "--dir", dir] => prepare().and_then(|()| container::run(PathBuf::from(dir))),
        ["network", "--dir", dir] => prepare().and_then(|()| network::run(&PathBuf::from(dir))),
        _ => Err(io::Error::other(
            "usage: shim container|network --dir DIR; the node starts this, people don't",
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shim {}: {error}", arguments.join(" "));
            ExitCode::FAILURE
        }
    }
}

/// Cuts the ties to whoever started the node.
fn prepare() -> io::Result<()> {
    // Fails only for a process that leads a group already, which is as good.
    let _ = nix::unistd::setsid();
    // Descriptors that the node inherited and that somebody forgot to close must not reach a container.
    #[expect(unsafe_code, reason = "close_range has no safe form")]
    // SAFETY: only sets a flag on descriptors, none of which are closed before this process executes another program.
    let result = unsafe {
        libc::close_range(
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC.cast_signed(),
        )
    };
    nix::errno::Errno::result(result)?;
    Ok(())
}

/// Reads the plan that the node writes. An incomplete one (the node was killed) is an error.
fn read_plan<T: DeserializeOwned>() -> io::Result<T> {
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text)?;
    serde_json::from_slice(&text)
        .map_err(|error| io::Error::other(format!("no complete plan on standard input: {error}")))
}
