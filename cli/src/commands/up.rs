//! `codex-remote up`: everything on this machine.

pub mod sso;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::Args;
use secrecy::SecretString;
use url::Url;

/// The options of `up`.
#[derive(Args, Debug)]
pub struct UpArgs {
    /// Where the gateway listens. Port 0 picks a free one at the first start and keeps it.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Where everything is kept: database, logs, secrets. [default: /var/lib/codex-remote for root, otherwise
    /// $XDG_DATA_HOME/codex-remote or ~/.local/share/codex-remote]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A folder that tasks may work on, or NAME=PATH. Tasks see it at /srv/repos/NAME, read-only, and work on a copy.
    /// The first one is the default. Repositories of an earlier start that are not named again are taken off the list.
    #[arg(long = "repository", value_name = "PATH", num_args = 1..)]
    pub repositories: Vec<String>,
    /// Let a scripted model answer, even when there is an API key.
    #[arg(long)]
    pub demo_model: bool,
    /// Print one line {"url","email","password","kubeconfig"} on standard output when ready, and nothing else there.
    #[arg(long)]
    pub json: bool,
    /// Cancel the tasks that run when this command is stopped. Without it their Pods go on.
    #[arg(long)]
    pub stop_tasks: bool,
    /// Run Pods as plain processes of this user where the kernel forbids namespaces. For trusted tasks only.
    #[arg(long)]
    pub insecure_no_sandbox: bool,
    /// The base address of the model API.
    #[arg(long, default_value = "https://api.openai.com/v1", value_name = "URL")]
    pub upstream_url: Url,
    /// The model of tasks that name none.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Keep the logs of running tasks in this Redis instead of in memory: redis://host:6379/0, rediss:// for TLS, or
    /// redis+unix:///path/to.sock. A password goes into a file.
    #[arg(
        long,
        env = "CODEX_LIVE_STORE",
        value_name = "URL",
        hide_env_values = true
    )]
    pub redis: Option<SecretString>,
    /// The file with the password of that Redis.
    #[arg(long, env = "CODEX_REDIS_PASSWORD_FILE", value_name = "PATH")]
    pub redis_password_file: Option<PathBuf>,
    /// A file with the certificate authorities (PEM) that may vouch for that Redis, instead of those that the system trusts.
    #[arg(long, env = "CODEX_REDIS_CA_FILE", value_name = "PATH")]
    pub redis_ca_file: Option<PathBuf>,
    /// Keep the logs of all tasks here: file:///folder or s3://bucket/prefix?endpoint=URL&region=NAME, with credentials from
    /// where the AWS tools find them. [default: a folder in --data]
    #[arg(long, env = "CODEX_ARCHIVE", value_name = "LOCATION")]
    pub archive: Option<String>,
    /// Send the traces of tasks to this OTLP collector, for example http://127.0.0.1:4318. Headers, sampler and the like come from the
    /// standard OTEL_* variables.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp: Option<Url>,
    /// Let the operator take a Lease before it works, so that further ones may stand by in the same cluster.
    #[arg(long, requires = "redis")]
    pub leader_election: bool,
    /// Use the Kubernetes API of this kubeconfig instead of one of its own: for development and tests. All parts act as its user, who has
    /// to be an administrator. The definitions, the namespace and the allow-list are put there, and this machine joins as a node that
    /// binds every pending Pod of that namespace to itself.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Do not join as a node. Somebody else runs the Pods then, whose image is `codex-runner:local` and who look for the pod proxy
    /// at 127.0.0.1:8787.
    #[arg(long, requires = "kubeconfig")]
    pub no_node: bool,
    /// How many tasks run at once.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub max_running: u32,
    /// How many tasks of one user run at once.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub max_running_per_user: u32,
    /// Names of environment variables that tasks may set, `*` at the end stands for anything. [default: what operator
    /// and gateway allow by themselves]
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub env_allow: Vec<String>,
    /// The codex program that Pods run, in place of the one from the npm package.
    #[arg(long, env = "CODEX_BIN", value_name = "PATH")]
    pub codex_bin: Option<PathBuf>,
    /// The program that is PID 1 in Pods, in place of the one next to this program.
    #[arg(long, value_name = "PATH")]
    pub runner_bin: Option<PathBuf>,
    /// The folder with `postgres` and `initdb`, in place of the npm package.
    #[arg(long, env = "CODEX_POSTGRES_BIN", value_name = "DIR")]
    pub postgres_bin: Option<PathBuf>,
    /// bubblewrap, in place of the one from `PATH` or the npm package.
    #[arg(long, env = "CODEX_BWRAP", value_name = "PATH")]
    pub bwrap: Option<PathBuf>,
    /// The folder that `npm ci` made. [default: the nearest one above this program]
    #[arg(long, env = "CODEX_NODE_MODULES", value_name = "DIR")]
    pub node_modules: Option<PathBuf>,
    /// The folder with the web client. [default: web/out in the nearest folder above this program where it was built;
    /// without one the gateway serves its plain built-in page]
    #[arg(long, env = "CODEX_WEB_DIR", value_name = "DIR")]
    pub web_dir: Option<PathBuf>,
    /// Sign-in with an identity provider.
    #[command(flatten)]
    pub sso: sso::SsoArgs,
}

/// Starts everything and stays until it is told to stop.
///
/// # Errors
/// When something is missing or a part does not start; the text says what to do.
#[cfg(target_os = "linux")]
pub async fn run(args: UpArgs) -> anyhow::Result<ExitCode> {
    Ok(crate::up::run(args).await?)
}

/// Says that this needs Linux.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub async fn run(_args: UpArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!(
        "`codex-remote up` needs Linux: Pods are made of its namespaces. Run it in a Linux machine and use the other commands from here"
    )
}
