//! Lends the in-memory live store of one process to the other processes of the same machine, over a Unix socket.
//!
//! A request is one line of JSON; the answer is lines of JSON: frames, or one object that ends the answer.
//! The socket's file mode is the access control: only the owner may connect.

mod client;
mod server;

pub use client::HubClient;
pub use server::serve;

use serde::{Deserialize, Serialize};

/// The longest line of this protocol, in bytes; frames are far shorter.
const MAX_LINE: usize = 64 * 1024;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Request {
    Last { task: String },
    Subscribe { task: String, after: u64 },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Reply {
    Last { last: u64 },
    Trimmed { trimmed: u64 },
    Closed { closed: Closed },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Closed {
    End,
    Removed,
    Invalid,
}
