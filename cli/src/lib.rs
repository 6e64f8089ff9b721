//! The command line: everything on one machine, and the client.
//!
//! `cli` is the list of commands, `commands` holds one file for each. `client` talks to a gateway; `up` starts and supervises the parts of a whole
//! installation on this machine.

pub mod cli;
pub mod client;
pub mod commands;
pub mod data_dir;
#[cfg(target_os = "linux")]
pub mod up;
