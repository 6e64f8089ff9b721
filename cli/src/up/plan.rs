//! What is started with which settings. Pure: from what was found to command lines, environments and configuration files.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use nix::sys::signal::Signal;

use super::{
    layout::Layout,
    ports::Ports,
    process::{Listen, ProcessSpec, Readiness, Via},
    programs::Programs,
    secrets::Secrets,
    sso::Sso,
    stores::Stores,
};
use crate::commands::up::UpArgs;

mod cluster;

/// The namespace of tasks.
pub const NAMESPACE: &str = "codex-tasks";
/// The "image" of task Pods.
pub const RUNNER_IMAGE: &str = "codex-runner:local";
/// The node of this machine in somebody else's cluster.
const NODE_NAME: &str = "codex-remote-up";
/// Who may sign in first.
pub const ADMIN_EMAIL: &str = "admin@localhost";
/// The pod proxy's address inside Pods, whose loopback is their own.
pub const POD_PROXY_IN_POD: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8787);
/// The model that the demo model plays: Codex offers it its tools in the plainest form.
const DEMO_MODEL: &str = "gpt-5.5";
/// The operator's name among those that take turns. It is kept, so that an operator that was killed goes on at once.
const OPERATOR_IDENTITY: &str = "up";
/// After how many seconds of silence another operator takes over: the API server is on the same machine.
const LEASE_SECONDS: u32 = 5;
/// Access tokens last this long, in seconds: half a day of work on one's own machine.
const ACCESS_TOKEN_SECONDS: u32 = 12 * 60 * 60;
/// Variables that change where and how a program reaches the internet. Only what calls the real model gets them.
const NETWORK_VARIABLES: [&str; 8] = [
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// What the parts that send traces are told besides where to. Not `OTEL_SERVICE_NAME`: each has a name of its own.
const TRACE_VARIABLES: [&str; 8] = [
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS_FILE",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
];

/// Everything that the settings of the parts follow from.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The data folder.
    pub layout: &'a Layout,
    /// The programs.
    pub programs: &'a Programs,
    /// The secrets.
    pub secrets: &'a Secrets,
    /// Where logs are kept.
    pub stores: &'a Stores,
    /// How people sign in beside passwords.
    pub sso: &'a Sso,
    /// The command line.
    pub args: &'a UpArgs,
    /// Unix sockets go here.
    pub sockets: PathBuf,
    /// Whether the demo model answers.
    pub demo: bool,
}

