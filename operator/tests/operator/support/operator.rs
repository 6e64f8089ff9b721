//! An operator in a runtime of its own, so that it can be killed between any two instructions.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use codex_operator::checkpoint::{self, Checkpoint, Checkpoints};
use codex_operator::follow::FollowTiming;
use codex_operator::keys::Nonces;
use codex_operator::{Config, Options, Ready, run};
use codex_tasklog::hub::HubClient;
use kube::config::{KubeConfigOptions, Kubeconfig};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::PATIENCE;

/// What operators of one test share.
pub struct Setup {
    folder: TempDir,
    pub kubeconfig: PathBuf,
    /// More flags.
    pub flags: Vec<String>,
    pub timing: FollowTiming,
    /// The address of a Redis for the live log, instead of the memory of the operator.
    pub redis: Option<String>,
}

impl Setup {
    pub fn new(kubeconfig: &Path) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("codex-op-")
            .tempdir()
            .unwrap();
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        std::fs::write(folder.path().join("token.pem"), key.serialize_pem()).unwrap();
        std::fs::write(folder.path().join("token.pub"), key.public_key_pem()).unwrap();
        std::fs::write(folder.path().join("nonce.key"), [7; 32]).unwrap();
        Self {
            folder,
            kubeconfig: kubeconfig.to_owned(),
            flags: vec![
                "--allow-host-path=true".into(),
                "--leader-election=false".into(),
            ],
            redis: None,
            timing: FollowTiming {
                first_pause: Duration::from_millis(10),
                last_pause: Duration::from_millis(100),
                archive_pause: Duration::from_millis(50),
                ..FollowTiming::default()
            },
        }
    }

    pub fn flag(&mut self, flag: &str) {
        self.flags.push(flag.to_owned());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn archive(&self) -> PathBuf {
        self.path("archive")
    }

    /// Takes the archive away: where its folder should be is a file.
    pub fn archive_away(&self) {
        std::fs::write(self.archive(), "in the way").unwrap();
    }

    /// Lets the archive be used again.
    pub fn archive_back(&self) {
        std::fs::remove_file(self.archive()).unwrap();
    }

    pub fn live(&self) -> HubClient {
        HubClient::new(self.path("log.sock"))
    }

    pub fn nonce(&self, uid: &str) -> String {
        let nonces = Nonces::from_file(&self.path("nonce.key")).unwrap();
        nonces.nonce(uid).expose_secret().to_owned()
    }

    fn live_store(&self) -> String {
        let hub = || format!("hub:{}", self.path("log.sock").display());
        self.redis.clone().unwrap_or_else(hub)
    }

    /// The options of the program.
    pub fn arguments(&self) -> Vec<String> {
        let file = |name: &str| self.path(name).display().to_string();
        let mut arguments: Vec<String> = vec![
            "codex-operator".into(),
            "--pod-proxy-url=http://127.0.0.1:8787".into(),
            format!("--task-token-key-file={}", file("token.pem")),
            format!("--nonce-key-file={}", file("nonce.key")),
            format!("--live-store={}", self.live_store()),
            format!("--archive=file://{}", file("archive")),
            format!("--spool-dir={}", file("spool")),
        ];
        arguments.extend(self.flags.iter().cloned());
        arguments
    }

    fn config(&self) -> Config {
        let arguments = self.arguments();
        let nothing = std::iter::empty::<(String, String)>();
        codex_settings::read::<Config>(arguments, nothing)
            .unwrap()
            .settings
    }
}

/// A running operator.
pub struct Operator {
    runtime: Option<Runtime>,
    shutdown: CancellationToken,
    done: std::sync::mpsc::Receiver<Result<(), codex_operator::Error>>,
    ready: std::sync::mpsc::Receiver<Ready>,
    listen: std::sync::OnceLock<std::net::SocketAddr>,
}

impl Operator {
    pub fn start(setup: &Setup) -> Self {
        Self::start_with(setup, checkpoint::go_on())
    }

    /// An operator that stops for ever at a point; the receiver tells when it is there.
    pub fn start_until(setup: &Setup, point: Checkpoint) -> (Self, mpsc::Receiver<()>) {
        let (sender, receiver) = mpsc::channel(1);
        let stop = StopAt {
            point,
            reached: sender,
        };
        (Self::start_with(setup, Arc::new(stop)), receiver)
    }

    fn start_with(setup: &Setup, checkpoints: Arc<dyn Checkpoints>) -> Self {
        // RUST_LOG shows what the operator does; without it only a failed test shows warnings.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let shutdown = CancellationToken::new();
        let (done_sender, done) = std::sync::mpsc::channel();
        let (ready_sender, ready) = std::sync::mpsc::channel();
        let (config, timing, kubeconfig) = (setup.config(), setup.timing, setup.kubeconfig.clone());
        let stop = shutdown.clone();
        runtime.spawn(async move {
            let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
            let options = KubeConfigOptions::default();
            let client_config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .unwrap();
            let (sender, receiver) = tokio::sync::oneshot::channel();
            tokio::spawn(async move {
                if let Ok(ready) = receiver.await {
                    let _ = ready_sender.send(ready);
                }
            });
            let mut options = Options::new(config, client_config);
            options.timing = timing;
            options.checkpoints = checkpoints;
            options.ready = Some(sender);
            let _ = done_sender.send(run(options, stop).await);
        });
        Self {
            runtime: Some(runtime),
            shutdown,
            done,
            ready,
            listen: std::sync::OnceLock::new(),
        }
    }

    /// Dies at once, like a process that is killed.
    pub fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Ends as after SIGTERM.
    pub fn stop(mut self) {
        self.shutdown.cancel();
        self.done
            .recv_timeout(PATIENCE)
            .expect("the operator ends")
            .expect("the operator ends well");
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// What a scraper reads.
    pub async fn metrics(&self) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut socket = tokio::net::TcpStream::connect(self.listen()).await.unwrap();
        socket
            .write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
            .await
            .unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).await.unwrap();
        text
    }

    /// Waits until it ends by itself.
    pub fn ended(mut self) -> Result<(), codex_operator::Error> {
        let result = self.done.recv_timeout(PATIENCE).expect("the operator ends");
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        result
    }

    /// The address of the probes; waits until the operator is ready.
    pub fn listen(&self) -> std::net::SocketAddr {
        *self.listen.get_or_init(|| {
            let ready = self.ready.recv_timeout(PATIENCE);
            ready.expect("the operator gets ready").listen
        })
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Asks the probes.
pub async fn fetch(address: std::net::SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    text
}

struct StopAt {
    point: Checkpoint,
    reached: mpsc::Sender<()>,
}

#[async_trait]
impl Checkpoints for StopAt {
    async fn reached(&self, point: Checkpoint, _: &str) {
        if point == self.point {
            let _ = self.reached.try_send(());
            std::future::pending::<()>().await;
        }
    }
}
