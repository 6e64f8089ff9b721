//! How Codex is driven.
//!
//! There is one engine, `codex exec --json` ([`Exec`]). `codex app-server` would be another [`Engine`]: it also is a program
//! whose lines become events.

mod exec;

use std::process::Command;

pub use exec::{Exec, version};

/// A way to drive Codex.
pub trait Engine {
    /// The program with its arguments and its whole environment.
    fn command(&self) -> Command;

    /// What the program reads on its standard input.
    fn input(&self) -> &[u8];

    /// Looks at a line of standard output: whether it is an event, or text.
    fn observe(&mut self, line: &str) -> Line;

    /// The thread that Codex works in, once it said so: the name of its session.
    fn thread(&self) -> Option<&str>;

    /// Why the run failed, in Codex's words, as far as it said so.
    fn failure(&self) -> Option<&str>;
}

/// What a line of standard output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// A JSON object with a `type`.
    Event,
    /// Anything else.
    Text,
}
