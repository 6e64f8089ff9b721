//! A demo model on a free port.

use std::net::SocketAddr;

use codex_demo_model::{Options, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A server that stops when this is dropped.
pub struct Model {
    pub address: SocketAddr,
    shutdown: CancellationToken,
}

impl Model {
    pub async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        tokio::spawn(serve(listener, options, shutdown.clone()));
        Self { address, shutdown }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
