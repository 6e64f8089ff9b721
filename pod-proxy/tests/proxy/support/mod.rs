//! A proxy on free ports between a test and an upstream that does what the test says.

use std::{net::SocketAddr, path::Path, sync::Once, time::Duration};

use codex_pod_proxy::{Config, Listeners, config::ApiKey, run, token::TaskClaims};
use codex_tasklog::ArchiveLocation;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ED25519};
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub mod upstream;

/// The key that no task may ever see.
pub const REAL_KEY: &str = "sk-the-real-key";

/// A running proxy; it stops when this is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub signing_key: KeyPair,
    pub shutdown: CancellationToken,
    pub serving: Option<JoinHandle<()>>,
    pub folder: TempDir,
}

/// What tests change of the configuration.
pub struct Limits {
    pub max_requests_per_task: usize,
    pub idle: Duration,
    pub drain: Duration,
    pub archive: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_requests_per_task: 4,
            idle: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            archive: true,
        }
    }
}

impl Proxy {
    pub async fn start(upstream: SocketAddr) -> Self {
        Self::start_with(upstream, Limits::default()).await
    }

    pub async fn start_with(upstream: SocketAddr, limits: Limits) -> Self {
        install_provider();
        let folder = tempfile::tempdir().unwrap();
        let signing_key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let (key_file, public_key_file) =
            (folder.path().join("key"), folder.path().join("public.pem"));
        std::fs::write(&key_file, format!("{REAL_KEY}\n")).unwrap();
        std::fs::write(&public_key_file, signing_key.public_key_pem()).unwrap();

        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::bind(any, any).await.unwrap();
        let (address, admin) = (
            listeners.proxy.local_addr().unwrap(),
            listeners.admin.local_addr().unwrap(),
        );
        let config = Config {
            upstream_url: format!("http://{upstream}/v1").parse().unwrap(),
            upstream_key: ApiKey::File(key_file),
            task_token_public_key_file: public_key_file,
            max_requests_per_task: limits.max_requests_per_task,
            max_connections: 64,
            max_body_bytes: 1 << 20,
            upstream_connect_timeout: Duration::from_secs(5),
            upstream_idle_timeout: limits.idle,
            archive: limits.archive.then(|| {
                let archive = folder.path().join("archive");
                ArchiveLocation::Folder(archive)
            }),
            artifact_memory_bytes: 0,
            drain_timeout: limits.drain,
            reload_interval: Duration::from_millis(20),
            tracer: codex_telemetry::Tracer::off(),
        };
        let shutdown = CancellationToken::new();
        let (announce, ready) = oneshot::channel();
        let serving = run(listeners, config, shutdown.clone(), || {
            announce.send(()).unwrap();
        });
        let serving = Some(tokio::spawn(async { serving.await.unwrap() }));
        ready.await.unwrap();
        Self {
            address,
            admin,
            signing_key,
            shutdown,
            serving,
            folder,
        }
    }

    /// A token of this task, good for a minute.
    pub fn token(&self, task: &str) -> String {
        self.sign(&claims(task))
    }

    pub fn sign(&self, claims: &TaskClaims) -> String {
        sign(claims, &self.signing_key)
    }

    /// A request to the one path, with a good token.
    pub fn request(&self, behaviour: &str) -> RequestBuilder {
        self.request_of("task-1", behaviour)
    }

    pub fn request_of(&self, task: &str, behaviour: &str) -> RequestBuilder {
        let url = format!("http://{}/v1/responses", self.address);
        client()
            .post(url)
            .bearer_auth(self.token(task))
            .header("x-behaviour", behaviour)
            .body("{}")
    }

    pub async fn metrics(&self) -> String {
        client()
            .get(format!("http://{}/metrics", self.admin))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    }

    pub fn file(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.folder.path()).join(name)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub fn claims(task: &str) -> TaskClaims {
    let now = jsonwebtoken::get_current_timestamp();
    TaskClaims {
        iss: "codex-operator".to_owned(),
        aud: "pod-proxy".to_owned(),
        sub: task.to_owned(),
        iat: now,
        exp: now + 60,
        resume: None,
        traceparent: None,
    }
}

pub fn sign(claims: &TaskClaims, key: &KeyPair) -> String {
    let key = EncodingKey::from_ed_pem(key.serialize_pem().as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &key).unwrap()
}

pub fn client() -> reqwest::Client {
    install_provider();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

/// The body of a refusal: its code and message.
pub async fn refusal(response: Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    let part = |name: &str| body["error"][name].as_str().unwrap().to_owned();
    (status, part("code"), part("message"))
}

/// Waits until a condition holds.
pub async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut condition: F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "in vain waited until {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap();
    });
}
