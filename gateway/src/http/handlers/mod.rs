//! The handlers, one module for each part of the API.

pub mod app_links;
pub mod artifacts;
pub mod audit;
pub mod auth;
pub mod health;
pub mod me;
pub mod oidc;
pub mod openapi;
pub mod repositories;
mod resume;
pub mod task_record;
pub mod task_stream;
pub mod task_ws;
pub mod tasks;
pub mod tokens;
pub mod users;
