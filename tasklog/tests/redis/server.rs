//! A real Redis of a test's own.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use codex_tasklog::{LiveLimits, RedisConfig, RedisStore};

const START: Duration = Duration::from_secs(30);

/// A server that listens on a socket in a folder of its own, and dies with the test.
pub struct RedisServer {
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    /// Where it listens besides the socket, if it does.
    port: u16,
    process: Mutex<Option<Child>>,
}

impl RedisServer {
    /// A server that keeps nothing on disk.
    pub async fn start() -> Self {
        Self::with(&["--appendonly", "no"]).await
    }

    /// A server that has all its data after a crash.
    pub async fn durable() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"]).await
    }

    pub async fn with(arguments: &[&str]) -> Self {
        Self::new(0, arguments).await
    }

    /// A server that listens on a port too.
    pub async fn listening(arguments: &[&str]) -> Self {
        let (host, port) = (Self::host(), next_port());
        let address = ["--bind", &host, "--port", &port.to_string()];
        Self::new(port, &[&address, arguments].concat()).await
    }

    /// A server that listens on a port with TLS.
    pub async fn listening_with_tls(arguments: &[&str]) -> Self {
        let (host, port) = (Self::host(), next_port());
        let address = ["--bind", &host, "--tls-port", &port.to_string()];
        Self::new(port, &[&address, arguments].concat()).await
    }

    async fn new(port: u16, arguments: &[&str]) -> Self {
        let server = Self {
            folder: tempfile::tempdir().unwrap(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            port,
            process: Mutex::new(None),
        };
        server.run().await;
        server
    }

    /// An address of loopback that no other process of these tests uses.
    pub fn host() -> String {
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        format!("127.{}.{middle}.{low}", 64 + high)
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Starts it again after [`Self::kill`], with what it kept on disk.
    pub async fn run(&self) {
        self.launch();
        let started = Instant::now();
        while let Err(error) = self.ping().await {
            let log = std::fs::read_to_string(self.folder.path().join("redis.log"));
            assert!(
                started.elapsed() < START,
                "{error}; {}",
                log.unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The same, without waiting until it serves.
    pub fn launch(&self) {
        let process = Command::new(binary())
            .args(["--port", "0", "--save", "", "--daemonize", "no"])
            .args(["--loglevel", "warning", "--logfile", "redis.log"])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        *self.process.lock().unwrap() = Some(process);
    }

    pub async fn ping(&self) -> redis::RedisResult<()> {
        let mut connection = self.client().get_multiplexed_async_connection().await?;
        let answered: redis::RedisResult<redis::Value> =
            redis::cmd("PING").query_async(&mut connection).await;
        match answered {
            // It wants a password, so it is up.
            Err(error) if error.code() == Some("NOAUTH") => Ok(()),
            answered => answered.map(drop),
        }
    }

    /// kill -9.
    pub fn kill(&self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    pub fn address(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    fn client(&self) -> redis::Client {
        redis::Client::open(self.address()).unwrap()
    }

    /// A command, written as one would type it.
    pub async fn command(&self, text: &str) -> redis::Value {
        let mut connection = self
            .client()
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        let mut words = text.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        command.query_async(&mut connection).await.unwrap()
    }

    pub async fn text(&self, command: &str) -> String {
        redis::from_redis_value(self.command(command).await).unwrap()
    }

    pub async fn number(&self, command: &str) -> i64 {
        let answer: Option<i64> = redis::from_redis_value(self.command(command).await).unwrap();
        answer.unwrap_or(0)
    }

    /// A process of its own that uses this server.
    pub fn store(&self, limits: LiveLimits) -> RedisStore {
        let mut config = RedisConfig::new(&self.address().into(), None).unwrap();
        config.limits = limits;
        config.linger = Duration::from_millis(400);
        RedisStore::new(config).unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn next_port() -> u16 {
    static PORT: AtomicU16 = AtomicU16::new(16_000);
    PORT.fetch_add(1, Ordering::Relaxed)
}

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("CODEX_REDIS_BIN") {
        return path.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("redis-server"))
        .find(|path| path.is_file())
        .expect("these tests need redis-server 7 or later: run scripts/install-test-tools, or name it in CODEX_REDIS_BIN")
}
