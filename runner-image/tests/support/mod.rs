//! The runner as its own process, with folders of its own.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test program uses another part"
)]

mod done;
mod log;
mod proxy;
mod running;
mod task;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub use done::Done;
pub use log::Log;
pub use proxy::{Answer, Proxy, Received};
pub use running::Running;
pub use task::Task;

pub const NONCE: &str = "0123456789abcdef0123456789abcdef";
pub const TOKEN: &str = "token-of-the-task";
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Runs git with a configuration of its own.
pub fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Somebody",
            "-c",
            "user.email=somebody@example.org",
            "-c",
            "safe.directory=*",
        ])
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// Whether the tests run as root, and so may become another user.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether a process is there and no zombie.
pub fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

/// Polls until something is true.
#[track_caller]
pub fn wait_until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "it never became true");
        std::thread::sleep(Duration::from_millis(5));
    }
}
