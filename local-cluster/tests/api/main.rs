//! The API server as clients see it: kube-rs, raw HTTP, and kubectl.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and literals are passed as they are written"
)]

mod basics;
mod controllers;
mod fan_out;
mod joined;
mod kubectl;
mod points_a;
mod points_b;
mod points_c;
mod restart;
mod serve;
mod server;
mod support;
