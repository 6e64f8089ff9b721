//! The archive over each kind of store, whatever the stores, the writers and their processes do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod reader;
mod repair;
mod stores;
mod support;
