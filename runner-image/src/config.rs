//! What the operator planned for this task: the environment of the container, read once.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::time::Duration;

use codex_tasklog::Artifact;
use hyper::Uri;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::harden::Secrets;

/// Variables of the task's own, with this in front of their names.
const TASK_ENV_PREFIX: &str = "CODEX_ENV_";
/// What the runner may take after SIGTERM, in seconds, when nothing else is said.
const DEFAULT_GRACE_SECONDS: u64 = 20;
/// What may be on standard output before the record is handed in, in bytes: kubelets rotate logs at 10 MiB.
const DEFAULT_LOG_BUDGET: u64 = 4 << 20;
/// What the pod-proxy takes, in bytes.
const DEFAULT_SPOOL_LIMIT: u64 = Artifact::Frames.max_bytes();
/// Where programs are when the image does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Everything that the runner needs to know.
#[derive(Debug)]
pub struct Config {
    /// `CODEX_TASK_ID`: the id of the task.
    pub task_id: String,
    /// `CODEX_TASK_PROMPT_FILE`: a file with the prompt.
    pub prompt_file: PathBuf,
    /// `CODEX_TASK_CWD`: the absolute folder to work in, in terms of the repository volume.
    pub cwd: PathBuf,
    /// `CODEX_REPOSITORY_PATH`: where the repository is mounted, read-only.
    pub repository: PathBuf,
    /// `CODEX_MODEL`: the model; without it Codex decides.
    pub model: Option<String>,
    /// `CODEX_POD_PROXY_URL`: the pod-proxy, an `http` address.
    pub pod_proxy: Uri,
    /// `CODEX_TASK_TOKEN`: what the pod-proxy asks for.
    pub token: SecretString,
    /// `CODEX_FRAME_NONCE`: the mark of the runner's frames.
    pub nonce: SecretString,
    /// `CODEX_GRACE_SECONDS`: what may pass between SIGTERM and the end, everything included.
    pub grace: Duration,
    /// `CODEX_LOG_BUDGET_BYTES`: past this many bytes on standard output the runner hands its own record of the log in.
    pub log_budget: u64,
    /// `CODEX_SPOOL_BYTES`: how large that record may become, in bytes; 0 for none.
    pub spool_limit: u64,
    /// `CODEX_RESUME_FROM`: the task whose session this one continues.
    pub resume_from: Option<String>,
    /// `CODEX_ENV_<NAME>`: variables of the task, by NAME.
    pub env: BTreeMap<OsString, OsString>,
    /// `CODEX_MCP_SERVERS`: servers for Codex, as the JSON of `CodexRepositorySpec.mcpServers`.
    pub mcp_servers: BTreeMap<String, McpServer>,
    /// `CODEX_BIN`: the program; by default where the image has it.
    pub codex: PathBuf,
    /// `CODEX_WORKSPACE`: an empty, writable folder for the copy; by default `/workspace`.
    pub workspace: PathBuf,
    /// `CODEX_HOME`: an empty, writable folder for Codex; by default `/codex-home`.
    pub codex_home: PathBuf,
    /// `TMPDIR`: a writable folder; by default `/tmp`.
    pub temporary: PathBuf,
    /// `PATH` of the image.
    pub path: OsString,
}

/// How Codex starts an MCP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpServer {
    /// The program.
    pub command: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// What is wrong with the environment.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable is absent or empty.
    #[error(
        "{0} is not set; the operator plans it for every task Pod, so start the runner through the operator"
    )]
    Missing(&'static str),
    /// A variable cannot be used.
    #[error("{name} cannot be used: {problem}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What is wrong, and what is right.
        problem: String,
    },
}

/// Everything that is wrong with the environment. There is at least one thing.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&errors.join("\n"))
    }
}

impl Config {
    /// Reads the environment of this process. The secrets have been taken out of it before.
    ///
    /// # Errors
    /// [`ConfigErrors`] names all variables that are missing or wrong.
    pub fn from_env(secrets: Secrets) -> Result<Self, ConfigErrors> {
        Self::from_vars(std::env::vars_os().collect(), secrets)
    }

    fn from_vars(
        vars: BTreeMap<OsString, OsString>,
        secrets: Secrets,
    ) -> Result<Self, ConfigErrors> {
        let vars = Vars(vars);
        let mut errors = Vec::new();
        let task_id = keep(&mut errors, vars.text("CODEX_TASK_ID"));
        let prompt_file = keep(&mut errors, vars.path("CODEX_TASK_PROMPT_FILE"));
        let cwd = keep(&mut errors, vars.path("CODEX_TASK_CWD"));
        let repository = keep(&mut errors, vars.path("CODEX_REPOSITORY_PATH"));
        let model = keep(&mut errors, vars.optional_text("CODEX_MODEL"));
        let pod_proxy = keep(&mut errors, vars.proxy());
        let token = keep(&mut errors, required(secrets.token, "CODEX_TASK_TOKEN"));
        let nonce = required(secrets.nonce, "CODEX_FRAME_NONCE").and_then(check_nonce);
        let nonce = keep(&mut errors, nonce);
        let grace = keep(&mut errors, vars.grace());
        let log_budget = vars.bytes("CODEX_LOG_BUDGET_BYTES", DEFAULT_LOG_BUDGET);
        let log_budget = keep(&mut errors, log_budget);
        let spool_limit = vars.bytes("CODEX_SPOOL_BYTES", DEFAULT_SPOOL_LIMIT);
        let spool_limit = keep(&mut errors, spool_limit);
        let resume_from = keep(&mut errors, vars.optional_text("CODEX_RESUME_FROM"));
        let mcp_servers = keep(&mut errors, vars.mcp_servers());
        let codex = keep(
            &mut errors,
            vars.path_or("CODEX_BIN", "/opt/codex/bin/codex"),
        );
        let workspace = keep(&mut errors, vars.path_or("CODEX_WORKSPACE", "/workspace"));
        let codex_home = keep(&mut errors, vars.path_or("CODEX_HOME", "/codex-home"));
        let temporary = keep(&mut errors, vars.path_or("TMPDIR", "/tmp"));
        let path = vars.get("PATH");
        let path = path.map_or_else(|| DEFAULT_PATH.into(), OsStr::to_owned);
        // Whatever is none has left its error.
        let whole = || {
            Some(Self {
                task_id: task_id?,
                prompt_file: prompt_file?,
                cwd: cwd?,
                repository: repository?,
                model: model?,
                pod_proxy: pod_proxy?,
                token: token?,
                nonce: nonce?,
                grace: grace?,
                log_budget: log_budget?,
                spool_limit: spool_limit?,
                resume_from: resume_from?,
                env: vars.task_env(),
                mcp_servers: mcp_servers?,
                codex: codex?,
                workspace: workspace?,
                codex_home: codex_home?,
                temporary: temporary?,
                path,
            })
        };
        whole().ok_or(ConfigErrors(errors))
    }
}

