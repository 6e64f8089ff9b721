//! The client commands against a gateway that plays the contract, with all that a network does to it.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod commands;
mod following;
mod gateway;
mod program;
