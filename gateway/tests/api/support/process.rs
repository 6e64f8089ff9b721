//! A gateway with a runtime of its own, so that a test can end it the way `kill -9` does.

use std::sync::Arc;
use std::time::Duration;

use codex_gateway::auth::keys::KeySource;
use codex_gateway::auth::token::TokenKeys;
use codex_gateway::limits::RateLimiter;
use codex_gateway::{Parts, Settings, database};
use codex_tasklog::hub::HubClient;
use codex_tasklog::{DirArchive, LiveLog};
use kube::client::ClientBuilder;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::faults::Faults;

/// What a gateway is started with.
#[derive(Clone)]
pub struct Setup {
    pub kubernetes: kube::Config,
    pub database_url: String,
    pub hub: std::path::PathBuf,
    pub archive: DirArchive,
    pub key: String,
    pub limiter: Option<Arc<dyn RateLimiter>>,
    /// Takes the place of `key`.
    pub key_dir: Option<std::path::PathBuf>,
    pub settings: Settings,
    pub token_lifetime: Duration,
}

/// A running gateway.
pub struct Gateway {
    pub url: String,
    pub faults: Faults,
    shutdown: CancellationToken,
    ended: Option<JoinHandle<Result<(), codex_gateway::Error>>>,
    runtime: Option<Runtime>,
}

impl Gateway {
    pub async fn start(setup: Setup) -> Self {
        let faults = Faults::default();
        let shutdown = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (layer, token) = (faults.clone(), shutdown.clone());
        let starting = tokio::task::spawn_blocking(move || {
            let (url, ended) = runtime.block_on(launch(setup, layer, token));
            (url, ended, runtime)
        });
        let (url, ended, runtime) = starting.await.unwrap();
        Self {
            url,
            faults,
            shutdown,
            ended: Some(ended),
            runtime: Some(runtime),
        }
    }

    /// Ends it at once, wherever it is.
    pub fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Ends it as SIGTERM does.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        let ended = self.ended.take().unwrap();
        tokio::time::timeout(super::DEADLINE, ended)
            .await
            .expect("the gateway stops in time")
            .unwrap()
            .unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs inside the runtime of the gateway, so that everything it opens belongs to that.
async fn launch(
    setup: Setup,
    layer: Faults,
    token: CancellationToken,
) -> (String, JoinHandle<Result<(), codex_gateway::Error>>) {
    let live: Arc<dyn LiveLog> = Arc::new(HubClient::new(&setup.hub));
    let pool = database::connect(&setup.database_url.as_str().into())
        .await
        .unwrap();
    let admin = codex_gateway::config::Admin {
        email: super::world::ADMIN.to_owned(),
        password: super::world::PASSWORD.into(),
    };
    codex_gateway::bootstrap(&pool, admin).await.unwrap();
    let parts = Parts {
        pool,
        client: ClientBuilder::try_from(setup.kubernetes)
            .unwrap()
            .with_layer(&layer)
            .build(),
        live,
        archive: Arc::new(setup.archive),
        tokens: match &setup.key_dir {
            Some(dir) => {
                TokenKeys::read(KeySource::Folder(dir.clone()), setup.token_lifetime).unwrap()
            }
            None => TokenKeys::from_pem(setup.key.as_bytes(), setup.token_lifetime).unwrap(),
        },
        limiter: setup.limiter,
        tracer: codex_telemetry::Tracer::off(),
        settings: setup.settings,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let ended = tokio::spawn(codex_gateway::run(listener, parts, token));
    (url, ended)
}
