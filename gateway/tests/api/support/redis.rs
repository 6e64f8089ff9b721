//! A real Redis of a test's own, on a socket in a folder of its own. It dies with the test.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use codex_gateway::limits::RedisLimiter;
use codex_tasklog::RedisConfig;

pub struct Redis {
    folder: tempfile::TempDir,
    process: Option<Child>,
}

impl Redis {
    pub async fn start() -> Self {
        let mut redis = Self {
            folder: tempfile::tempdir().unwrap(),
            process: None,
        };
        redis.run().await;
        redis
    }

    /// Starts it, also again after [`Self::kill`]; then it has forgotten everything.
    pub async fn run(&mut self) {
        let program = std::env::var_os("CODEX_REDIS_BIN").unwrap_or_else(|| "redis-server".into());
        let child = Command::new(program)
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("these tests need redis-server: run scripts/install-test-tools");
        self.process = Some(child);
        super::until("Redis to listen", async || {
            std::os::unix::net::UnixStream::connect(self.socket()).ok()
        })
        .await;
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// A limiter with a connection of its own, as every gateway has one.
    pub fn limiter(&self) -> Arc<RedisLimiter> {
        Arc::new(RedisLimiter::new(&self.config()).unwrap())
    }

    /// As `CODEX_LIVE_STORE` and `CODEX_REDIS_URL` take it.
    pub fn address(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    pub fn config(&self) -> RedisConfig {
        RedisConfig::new(&self.address().as_str().into(), None).unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
