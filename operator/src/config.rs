//! The configuration, from the environment or from flags. `codex-settings` reads it, and tells everything that is wrong at once.

mod check;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use codex_crds::env_policy::EnvPolicy;
use codex_settings::values::{dns_label, dns_subdomain, variable_pattern};
use codex_tasklog::{ArchiveLocation, Artifact, LiveLimits, LiveLocation, authorities_file};
use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};

pub use self::values::{NetworkPolicies, Taint, UserNamespaces};
use self::values::{
    host_alias, node_label, nonce_key, nonce_key_file, pod_proxy_url, quantity, queue_name, taint,
    token_key, user_namespaces,
};
use crate::domain::admission::Limits;
use crate::domain::step::Patience;
use crate::error::Error;
use crate::keys::Nonces;
use crate::leader::LeaseOptions;
use crate::spool::SpoolLimits;

/// A live log that holds less than this could not take the largest batch of frames.
const MIN_LIVE_BYTES: u64 = 1 << 20;

/// A spool that holds less than this could not take the largest batch of frames.
const MIN_SPOOL_BYTES: u64 = 64 << 10;

/// A host name that Pods know without DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAlias {
    /// The address.
    pub ip: String,
    /// The name.
    pub name: String,
}

/// The configuration of the operator. The kubeconfig is found as kubectl finds it: `KUBECONFIG`, `~/.kube/config`, or the service
/// account of the Pod.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "codex-operator",
    version,
    about = "Turns CodexTasks into Pods and follows their logs.",
    args_override_self = true
)]
pub struct Config {
    /// Namespace of the tasks.
    #[arg(long, env = "CODEX_NAMESPACE", default_value = "codex-tasks", value_parser = dns_label)]
    pub namespace: String,
    /// Image of the runner.
    #[arg(long, env = "CODEX_RUNNER_IMAGE", default_value = "codex-runner:local")]
    pub runner_image: String,
    /// Where Pods reach the pod proxy, for example `http://10.0.0.7:8787`; `http` only.
    #[arg(long, env = "CODEX_POD_PROXY_URL", value_parser = pod_proxy_url)]
    pub pod_proxy_url: String,
    /// Ed25519 private key (PKCS 8, PEM) that signs the tokens of tasks.
    #[arg(long, env = "CODEX_TASK_TOKEN_KEY", hide_env_values = true, value_parser = token_key)]
    pub task_token_key: SecretString,
    /// At least 32 random characters, from which the nonce of each task is made. This or `CODEX_NONCE_KEY_FILE` is required.
    #[arg(long, env = "CODEX_NONCE_KEY", hide_env_values = true, value_parser = nonce_key)]
    pub nonce_key: Option<SecretString>,
    /// A file with at least 32 random bytes for the same, each of which counts, line ends too.
    #[arg(long, env = "CODEX_NONCE_KEY_FILE", value_parser = nonce_key_file)]
    pub nonce_key_file: Option<PathBuf>,
    /// The live log: `hub:/path/to.sock`, or Redis 7 or later at `redis://[user[:password]@]host[:port][/database]`, `rediss://` for
    /// TLS. Redis needs `maxmemory-policy noeviction`.
    #[arg(long, env = "CODEX_LIVE_STORE", hide_env_values = true)]
    pub live_store: LiveLocation,
    /// The password of Redis, instead of one in the address.
    #[arg(long, env = "CODEX_REDIS_PASSWORD", hide_env_values = true)]
    pub redis_password: Option<SecretString>,
    /// A file with the certificate authorities (PEM) that may vouch for Redis at `rediss://`, instead of those that the system trusts.
    #[arg(long, env = "CODEX_REDIS_CA_FILE", value_parser = authorities_file)]
    pub redis_ca_file: Option<PathBuf>,
    /// Bytes of archived frames that the live log of a task keeps for readers that are a little behind.
    #[arg(long, env = "CODEX_LIVE_KEEP_BYTES", default_value_t = LiveLimits::default().keep)]
    pub live_keep_bytes: u64,
    /// Bytes that the live log of a task takes at most. Frames past it wait in the spool until older ones are archived.
    #[arg(long, env = "CODEX_LIVE_TASK_BYTES", default_value_t = LiveLimits::default().task,
        value_parser = clap::value_parser!(u64).range(MIN_LIVE_BYTES..))]
    pub live_task_bytes: u64,
    /// Bytes that all live logs take at most, likewise.
    #[arg(long, env = "CODEX_LIVE_TOTAL_BYTES", default_value_t = LiveLimits::default().total,
        value_parser = clap::value_parser!(u64).range(MIN_LIVE_BYTES..))]
    pub live_total_bytes: u64,
    /// Folder for frames on their way to the live log and the archive, of this operator alone. Best on a volume that outlives the
    /// process, so that the next one finds what neither store has yet.
    #[arg(
        long,
        env = "CODEX_SPOOL_DIR",
        default_value = "/var/lib/codex-operator/spool"
    )]
    pub spool_dir: PathBuf,
    /// Bytes that the spool holds of one task at most. Past it the log of the task is not read on until the stores take more.
    #[arg(long, env = "CODEX_SPOOL_TASK_BYTES", default_value_t = 1 << 30,
        value_parser = clap::value_parser!(u64).range(MIN_SPOOL_BYTES..))]
    pub spool_task_bytes: u64,
    /// Bytes that the spool holds of all tasks at most, likewise. No new task is started above four fifths of it.
    #[arg(long, env = "CODEX_SPOOL_TOTAL_BYTES", default_value_t = 8 << 30,
        value_parser = clap::value_parser!(u64).range(MIN_SPOOL_BYTES..))]
    pub spool_total_bytes: u64,
    /// The archive: `file:///folder` or `s3://bucket/prefix?endpoint=URL&region=NAME&path-style=BOOL`. Credentials for S3 come from
    /// where the AWS tools look for them.
    #[arg(long, env = "CODEX_ARCHIVE")]
    pub archive: ArchiveLocation,
    /// How many tasks run at once.
    #[arg(long, env = "CODEX_MAX_RUNNING", default_value_t = 20)]
    pub max_running: usize,
    /// How many tasks of one user run at once.
    #[arg(long, env = "CODEX_MAX_RUNNING_PER_USER", default_value_t = 5)]
    pub max_running_per_user: usize,
    /// Whether repositories may be folders of the node.
    #[arg(long, env = "CODEX_ALLOW_HOST_PATH", default_value = "false", action = clap::ArgAction::Set,
        value_parser = clap::builder::BoolishValueParser::new())]
    pub allow_host_path: bool,
    /// Environment variables that tasks may set: names, or beginnings followed by `*`, separated by commas. Keep them the same as those of the gateway.
    #[arg(
        long,
        env = "CODEX_ENV_ALLOW",
        default_value = "*",
        value_delimiter = ',',
        value_parser = variable_pattern
    )]
    pub env_allow: Vec<String>,
    /// The ConfigMap, in the namespace of the tasks, into which the operator writes what tasks may name, for the admission policy of the
    /// chart; without it, none is written.
    #[arg(long, env = "CODEX_ALLOW_LIST", value_parser = dns_subdomain)]
    pub allow_list: Option<String>,
    /// CPU limit of a task whose repository names none.
    #[arg(long, env = "CODEX_DEFAULT_CPU", default_value = "2", value_parser = quantity)]
    pub default_cpu: String,
    /// Memory limit of a task whose repository names none.
    #[arg(long, env = "CODEX_DEFAULT_MEMORY", default_value = "4Gi", value_parser = quantity)]
    pub default_memory: String,
    /// Disk of a task whose repository names none.
    #[arg(long, env = "CODEX_DEFAULT_EPHEMERAL_STORAGE", default_value = "10Gi", value_parser = quantity)]
    pub default_ephemeral_storage: String,
    /// CPU that the scheduler sets aside for a task; tasks mostly wait for the model.
    #[arg(long, env = "CODEX_CPU_REQUEST", default_value = "250m", value_parser = quantity)]
    pub cpu_request: String,
    /// Memory that the scheduler sets aside for a task.
    #[arg(long, env = "CODEX_MEMORY_REQUEST", default_value = "512Mi", value_parser = quantity)]
    pub memory_request: String,
    /// The model of tasks whose repository names none.
    #[arg(long, env = "CODEX_DEFAULT_MODEL")]
    pub default_model: Option<String>,
    /// Seconds that a Pod has to end in after it was told to.
    #[arg(long, env = "CODEX_GRACE_SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(6..=600))]
    pub grace_seconds: u32,
    /// Bytes on a container's standard output past which the runner hands its own record of the log in when the task ends. Keep it
    /// well below what the kubelet keeps of a log before it rotates it (`containerLogMaxSize`, 10 MiB).
    #[arg(long, env = "CODEX_LOG_BUDGET_BYTES", default_value_t = 4 << 20)]
    pub log_budget_bytes: u64,
    /// Bytes that the compressed record may have; 0 for no record. The pod proxy takes at most 64 MiB.
    #[arg(long, env = "CODEX_SPOOL_BYTES", default_value_t = Artifact::Frames.max_bytes(),
        value_parser = clap::value_parser!(u64).range(..=Artifact::Frames.max_bytes()))]
    pub spool_bytes: u64,
    /// Seconds from a task's turn until its Pod must have started.
    #[arg(long, env = "CODEX_PENDING_SECONDS", default_value_t = 300)]
    pub pending_seconds: u32,
    /// Seconds after its end at which a task is finished without archive when that cannot be completed.
    #[arg(long, env = "CODEX_ARCHIVE_DEADLINE_SECONDS", default_value_t = 24 * 60 * 60)]
    pub archive_deadline_seconds: u32,
    /// Seconds for which the live log outlives the final state, so that whoever watches can finish reading.
    #[arg(long, env = "CODEX_LIVE_LINGER_SECONDS", default_value_t = 30)]
    pub live_linger_seconds: u32,
    /// Runtime class of the Pods, for example one for gVisor or Kata.
    #[arg(long, env = "CODEX_RUNTIME_CLASS", value_parser = dns_subdomain)]
    pub runtime_class: Option<String>,
    /// Whether Pods get user namespaces of their own: `true`, `false`, or `auto` for where every node that they may run on says that it
    /// has them, no runtime class is set, and the operator may list nodes.
    #[arg(long, env = "CODEX_USER_NAMESPACES", default_value = "auto", value_parser = user_namespaces)]
    pub user_namespaces: UserNamespaces,
    /// Priority class of the Pods.
    #[arg(long, env = "CODEX_PRIORITY_CLASS", value_parser = dns_subdomain)]
    pub priority_class: Option<String>,
    /// Labels of the nodes that Pods run on: `pool=codex`, separated by commas.
    #[arg(long, env = "CODEX_NODE_SELECTOR", value_delimiter = ',', value_parser = node_label)]
    pub node_selector: Vec<(String, String)>,
    /// Taints of nodes that Pods tolerate: `dedicated=codex:NoSchedule`, separated by commas; value and effect may be left out, and then
    /// any will do.
    #[arg(long, env = "CODEX_TOLERATIONS", value_delimiter = ',', value_parser = taint)]
    pub tolerations: Vec<Taint>,
    /// The LocalQueue of Kueue, in the namespace of the tasks, for Pods of tasks that name none.
    #[arg(long, env = "CODEX_KUEUE_QUEUE", value_parser = queue_name)]
    pub kueue_queue: Option<String>,
    /// What keeps Pods from the network: `enforced` when somebody has seen that the cluster's network plugin enforces NetworkPolicies,
    /// `unverified` when not, for which there is a warning, `unneeded` where Pods have no network at all.
    #[arg(
        long,
        env = "CODEX_NETWORK_POLICIES",
        default_value = "unverified",
        value_enum
    )]
    pub network_policies: NetworkPolicies,
    /// Names that Pods know without DNS: `10.0.0.7=pod-proxy`, separated by commas. Pods get no DNS when the pod proxy is reached without it.
    #[arg(long, env = "CODEX_HOST_ALIASES", value_delimiter = ',', value_parser = host_alias)]
    pub host_aliases: Vec<HostAlias>,
    /// Address for `/healthz`, `/readyz` and `/metrics`.
    #[arg(long, env = "CODEX_LISTEN", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Whether operators take turns: the holder of a Lease works, the others stand by. Without it only one may run.
    #[arg(long, env = "CODEX_LEADER_ELECTION", default_value = "true", action = clap::ArgAction::Set,
        value_parser = clap::builder::BoolishValueParser::new())]
    pub leader_election: bool,
    /// The name of the Lease, in the namespace of the tasks.
    #[arg(long, env = "CODEX_LEASE_NAME", default_value = "codex-operator", value_parser = dns_subdomain)]
    pub lease_name: String,
    /// Who this operator is, unlike any other at the same time: the name of its Pod. A process that starts again under the same name
    /// goes on at once. Without it, the name of the host, which in a Pod is the Pod's.
    #[arg(long, env = "CODEX_IDENTITY")]
    pub identity: Option<String>,
    /// Seconds without a sign of life from the holder of the Lease after which another operator takes over. The holder stops by itself
    /// after two thirds of them.
    #[arg(long, env = "CODEX_LEASE_SECONDS", default_value_t = 15,
        value_parser = clap::value_parser!(u32).range(3..=600))]
    pub lease_seconds: u32,
}

