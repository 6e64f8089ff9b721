//! The settings, and where they come from. `codex-settings` reads them, and tells everything that is wrong at once.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, builder::RangedU64ValueParser};
use codex_settings::{Check, Settings};
use codex_tasklog::ArchiveLocation;
use codex_telemetry::Tracer;
use reqwest::Url;
use secrecy::SecretString;

use crate::{proxy::parse_api_key, token::TaskTokenKeys};

/// Passes the model requests of task Pods on, and adds the API key.
#[derive(Debug, Parser)]
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
    /// The API key. This or `CODEX_UPSTREAM_KEY_FILE` is required.
    #[arg(long, env = "CODEX_UPSTREAM_KEY", hide_env_values = true, value_parser = api_key)]
    pub upstream_key: Option<SecretString>,
    /// A file with the API key. It is read again when it changes.
    #[arg(long, env = "CODEX_UPSTREAM_KEY_FILE", value_parser = api_key_file)]
    pub upstream_key_file: Option<PathBuf>,
    /// A file with the public Ed25519 keys (PEM) that task tokens are signed with. It is read again when it changes;
    /// with several keys in it, each is accepted.
    #[arg(long, env = "CODEX_TASK_TOKEN_PUBLIC_KEY_FILE", value_parser = public_key_file)]
    pub task_token_public_key_file: PathBuf,
    /// How many requests a task may have under way at once.
    #[arg(long, env = "CODEX_MAX_REQUESTS_PER_TASK", default_value_t = 16, value_parser = at_least_one())]
    pub max_requests_per_task: usize,
    /// How many connections are held at once; further ones wait.
    #[arg(long, env = "CODEX_MAX_CONNECTIONS", default_value_t = 4096, value_parser = at_least_one())]
    pub max_connections: usize,
    /// The largest request body, in bytes.
    #[arg(long, env = "CODEX_MAX_BODY_BYTES", default_value_t = 32 << 20, value_parser = at_least_one())]
    pub max_body_bytes: usize,
    /// Seconds to wait for a connection to the model API.
    #[arg(long, env = "CODEX_UPSTREAM_CONNECT_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub upstream_connect_seconds: u64,
    /// Seconds that the model API may be silent, before and within a response. Models think for minutes.
    #[arg(long, env = "CODEX_UPSTREAM_IDLE_SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub upstream_idle_seconds: u64,
    /// The archive, as the operator has it: what tasks leave goes there. Without it their artifacts are refused.
    #[arg(long, env = "CODEX_ARCHIVE")]
    pub archive: Option<ArchiveLocation>,
    /// How many bytes of artifacts are held in memory at once; further ones wait.
    #[arg(long, env = "CODEX_ARTIFACT_MEMORY_BYTES", default_value_t = 256 << 20)]
    pub artifact_memory_bytes: u64,
    /// Seconds that responses under way get when the proxy is told to stop.
    #[arg(long, env = "CODEX_DRAIN_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(..=3600))]
    pub drain_seconds: u64,
}

/// Where the API key comes from.
#[derive(Clone, Debug)]
pub enum ApiKey {
    /// It is this one.
    Fixed(SecretString),
    /// A file that is read again when it changes.
    File(PathBuf),
}

/// The settings of a proxy, without its addresses.
#[derive(Clone, Debug)]
pub struct Config {
    /// The base address of the model API.
    pub upstream_url: Url,
    /// The API key.
    pub upstream_key: ApiKey,
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
    /// Where spans go.
    pub tracer: Tracer,
}

impl Settings for Args {
    fn check(check: &mut Check<'_>) {
        check.exactly_one(&["upstream_key"]);
        let listen = check.get::<SocketAddr>("listen").copied();
        let admin = check.get::<SocketAddr>("admin_listen").copied();
        if let Some(address) = listen.filter(|it| it.port() != 0 && admin == Some(*it)) {
            let (one, other) = (check.name("listen"), check.name("admin_listen"));
            check.refuse(format!(
                "{one} and {other} are both {address}; task Pods must not reach the latter"
            ));
        }
    }
}

impl Args {
    /// The settings without the addresses; nothing when there is no API key.
    #[must_use]
    pub fn config(self) -> Option<Config> {
        let args = self;
        let key = args.upstream_key.map(ApiKey::Fixed);
        Some(Config {
            upstream_url: args.upstream_url,
            upstream_key: key.or_else(|| args.upstream_key_file.map(ApiKey::File))?,
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
            tracer: Tracer::off(),
        })
    }
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

fn api_key(text: &str) -> Result<SecretString, String> {
    match parse_api_key(text.as_bytes()) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(error.to_string()),
    }
}

fn api_key_file(text: &str) -> Result<PathBuf, String> {
    let content = std::fs::read(text).map_err(|error| error.to_string())?;
    match parse_api_key(&content) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(error.to_string()),
    }
}

fn public_key_file(text: &str) -> Result<PathBuf, String> {
    let content = std::fs::read(text).map_err(|error| error.to_string())?;
    match TaskTokenKeys::from_pem(&content) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(error.to_string()),
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
    fn the_documentation_is_up_to_date() {
        let page = include_str!("../../docs/configuration.md");
        assert!(
            page.contains(&codex_settings::markdown::<Args>()),
            "run `make generate`"
        );
    }

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
