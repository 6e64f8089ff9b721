//! The gateway as a process of its own, over the stores of a world.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::DEADLINE;
use super::client::Client;
use super::world::{ADMIN, PASSWORD, World};

/// A running program.
pub struct Program {
    pub url: String,
    child: Child,
    _key: tempfile::NamedTempFile,
}

impl Program {
    pub async fn start(world: &World, env: &[(&str, &str)]) -> Self {
        Self::start_with(world, env, Stdio::inherit()).await
    }

    /// The same with its log in a file.
    pub async fn start_logged(world: &World, env: &[(&str, &str)], log: std::fs::File) -> Self {
        Self::start_with(world, env, log.into()).await
    }

    async fn start_with(world: &World, env: &[(&str, &str)], log: Stdio) -> Self {
        let key = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(key.path(), &world.setup.key).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_codex-gateway"))
            .env_clear()
            .env("CODEX_LISTEN", "127.0.0.1:0")
            .env("CODEX_DATABASE_URL", &world.setup.database_url)
            .env("KUBECONFIG", world.kubeconfig())
            .env(
                "CODEX_LIVE_STORE",
                format!("hub:{}", world.setup.hub.display()),
            )
            .env(
                "CODEX_ARCHIVE",
                format!("file://{}", world.archive_dir().display()),
            )
            .env("CODEX_JWT_KEY_FILE", key.path())
            .env("RUST_LOG", "warn")
            .envs(env.iter().copied())
            .kill_on_drop(true)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = tokio::time::timeout(DEADLINE, lines.next_line());
        let ready = ready.await.unwrap().unwrap().unwrap();
        let ready: Value = serde_json::from_str(&ready).unwrap();
        Self {
            url: ready["url"].as_str().unwrap().to_owned(),
            child,
            _key: key,
        }
    }

    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub async fn admin(&self) -> Client {
        Client::new(&self.url, None).login(ADMIN, PASSWORD).await
    }

    /// Sends SIGTERM.
    pub async fn terminate(&self) {
        let pid = self.child.id().unwrap().to_string();
        let killed = Command::new("kill").arg(&pid).status().await.unwrap();
        assert!(killed.success());
    }

    /// kill -9.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for the end after [`Self::terminate`].
    pub async fn ended(mut self) {
        let ended = tokio::time::timeout(DEADLINE, self.child.wait()).await;
        let status = ended.expect("it stops in time").unwrap();
        assert!(status.success(), "{status}");
    }

    /// Memory of the process in bytes: `VmRSS` for now, `VmHWM` for the peak.
    pub fn memory(&self, which: &str) -> u64 {
        let status = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(which));
        let number = line.unwrap().trim_matches([':', ' ', '\t', 'k', 'B']);
        number.parse::<u64>().unwrap() * 1024
    }
}
