//! The live store in a real Redis, and what it does when that fails.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../live/mod.rs"]
mod live;

mod bounds;
mod connections;
mod failover;
mod faults;
mod proxy;
mod server;
mod suite;
mod support;
mod tls;
