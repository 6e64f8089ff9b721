//! HTTP: routes, what goes around them, and the handlers.

pub mod access;
pub mod client_address;
pub mod connections;
pub mod cursor;
mod endless;
pub mod envelope;
pub mod extract;
pub mod framing;
pub mod handlers;
pub mod identity;
pub mod limit;
mod negotiate;
pub mod openapi;
pub mod page_policy;
pub mod pages;
mod patience;
pub mod record;
pub mod request;
pub mod router;
pub mod serve;
pub mod trace;
