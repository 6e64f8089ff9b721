//! A small Responses API server that answers with a script.
//!
//! It stands where a model would stand, and drives the real Codex CLI to do real work: read the repository, plan, edit
//! files with `apply_patch`, run commands, and sum up. Every answer is a pure function of the request body, so any
//! number of tasks can use one server at once, and a test gets the same run each time.
//!
//! The parts, in the order in which a request passes through them: [`request`] reads the body, [`directive`] picks the
//! scenario that the prompt asks for, [`script`] decides on the next reply, and [`reply`] encodes it as server-sent
//! events. [`serve`] puts HTTP around that, and a [`Hold`] may let an answer wait.

pub mod directive;
mod hold;
pub mod reply;
pub mod request;
pub mod script;
mod server;

pub use hold::Hold;
pub use server::{ApiKey, Options, serve};
