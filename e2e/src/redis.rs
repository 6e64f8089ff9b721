//! A real Redis of a suite's own, that can be killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::wait::until;

/// How long Redis may take to answer before it is asked again.
const ANSWER: Duration = Duration::from_secs(1);

/// A server on a socket in a folder of its own, with every write on disk before it is acknowledged. It dies with this value.
#[derive(Debug)]
pub struct RedisServer {
    folder: tempfile::TempDir,
    process: Mutex<Option<Child>>,
}

impl RedisServer {
    /// Starts it.
    ///
    /// # Errors
    /// When `redis-server` is not installed: `scripts/install-test-tools` does that.
    pub fn start() -> Result<Self> {
        let server = Self {
            folder: tempfile::Builder::new().prefix("codex-redis-").tempdir()?,
            process: Mutex::new(None),
        };
        server.spawn()?;
        Ok(server)
    }

    /// Its address, as `CODEX_LIVE_STORE` takes it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// kill -9.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_9(&self) -> Result<()> {
        let mut process = self.take().context("Redis runs")?;
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    /// Starts it again after [`Self::kill_9`], with what it had.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub async fn start_again(&self) -> Result<()> {
        self.spawn()?;
        until("Redis to answer", || async {
            let answer = tokio::time::timeout(ANSWER, ping(&self.socket())).await;
            Ok(matches!(answer, Ok(Ok(()))).then_some(()))
        })
        .await
    }

    /// Starts it again after [`Self::kill_9`], with nothing.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub async fn start_empty(&self) -> Result<()> {
        let data = self.folder.path().join("appendonlydir");
        std::fs::remove_dir_all(&data).with_context(|| {
            format!(
                "{} is where Redis 7 keeps what it has to remember",
                data.display()
            )
        })?;
        self.start_again().await
    }

    fn spawn(&self) -> Result<()> {
        let program = std::env::var_os("CODEX_REDIS_BIN").unwrap_or_else(|| "redis-server".into());
        let process = Command::new(program)
            .args(["--port", "0", "--save", "", "--daemonize", "no"])
            .args(["--appendonly", "yes", "--appendfsync", "always"])
            .args(["--loglevel", "warning", "--logfile", "redis.log"])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(self.folder.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server 7 or later is missing; run make test-tools")?;
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        Ok(())
    }

    fn take(&self) -> Option<Child> {
        self.process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.take() {
            // It may have died by itself, which whoever waited for it has noticed.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

async fn ping(socket: &Path) -> Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).await?;
    ensure!(&answer == b"+PONG\r\n", "still loading");
    Ok(())
}
