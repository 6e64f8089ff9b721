//! The operator as the program that people run.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::operator::{Setup, fetch};
use super::{PATIENCE, eventually};

/// Is killed when it is dropped.
pub struct Program {
    _child: Child,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Program {
    pub fn start(setup: &Setup) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_codex-operator"))
            .args(setup.arguments().into_iter().skip(1))
            .env_clear()
            .env("KUBECONFIG", &setup.kubeconfig)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                kept.lock().unwrap().push(line);
            }
        });
        Self { _child: child, log }
    }

    /// Waits until its probe answers with this status and text; answers with the text.
    pub async fn until_readiness(&self, status: u16, text: &str) -> String {
        let address = self.listen().await;
        let mut last = String::new();
        let found = eventually(async || {
            last = fetch(address, "/readyz").await;
            let is_it = last.starts_with(&format!("HTTP/1.1 {status}")) && last.contains(text);
            is_it.then(|| last.clone())
        })
        .await;
        found
            .unwrap_or_else(|| panic!("never {status} with {text:?}; last: {last}\n{}", self.log()))
    }

    pub async fn metrics(&self) -> String {
        fetch(self.listen().await, "/metrics").await
    }

    /// What it has logged, one line an entry.
    pub fn log(&self) -> String {
        let log = self.log.lock().unwrap();
        let texts = log.iter().map(|line| match line["message"].as_str() {
            Some(message) => message.to_owned(),
            None => line.to_string(),
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    async fn listen(&self) -> SocketAddr {
        let found = eventually(async || {
            let log = self.log.lock().unwrap();
            log.iter()
                .find_map(|line| line["listen"].as_str()?.parse().ok())
        })
        .await;
        found.unwrap_or_else(|| panic!("it did not listen in {PATIENCE:?}: {}", self.log()))
    }
}
