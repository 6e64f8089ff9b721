//! Live streams of tasks as server-sent events.
//!
//! `encode` turns statuses and frames into bytes and knows nothing of connections; `session` delivers them to one connection; `recorded` writes out what is there already. What is
//! encoded once for many connections will stand between the two.

pub mod encode;
pub mod recorded;
pub mod session;
