//! The settings, and where they come from.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Parser;
use codex_tasklog::ArchiveLocation;
use reqwest::Url;

/// Passes the model requests of task Pods on, and adds the API key.
#[derive(Parser)]
#[command(name = "codex-pod-proxy", version)]
pub struct Args {
    /// Where task Pods reach the proxy.
    #[arg(long, env = "CODEX_LISTEN", default_value = "0.0.0.0:8787")]
    pub listen: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are served. Keep it out of reach of task Pods.
    #[arg(long, env = "CODEX_ADMIN_LISTEN", default_value = "127.0.0.1:9090")]
    pub admin_listen: SocketAddr,
    /// The base address of the model API, such as `https://api.openai.com/v1`. `/responses` is added to its path; a query is kept.
    #[arg(long, env = "CODEX_UPSTREAM_URL", value_parser = parse_upstream)]
    pub upstream_url: Url,
    /// A file with the API key. It is read again when it changes.
    #[arg(long, env = "CODEX_UPSTREAM_KEY_FILE")]
    pub upstream_key_file: PathBuf,
    /// A file with the public Ed25519 keys (PEM) that task tokens are signed with. It is read again when it changes;
    /// with several keys in it, each is accepted.
    #[arg(long, env = "CODEX_TASK_TOKEN_PUBLIC_KEY_FILE")]
    pub task_token_public_key_file: PathBuf,
    /// How many requests a task may have under way at once.
    #[arg(long, env = "CODEX_MAX_REQUESTS_PER_TASK", default_value_t = 16)]
    pub max_requests_per_task: usize,
    /// How many connections are held at once; further ones wait.
    #[arg(long, env = "CODEX_MAX_CONNECTIONS", default_value_t = 4096)]
    pub max_connections: usize,
    /// The largest request body, in bytes.
    #[arg(long, env = "CODEX_MAX_BODY_BYTES", default_value_t = 32 << 20)]
    pub max_body_bytes: usize,
    /// Seconds to wait for a connection to the model API.
    #[arg(long, env = "CODEX_UPSTREAM_CONNECT_SECONDS", default_value_t = 10)]
    pub upstream_connect_seconds: u64,
    /// Seconds that the model API may be silent, before and within a response. Models think for minutes.
    #[arg(long, env = "CODEX_UPSTREAM_IDLE_SECONDS", default_value_t = 300)]
    pub upstream_idle_seconds: u64,
    /// The archive, as the operator has it: what tasks leave goes there. Without it their artifacts are refused.
    #[arg(long, env = "CODEX_ARCHIVE")]
    pub archive: Option<ArchiveLocation>,
    /// How many bytes of artifacts are held in memory at once; further ones wait.
    #[arg(long, env = "CODEX_ARTIFACT_MEMORY_BYTES", default_value_t = 256 << 20)]
    pub artifact_memory_bytes: u64,
    /// Seconds that responses under way get when the proxy is told to stop.
    #[arg(long, env = "CODEX_DRAIN_SECONDS", default_value_t = 30)]
    pub drain_seconds: u64,
}

/// The settings of a proxy, without its addresses.
#[derive(Clone, Debug)]
pub struct Config {
    /// The base address of the model API.
    pub upstream_url: Url,
    /// The file with the API key.
    pub upstream_key_file: PathBuf,
    /// The file with the public keys for task tokens.
    pub task_token_public_key_file: PathBuf,
    /// How many requests a task may have under way at once.
    pub max_requests_per_task: usize,
    /// How many connections are held at once.
    pub max_connections: usize,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// How long to wait for a connection to the model API.
    pub upstream_connect_timeout: Duration,
    /// How long the model API may be silent.
    pub upstream_idle_timeout: Duration,
    /// The archive, where there is one.
    pub archive: Option<ArchiveLocation>,
    /// How many bytes of artifacts are held in memory at once.
    pub artifact_memory_bytes: u64,
    /// How long responses under way get at the end.
    pub drain_timeout: Duration,
    /// How often the key files are looked at.
    pub reload_interval: Duration,
}

impl From<Args> for Config {
    fn from(args: Args) -> Self {
        Self {
            upstream_url: args.upstream_url,
            upstream_key_file: args.upstream_key_file,
            task_token_public_key_file: args.task_token_public_key_file,
            max_requests_per_task: args.max_requests_per_task,
            max_connections: args.max_connections,
            max_body_bytes: args.max_body_bytes,
            upstream_connect_timeout: Duration::from_secs(args.upstream_connect_seconds),
            upstream_idle_timeout: Duration::from_secs(args.upstream_idle_seconds),
            archive: args.archive,
            artifact_memory_bytes: args.artifact_memory_bytes,
            drain_timeout: Duration::from_secs(args.drain_seconds),
            reload_interval: Duration::from_secs(2),
        }
    }
}

fn parse_upstream(text: &str) -> Result<Url, String> {
    let url: Url = text
        .parse()
        .map_err(|error| format!("not an address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("it must be an http:// or https:// address".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("put the key into the key file, not into the address".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_web_address_without_credentials() {
        assert!(parse_upstream("https://api.openai.com/v1").is_ok());
        for wrong in [
            "api.openai.com",
            "ftp://host/v1",
            "https://user:key@host/v1",
        ] {
            assert!(parse_upstream(wrong).is_err(), "{wrong}");
        }
    }
}
