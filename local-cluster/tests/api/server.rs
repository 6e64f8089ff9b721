//! The binary as a process.

use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::{PATIENCE, custom_client};

/// A process that serves.
pub(crate) struct Server {
    pub(crate) child: tokio::process::Child,
    pub(crate) ready: Value,
}

impl Server {
    /// Starts over `dir`, with these settings beside the usual ones.
    pub(crate) async fn start(dir: &Path, settings: &Value) -> Self {
        // Two tests install the same provider; the second is told so and need not care.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = settings.clone();
        config["data_dir"] = json!(dir.join("data"));
        config["listen"] = json!("127.0.0.1:0");
        Self::start_as("serve", dir, &config).await
    }

    /// Starts a command with these settings.
    pub(crate) async fn start_as(command: &str, dir: &Path, config: &Value) -> Self {
        let file = dir.join(format!("{command}.json"));
        std::fs::write(&file, config.to_string()).unwrap();
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_codex-local-cluster"))
            .args([command, "--config"])
            .arg(&file)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let line = line.expect("ready in time").unwrap().expect("a line");
        let ready: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["ready"], true);
        Self { child, ready }
    }

    pub(crate) async fn client(&self) -> kube::Client {
        let path = self.ready["kubeconfig"].as_str().unwrap();
        custom_client(Path::new(path), |_, _| {}).await
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().expect("it was not waited for");
        let pid = Pid::from_raw(i32::try_from(pid).expect("a pid"));
        kill(pid, signal).expect("it can be signalled");
    }

    /// Waits until it has ended; whether it did so cleanly.
    pub(crate) async fn ended(&mut self) -> bool {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        status.expect("it ends in time").unwrap().success()
    }
}