impl Plan<'_> {
    /// The demo model.
    #[must_use]
    pub fn demo_model(&self, ports: &Ports) -> ProcessSpec {
        let args = vec![
            "--key-file".into(),
            self.secrets.demo_model_key.clone().into(),
            "--hold-file".into(),
            self.layout.root().join("demo-model.hold").into(),
        ];
        let listens = vec![listen(ports, "demo-model", "url", Via::Option("--listen"))];
        ProcessSpec {
            args,
            ..self.part(
                "demo-model",
                "the demo model",
                &self.programs.demo_model,
                listens,
            )
        }
    }

    /// The pod proxy, with the address of the model and the file of its key.
    #[must_use]
    pub fn pod_proxy(&self, ports: &Ports, upstream: &str, key: PathBuf) -> ProcessSpec {
        let listens = vec![
            listen(ports, "pod-proxy", "url", Via::Env("CODEX_LISTEN")),
            listen(
                ports,
                "pod-proxy",
                "admin_url",
                Via::Env("CODEX_ADMIN_LISTEN"),
            ),
        ];
        let mut spec = self.part(
            "pod-proxy",
            "the pod proxy",
            &self.programs.pod_proxy,
            listens,
        );
        spec.env.extend([
            ("CODEX_UPSTREAM_URL", upstream.into()),
            ("CODEX_UPSTREAM_KEY_FILE", key.into()),
            (
                "CODEX_TASK_TOKEN_PUBLIC_KEY_FILE",
                self.secrets.task_token_public_key.clone().into(),
            ),
            ("CODEX_DRAIN_SECONDS", "2".into()),
        ]);
        spec.env.extend(self.archive());
        spec.env.extend(self.traces());
        if !self.demo {
            let set = |name| Some((name, std::env::var_os(name)?));
            spec.env
                .extend(NETWORK_VARIABLES.into_iter().filter_map(set));
        }
        spec
    }

    /// The operator.
    #[must_use]
    pub fn operator(&self, ports: &Ports, pod_proxy: SocketAddr) -> ProcessSpec {
        let listens = vec![listen(
            ports,
            "operator",
            "listen",
            Via::Env("CODEX_LISTEN"),
        )];
        let mut spec = self.part("operator", "the operator", &self.programs.operator, listens);
        // Without a sandbox there is no loopback of the Pod's own, and so no address in it.
        let proxy = if self.args.insecure_no_sandbox {
            pod_proxy
        } else {
            POD_PROXY_IN_POD
        };
        spec.env.extend(self.shared());
        spec.env.extend([
            ("KUBECONFIG", self.kubeconfig("operator")),
            ("CODEX_RUNNER_IMAGE", RUNNER_IMAGE.into()),
            ("CODEX_POD_PROXY_URL", format!("http://{proxy}").into()),
            (
                "CODEX_TASK_TOKEN_KEY_FILE",
                self.secrets.task_token_key.clone().into(),
            ),
            (
                "CODEX_NONCE_KEY_FILE",
                self.secrets.nonce_key.clone().into(),
            ),
            ("CODEX_SPOOL_DIR", self.layout.root().join("spool").into()),
            ("CODEX_ALLOW_HOST_PATH", "true".into()),
            // The sandbox of the local cluster has no network but the pod proxy, and user namespaces of its own.
            ("CODEX_NETWORK_POLICIES", "unneeded".into()),
            ("CODEX_USER_NAMESPACES", "false".into()),
            (
                "CODEX_LEADER_ELECTION",
                self.args.leader_election.to_string().into(),
            ),
            ("CODEX_IDENTITY", OPERATOR_IDENTITY.into()),
            ("CODEX_LEASE_SECONDS", LEASE_SECONDS.to_string().into()),
            (
                "CODEX_MAX_RUNNING",
                self.args.max_running.to_string().into(),
            ),
            (
                "CODEX_MAX_RUNNING_PER_USER",
                self.args.max_running_per_user.to_string().into(),
            ),
        ]);
        spec.env.extend(self.traces());
        let model = self
            .args
            .model
            .as_deref()
            .or(self.demo.then_some(DEMO_MODEL));
        spec.env
            .extend(model.map(|model| ("CODEX_DEFAULT_MODEL", model.into())));
        spec
    }

    /// The gateway.
    #[must_use]
    pub fn gateway(&self, address: SocketAddr, database_url_file: PathBuf) -> ProcessSpec {
        let listens = vec![Listen {
            via: Via::Env("CODEX_LISTEN"),
            address,
            field: "url",
        }];
        let mut spec = self.part("gateway", "the gateway", &self.programs.gateway, listens);
        spec.env.extend(self.shared());
        spec.env.extend([
            ("KUBECONFIG", self.kubeconfig("gateway")),
            ("CODEX_DATABASE_URL_FILE", database_url_file.into()),
            ("CODEX_JWT_KEY_FILE", self.secrets.jwt_key.clone().into()),
            ("CODEX_ADMIN_EMAIL", ADMIN_EMAIL.into()),
            (
                "CODEX_ADMIN_PASSWORD_FILE",
                self.secrets.admin_password_file.clone().into(),
            ),
            (
                "CODEX_ACCESS_TOKEN_SECONDS",
                ACCESS_TOKEN_SECONDS.to_string().into(),
            ),
            // The machine is its user's own: these only stop a program that has run wild.
            ("CODEX_RATE_WRITES_ADMIN", "6000".into()),
            ("CODEX_RATE_READS_ADMIN", "60000".into()),
            ("CODEX_TASKS_PER_USER", "10000".into()),
        ]);
        spec.env.extend(self.sso.settings());
        spec.env.extend(self.traces());
        if self.args.otlp.is_some() && self.args.listen.ip().is_loopback() {
            // Only programs of this machine come here: what they have begun goes on.
            spec.env.push(("CODEX_TRUST_TRACEPARENT", "true".into()));
        }
        let web_dir = self.programs.web_dir.as_ref();
        spec.env
            .extend(web_dir.map(|folder| ("CODEX_WEB_DIR", folder.into())));
        spec
    }

    /// What operator and gateway must agree on.
    fn shared(&self) -> Vec<(&'static str, OsString)> {
        let mut env = vec![("CODEX_NAMESPACE", NAMESPACE.into())];
        env.extend(self.stores.live(&self.sockets.join("log.sock")));
        env.extend(self.archive());
        if !self.args.env_allow.is_empty() {
            env.push(("CODEX_ENV_ALLOW", self.args.env_allow.join(",").into()));
        }
        env
    }

    /// Where logs and what tasks leave are kept.
    fn archive(&self) -> Vec<(&'static str, OsString)> {
        self.stores.archive(&self.layout.root().join("archive"))
    }

    /// Where traces go, if anywhere.
    fn traces(&self) -> Vec<(&'static str, OsString)> {
        let Some(collector) = &self.args.otlp else {
            return Vec::new();
        };
        let endpoint = (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            OsString::from(collector.as_str()),
        );
        let set = |name| Some((name, std::env::var_os(name)?));
        std::iter::once(endpoint)
            .chain(TRACE_VARIABLES.into_iter().filter_map(set))
            .collect()
    }

    fn kubeconfig(&self, user: &str) -> OsString {
        self.layout.kubeconfig_of(user).into()
    }

    fn part(
        &self,
        name: &'static str,
        title: &'static str,
        program: &std::path::Path,
        listens: Vec<Listen>,
    ) -> ProcessSpec {
        let mut env = vec![
            ("PATH", OsString::from("/usr/local/bin:/usr/bin:/bin")),
            // Their output goes into files.
            ("NO_COLOR", "1".into()),
        ];
        let wanted = |name| Some((name, std::env::var_os(name)?));
        env.extend(
            ["RUST_LOG", "RUST_BACKTRACE"]
                .into_iter()
                .filter_map(wanted),
        );
        ProcessSpec {
            name,
            title,
            program: program.to_owned(),
            args: Vec::new(),
            env,
            listens,
            account: None,
            readiness: Readiness::Line,
            ready_timeout: Duration::from_secs(60),
            stop_signal: Signal::SIGTERM,
            stop_timeout: Duration::from_secs(15),
        }
    }
}

fn listen(ports: &Ports, part: &str, field: &'static str, via: Via) -> Listen {
    Listen {
        via,
        address: ports.address(&format!("{part}.{field}")),
        field,
    }
}

#[cfg(test)]
mod tests;
