//! The node: a kubelet for one machine.

pub mod config;
pub mod logs;
pub mod sandbox;
pub mod shim;

pub use config::NodeConfig;
