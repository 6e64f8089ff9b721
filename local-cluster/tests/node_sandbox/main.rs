//! The sandbox, seen from inside a container.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod isolation;
mod limits;
mod network;
#[path = "../node_support/mod.rs"]
mod node_support;
mod processes;
mod volumes;