impl Config {
    /// The bounds on what runs at once.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        Limits {
            global: self.max_running,
            per_user: self.max_running_per_user,
        }
    }

    /// The bounds on what the live log holds.
    #[must_use]
    pub const fn live_limits(&self) -> LiveLimits {
        LiveLimits {
            keep: self.live_keep_bytes,
            task: self.live_task_bytes,
            total: self.live_total_bytes,
        }
    }

    /// The bounds on the spool.
    #[must_use]
    pub const fn spool_limits(&self) -> SpoolLimits {
        SpoolLimits {
            task: self.spool_task_bytes,
            total: self.spool_total_bytes,
        }
    }

    /// The Lease, where operators take turns.
    #[must_use]
    pub fn lease(&self) -> Option<LeaseOptions> {
        let host = || {
            rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned()
        };
        self.leader_election.then(|| LeaseOptions {
            name: self.lease_name.clone(),
            identity: self.identity.clone().unwrap_or_else(host),
            duration: Duration::from_secs(self.lease_seconds.into()),
        })
    }

    /// The times that decisions wait for.
    #[must_use]
    pub fn patience(&self) -> Patience {
        Patience {
            pending: SignedDuration::from_secs(self.pending_seconds.into()),
            grace: SignedDuration::from_secs(self.grace_seconds.into()),
            archive: SignedDuration::from_secs(self.archive_deadline_seconds.into()),
        }
    }

    /// What makes the nonces of tasks.
    ///
    /// # Errors
    /// [`Error`] when there is no key for them, or it cannot be used any more.
    pub fn nonces(&self) -> Result<Nonces, Error> {
        match (&self.nonce_key, &self.nonce_key_file) {
            (Some(key), _) => Nonces::from_bytes(key.expose_secret().as_bytes().to_vec()),
            (None, Some(file)) => Nonces::from_file(file),
            (None, None) => Err(Error::NoNonceKey),
        }
    }

    /// The rules for environment variables.
    #[must_use]
    pub fn env_policy(&self) -> EnvPolicy {
        EnvPolicy::new(self.env_allow.iter().filter(|pattern| !pattern.is_empty()))
    }

    /// How long the live log outlives the final state.
    #[must_use]
    pub const fn live_linger(&self) -> Duration {
        Duration::from_secs(self.live_linger_seconds as u64)
    }
}
