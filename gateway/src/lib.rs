//! The gateway: HTTP API, authentication, history and live streams.
//!
//! It has no state of its own. A request to run a task is accepted by one transaction in PostgreSQL (`database`); `cluster` makes the
//! `CodexTask` from it and records what Kubernetes says became of it; `streams` hands the log of a task, which the operator writes, to
//! whoever watches. `http` is what clients see of that, and `auth` says who they are.
//!
//! Any number of gateways may run side by side on the same database.

pub mod app;
pub mod app_links;
pub mod auth;
pub mod cluster;
pub mod config;
pub mod database;
mod error;
pub mod gateway;
pub mod http;
pub mod limits;
pub mod maintenance;
pub mod metrics;
pub mod oidc_config;
pub mod process;
pub mod streams;
pub mod tasks;

pub use app::{Parts, Settings};
pub use config::Config;
pub use error::Error;
pub use gateway::{bootstrap, run};
