//! Listening, and stopping without breaking responses off.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use futures::{FutureExt as _, future::OptionFuture};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use secrecy::ExposeSecret as _;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Config, admin,
    artifacts::Artifacts,
    config::ApiKey,
    metrics::Metrics,
    proxy::{Proxy, parse_api_key},
    token::TaskTokenKeys,
    watched::{self, WatchError, Watched},
};

/// How long a client may take for the head of a request, and rest between two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// The pause after a failed accept. It fails when the process has no file descriptors left, and would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Where the proxy listens.
#[derive(Debug)]
pub struct Listeners {
    /// For task Pods.
    pub proxy: TcpListener,
    /// For health checks and metrics.
    pub admin: TcpListener,
}

/// Why the proxy cannot run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A key file cannot be used.
    #[error(transparent)]
    KeyFile(#[from] WatchError),
    /// The API key cannot be used.
    #[error("the API key of CODEX_UPSTREAM_KEY cannot be used: {0}")]
    Key(String),
    /// The HTTP client cannot be made, for example because there are no root certificates.
    #[error("cannot set up the client for the model API: {0}")]
    Client(#[from] reqwest::Error),
    /// The admin server failed.
    #[error("the admin server failed: {0}")]
    Admin(#[source] io::Error),
}

impl Listeners {
    /// Listens on both addresses.
    ///
    /// # Errors
    /// When one of them is taken or not this machine's.
    pub async fn bind(proxy: SocketAddr, admin: SocketAddr) -> Result<Self, StartError> {
        let bind = async |address| {
            TcpListener::bind(address)
                .await
                .map_err(|source| StartError::Listen { address, source })
        };
        Ok(Self {
            proxy: bind(proxy).await?,
            admin: bind(admin).await?,
        })
    }

    /// The address for task Pods, as a URL.
    ///
    /// # Errors
    /// When the operating system does not tell it.
    pub fn proxy_url(&self) -> io::Result<String> {
        Ok(format!("http://{}", self.proxy.local_addr()?))
    }

    /// The address of the admin endpoints, as a URL.
    ///
    /// # Errors
    /// When the operating system does not tell it.
    pub fn admin_url(&self) -> io::Result<String> {
        Ok(format!("http://{}", self.admin.local_addr()?))
    }
}

/// Serves until `shutdown` is canceled; responses under way then get the drain time. `ready` is called when the first
/// request can be answered.
///
/// # Errors
/// When a key file cannot be used at the start, or the admin server fails.
pub async fn run(
    listeners: Listeners,
    config: Config,
    shutdown: CancellationToken,
    ready: impl FnOnce(),
) -> Result<(), StartError> {
    // The watchers and the admin server go on while responses drain; this ends them at the very end, or with an error.
    let end = CancellationToken::new();
    let _end_guard = end.clone().drop_guard();
    let every = config.reload_interval;
    let (key, follow_key) = match &config.upstream_key {
        ApiKey::Fixed(key) => {
            let key = parse_api_key(key.expose_secret().as_bytes())
                .map_err(|error| StartError::Key(error.to_string()))?;
            (Watched::fixed(key), None)
        }
        ApiKey::File(path) => {
            let watching = watched::watch(path.clone(), parse_api_key, every, end.clone());
            let (key, follow) = watching.await?;
            (key, Some(follow))
        }
    };
    let follow_key = OptionFuture::from(follow_key).map(drop);
    let (token_keys, follow_token_keys) = watched::watch(
        config.task_token_public_key_file.clone(),
        TaskTokenKeys::from_pem,
        every,
        end.clone(),
    )
    .await?;

    let metrics = Arc::new(Metrics::default());
    let token_keys = Arc::new(token_keys);
    let store = match &config.archive {
        Some(archive) => Some(archive.open_store().await),
        None => None,
    };
    let artifacts = Arc::new(Artifacts::new(
        store,
        config.artifact_memory_bytes,
        Arc::clone(&token_keys),
        Arc::clone(&metrics),
    ));
    let proxy = Arc::new(Proxy::new(&config, key, token_keys, Arc::clone(&metrics))?);
    let probes = admin::router(metrics, config.tracer.clone(), shutdown.clone());
    let admin =
        axum::serve(listeners.admin, probes).with_graceful_shutdown(end.clone().cancelled_owned());
    ready();
    let serve = async {
        accept(
            listeners.proxy,
            proxy.router(artifacts.router()),
            &config,
            &shutdown,
        )
        .await;
        end.cancel();
    };
    let ((), (), (), admin) = tokio::join!(serve, follow_key, follow_token_keys, async {
        let result = admin.await;
        shutdown.cancel();
        result
    });
    admin.map_err(StartError::Admin)
}

/// Takes connections until `shutdown`, then waits for the requests under way, and breaks off those that take too long.
async fn accept(
    listener: TcpListener,
    router: Router,
    config: &Config,
    shutdown: &CancellationToken,
) {
    let connections = TaskTracker::new();
    let too_late = CancellationToken::new();
    // Should this future be dropped, the connections end with it.
    let _too_late_guard = too_late.clone().drop_guard();
    let room = Arc::new(Semaphore::new(config.max_connections));
    let next = async || {
        // The semaphore is never closed, so there is always a permit in the end.
        let permit = Arc::clone(&room).acquire_owned().await.ok();
        (listener.accept().await, permit)
    };
    while let Some((accepted, permit)) = shutdown.run_until_cancelled(next()).await {
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone(), shutdown.clone());
                let too_late = too_late.clone();
                connections.spawn(async move {
                    too_late.run_until_cancelled(connection).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(config.drain_timeout, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            connections = connections.len(),
            "breaking off requests that outlast the drain time"
        );
        too_late.cancel();
        connections.wait().await;
    }
}

/// Serves one connection; after `shutdown` it takes no further request.
async fn connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    // Without it the kernel would hold small pieces of a stream back.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection broke");
    }
}
