//! The operator: turns CodexTasks into Pods and follows their logs.
//!
//! Watches (`informers`) fill caches and ask for passes over tasks. A pass ([`reconcile`]) looks at everything that is known
//! about a task, lets [`domain::step`] decide what comes next, and does it; [`plan`] makes the objects. [`admission`] keeps the
//! queue. Logs are read and archived outside of passes ([`follow`]), and [`spool`] keeps stores from
//! holding that up. Of several operators only the leader does any of this ([`leader`]).
//! [`mod@run`] puts the parts together.

pub mod admission;
mod allow_list;
pub mod checkpoint;
pub mod config;
pub mod domain;
mod error;
mod events;
pub mod follow;
mod http;
mod informers;
pub mod keys;
pub mod leader;
mod live;
pub mod metrics;
pub mod observe;
pub mod plan;
pub mod preflight;
pub mod reconcile;
pub mod run;
pub mod spool;
mod supervisor;
mod trace;

pub use config::Config;
pub use error::Error;
pub use run::{Options, Ready, run};
pub use supervisor::Supervisor;