fn keep<T>(errors: &mut Vec<ConfigError>, result: Result<T, ConfigError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

struct Vars(BTreeMap<OsString, OsString>);

impl Vars {
    /// An empty variable counts as absent.
    fn get(&self, name: &str) -> Option<&OsStr> {
        let value = self.0.get(OsStr::new(name)).map(OsString::as_os_str);
        value.filter(|value| !value.is_empty())
    }

    fn text(&self, name: &'static str) -> Result<String, ConfigError> {
        let value = self.get(name).ok_or(ConfigError::Missing(name))?;
        let value = value
            .to_str()
            .ok_or_else(|| invalid(name, "it is not UTF-8"))?;
        Ok(value.to_owned())
    }

    fn optional_text(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        self.get(name).map(|_| self.text(name)).transpose()
    }

    fn path(&self, name: &'static str) -> Result<PathBuf, ConfigError> {
        let path = PathBuf::from(self.get(name).ok_or(ConfigError::Missing(name))?);
        if path.is_absolute() {
            Ok(path)
        } else {
            Err(invalid(name, "it has to be an absolute path"))
        }
    }

    fn path_or(&self, name: &'static str, default: &str) -> Result<PathBuf, ConfigError> {
        match self.get(name) {
            Some(_) => self.path(name),
            None => Ok(default.into()),
        }
    }

    fn proxy(&self) -> Result<Uri, ConfigError> {
        const NAME: &str = "CODEX_POD_PROXY_URL";
        let uri: Uri = self
            .text(NAME)?
            .parse()
            .map_err(|error| invalid(NAME, format!("it is not an address: {error}")))?;
        // The pod-proxy is inside the cluster and the token is good for this task only; the runner speaks no TLS.
        if uri.scheme_str() != Some("http") || uri.authority().is_none() || uri.query().is_some() {
            return Err(invalid(NAME, "it has to look like http://HOST:PORT"));
        }
        Ok(uri)
    }

    fn grace(&self) -> Result<Duration, ConfigError> {
        const NAME: &str = "CODEX_GRACE_SECONDS";
        if self.get(NAME).is_none() {
            return Ok(Duration::from_secs(DEFAULT_GRACE_SECONDS));
        }
        let seconds = self
            .text(NAME)?
            .parse()
            .ok()
            .filter(|seconds| (1..=3600).contains(seconds));
        let seconds = seconds
            .ok_or_else(|| invalid(NAME, "it has to be a number of seconds from 1 to 3600"))?;
        Ok(Duration::from_secs(seconds))
    }

    fn bytes(&self, name: &'static str, default: u64) -> Result<u64, ConfigError> {
        if self.get(name).is_none() {
            return Ok(default);
        }
        self.text(name)?
            .parse()
            .map_err(|_| invalid(name, "it has to be a number of bytes"))
    }

    fn task_env(&self) -> BTreeMap<OsString, OsString> {
        let own = self.0.iter().filter_map(|(name, value)| {
            let name = name.as_bytes().strip_prefix(TASK_ENV_PREFIX.as_bytes())?;
            (!name.is_empty()).then(|| (OsString::from_vec(name.to_owned()), value.clone()))
        });
        own.collect()
    }

    fn mcp_servers(&self) -> Result<BTreeMap<String, McpServer>, ConfigError> {
        const NAME: &str = "CODEX_MCP_SERVERS";
        if self.get(NAME).is_none() {
            return Ok(BTreeMap::new());
        }
        serde_json::from_str(&self.text(NAME)?).map_err(|error| {
            invalid(
                NAME,
                format!("it has to be the JSON of the repository's mcpServers: {error}"),
            )
        })
    }
}

fn required(secret: Option<SecretString>, name: &'static str) -> Result<SecretString, ConfigError> {
    secret
        .filter(|secret| !secret.expose_secret().is_empty())
        .ok_or(ConfigError::Missing(name))
}

/// The nonce becomes a part of every frame, whose length is bounded.
fn check_nonce(nonce: SecretString) -> Result<SecretString, ConfigError> {
    let text = nonce.expose_secret();
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if text.len() > 128 || !is_plain {
        return Err(invalid(
            "CODEX_FRAME_NONCE",
            "it has to be at most 128 letters and digits",
        ));
    }
    Ok(nonce)
}

fn invalid(name: &'static str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Invalid {
        name,
        problem: problem.into(),
    }
}

#[cfg(test)]
mod tests;
