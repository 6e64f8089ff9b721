//! The task's own copy, and the patch of what it did there.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod copy;
mod patch;
mod refusals;
#[path = "../support/mod.rs"]
mod support;
