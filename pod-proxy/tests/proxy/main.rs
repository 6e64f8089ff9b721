//! The proxy as tasks, operators and the model API see it.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod artifacts;
mod passing;
mod stopping;
mod support;
mod tokens;
