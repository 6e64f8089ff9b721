//! The line in which a program says that it is ready.

use std::io::{BufRead as _, BufReader};
use std::process::ChildStdout;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Reads the first line of a program's standard output, which is JSON.
///
/// # Errors
/// When none comes in time, the program ends before, or the line is something else.
pub(crate) fn ready_line(stdout: ChildStdout, within: Duration) -> Result<Value> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line).map(|_| line);
        // The receiver may have given up; then nobody wants the line.
        let _ = sender.send(read);
    });
    let line = receiver
        .recv_timeout(within)
        .ok()
        .with_context(|| format!("it is not ready after {within:?}"))??;
    serde_json::from_str(&line).with_context(|| format!("it said {line:?} instead of being ready"))
}
