//! The client of a gateway: what `login`, `run`, `list`, `logs`, `cancel` and `repositories` share.

pub mod api;
pub mod credentials;
pub mod error;
pub mod follow;
mod http;
mod refresh;
pub mod render;
pub mod sse;
pub mod text;
pub mod watch;

pub use api::Client;
pub use error::ClientError;
pub use http::is_loopback;

/// A client for the gateway that the environment or the last login names.
///
/// # Errors
/// When there is none.
pub fn connect() -> Result<Client, ClientError> {
    Client::new(credentials::choose(
        credentials::Overrides::from_env(),
        &credentials::default_file()?,
    )?)
}
