//! The gateway from the outside: HTTP through a real listener, a real PostgreSQL, a real Kubernetes API. The operator is played by the
//! tests. The modules mirror the URLs; `dispatcher` and `recorder` are about what happens behind them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod app_links;
mod attacks;
mod audit;
mod auth;
mod auth_access_tokens;
mod auth_flood;
mod auth_oidc;
mod auth_oidc_after;
mod auth_refresh;
mod authorization;
mod behind_nginx;
mod database_faults;
mod dispatcher;
mod envelope;
mod health;
mod limits;
mod openapi;
mod pages;
mod plans;
mod program;
mod queries;
mod recorder;
mod schema;
mod support;
mod tasks_artifacts;
mod tasks_cancel;
mod tasks_create;
mod tasks_create_cost;
mod tasks_list;
mod tasks_log;
mod tasks_resume;
mod tasks_stream;
mod tasks_stream_drain;
mod tasks_stream_faults;
mod tasks_stream_scale;
mod tasks_ws;
mod tokens;
mod users;
