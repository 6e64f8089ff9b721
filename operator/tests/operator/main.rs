//! The operator from the outside: a real API server in this process, and a node that the tests play.

mod support;

mod archive;
mod cancel;
mod lifecycle;
mod logs;
mod outcomes;
mod queue;
mod restart;
