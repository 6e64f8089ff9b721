//! The user-level scenarios: what they start, what they speak and how they wait.
//!
//! [`Stack`] runs the real `codex-remote up` in a folder of its own; [`Api`] speaks HTTP as any client does; [`suite`] runs
//! scenarios against one stack and stops it afterwards, whatever happens. [`kubernetes`] starts a real Kubernetes API.

mod api;
pub mod collector;
mod events;
pub mod kubernetes;
mod link;
mod ready;
mod record;
mod redis;
mod repository;
mod s3;
mod slow;
mod stack;
mod stores;
pub mod suite;
mod tools;
mod wait;
mod watcher;

pub use api::{Api, Task};
pub use events::{Event, EventStream, Transcript};
pub use link::{Link, Passage};
pub use record::{LogDigest, Record};
pub use redis::RedisServer;
pub use repository::{demo_repository, git};
pub use s3::S3Server;
pub use stack::{HeldModel, Stack, StackOptions, on_kubernetes};
pub use stores::Stores;
pub use tools::{bin_dir, codex_binary, kubectl_binary};
pub use wait::{DEADLINE, until};
pub use watcher::{Manner, Seen, watch};
