//! The operator from the outside: a real API server in this process, and a node that the tests play.

#![expect(
    clippy::unwrap_used,
    reason = "the support code is test code too, but clippy only knows functions marked as tests"
)]

mod support;

mod allow_list;
mod archive;
mod cancel;
mod kueue;
mod leases;
mod lifecycle;
mod logs;
mod outcomes;
mod preflight;
mod queue;
mod redis;
mod repair;
mod restart;
mod settings;
mod spool;
