//! The only address that a task Pod reaches: the model API, with the key added.
//!
//! A task authenticates with its own short-lived token ([`token`]); the proxy replaces it by the real key, which no
//! task ever sees. It passes `POST /v1/responses` through, streaming in both directions, and takes what tasks leave into the
//! archive (`artifacts`): their record of the log and their session. Nothing else is reached through it.

mod admin;
mod artifacts;
pub mod config;
mod error;
mod headers;
mod limits;
mod metrics;
mod proxy;
mod server;
pub mod token;
mod trace;
mod tracked;
mod upload;
mod watched;

pub use config::Config;
pub use server::{Listeners, StartError, run};
pub use watched::WatchError;
