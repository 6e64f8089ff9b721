//! The real `codex-remote up`, from outside: what it refuses, and the whole of it from start to stop.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod refusals;
mod stack;
mod whole;
