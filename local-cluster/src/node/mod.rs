//! The node: a kubelet for one machine.

pub mod config;
pub mod logs;
pub mod plan;
pub mod preflight;
pub mod runtime;
pub mod sandbox;
pub mod shim;

pub use config::NodeConfig;
pub use preflight::{PreflightError, PreflightReport, preflight};
