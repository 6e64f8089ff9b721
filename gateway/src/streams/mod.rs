//! Live streams of tasks.
//!
//! `encode` turns statuses and frames into bytes and knows nothing of connections; `fanout` does that once for all who watch a task, and
//! gives each connection a position in the result; `sse` reads encoded bytes back, for positions and for WebSocket. `slots` counts
//! connections, `oversight` looks after them, `websocket` delivers messages. `recorded` writes out what is there already.

pub mod encode;
pub mod fanout;
pub mod oversight;
pub mod recorded;
pub mod slots;
pub mod sse;
pub mod websocket;
