//! The API server: storage, resources, handlers.

mod auth;
mod config;
mod controllers;
mod convert;
mod discovery;
mod dispatch;
mod error;
pub(crate) mod files;
mod kubeconfig;
mod negotiate;
mod object;
mod pods;
mod protobuf;
mod read;
mod request;
mod resources;
mod response;
mod selectors;
mod server;
pub mod store;
mod strategy;
mod tables;
mod tls;
mod validation;
mod watch;
mod write;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use axum::Router;
use tokio_util::sync::CancellationToken;

pub use config::ApiConfig;
pub use error::{ApiError, Subject};
pub use resources::{Catalog, Resource};
pub use server::{ApiServer, Running, StartError};

use crate::schema::SchemaRegistry;
use auth::Authenticator;
use store::Store;

/// Everything that requests and controllers share.
#[derive(Debug)]
pub(crate) struct Api {
    store: Arc<Store>,
    catalog: Catalog,
    schemas: SchemaRegistry,
    auth: Authenticator,
    /// Serves the logs of containers; set when a node is attached.
    kubelet: OnceLock<Router>,
    /// Volumes of claims are folders below this one.
    volumes_dir: PathBuf,
    shutdown: CancellationToken,
}
