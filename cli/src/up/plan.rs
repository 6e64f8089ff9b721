//! What is started with which settings. Pure: from what was found to command lines, environments and configuration files.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{
    layout::Layout,
    ports::Ports,
    process::{Listen, ProcessSpec, Readiness, Via},
    programs::Programs,
    secrets::Secrets,
};
use crate::commands::up::UpArgs;

/// The namespace of tasks.
pub const NAMESPACE: &str = "codex-tasks";
/// The "image" of task Pods.
pub const RUNNER_IMAGE: &str = "codex-runner:local";
/// Who may sign in first.
pub const ADMIN_EMAIL: &str = "admin@localhost";
/// The pod proxy's address inside Pods, whose loopback is their own.
pub const POD_PROXY_IN_POD: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8787);
/// The model that the demo model plays: Codex offers it its tools in the plainest form.
const DEMO_MODEL: &str = "gpt-5.5";
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

/// Everything that the settings of the parts follow from.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The data folder.
    pub layout: &'a Layout,
    /// The programs.
    pub programs: &'a Programs,
    /// The secrets.
    pub secrets: &'a Secrets,
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
        if !self.demo {
            let set = |name| Some((name, std::env::var_os(name)?));
            spec.env
                .extend(NETWORK_VARIABLES.into_iter().filter_map(set));
        }
        spec
    }

    /// The configuration file of the local cluster.
    #[must_use]
    pub fn cluster_config(&self, pod_proxy: SocketAddr) -> Value {
        let runner = (
            self.programs.runner.clone(),
            "/usr/local/bin/codex-runner".to_owned(),
        );
        let binds: Vec<Value> = std::iter::once(runner)
            .chain(self.programs.codex.binds())
            .map(|(source, target)| json!({"source": source, "target": target}))
            .collect();
        json!({
            "data_dir": self.layout.root().join("cluster"),
            "listen": "127.0.0.1:0",
            "sandbox": if self.args.insecure_no_sandbox { "none" } else { "enforced" },
            "bwrap": self.programs.bwrap,
            "images": {
                RUNNER_IMAGE: {
                    "binds": binds,
                    "env": {"PATH": "/usr/local/bin:/usr/bin:/bin"},
                    "entrypoint": ["/usr/local/bin/codex-runner"],
                }
            },
            "services": [{"listen": POD_PROXY_IN_POD, "target": pod_proxy}],
        })
    }

    /// The local cluster: API server and node. Pods live in processes of their own and survive it.
    #[must_use]
    pub fn local_cluster(&self) -> ProcessSpec {
        let config = self.layout.config("local-cluster.json");
        let args = vec!["serve".into(), "--config".into(), config.into()];
        ProcessSpec {
            args,
            ..self.part(
                "local-cluster",
                "the local cluster",
                &self.programs.local_cluster,
                Vec::new(),
            )
        }
    }

    /// The operator.
    #[must_use]
    pub fn operator(&self, ports: &Ports, pod_proxy: SocketAddr) -> ProcessSpec {
        let listens = vec![listen(ports, "operator", "url", Via::Env("CODEX_LISTEN"))];
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
            ("CODEX_ALLOW_HOST_PATH", "true".into()),
            (
                "CODEX_MAX_RUNNING",
                self.args.max_running.to_string().into(),
            ),
            (
                "CODEX_MAX_RUNNING_PER_USER",
                self.args.max_running_per_user.to_string().into(),
            ),
        ]);
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
        ]);
        spec
    }

    /// What operator and gateway must agree on.
    fn shared(&self) -> Vec<(&'static str, OsString)> {
        let mut live_store = OsString::from("hub:");
        live_store.push(self.sockets.join("log.sock"));
        let mut archive = OsString::from("file://");
        archive.push(self.layout.root().join("archive"));
        let mut env = vec![
            ("CODEX_NAMESPACE", NAMESPACE.into()),
            ("CODEX_LIVE_STORE", live_store),
            ("CODEX_ARCHIVE", archive),
        ];
        if !self.args.env_allow.is_empty() {
            env.push(("CODEX_ENV_ALLOW", self.args.env_allow.join(",").into()));
        }
        env
    }

    fn kubeconfig(&self, user: &str) -> OsString {
        self.layout
            .root()
            .join("cluster/kubeconfigs")
            .join(format!("{user}.yaml"))
            .into()
    }

    fn part(
        &self,
        name: &'static str,
        title: &'static str,
        program: &std::path::Path,
        listens: Vec<Listen>,
    ) -> ProcessSpec {
        let mut env = vec![("PATH", OsString::from("/usr/local/bin:/usr/bin:/bin"))];
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
mod tests {
    use std::path::Path;

    use clap::Parser;
    use secrecy::ExposeSecret as _;

    use super::{super::programs::Codex, *};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: UpArgs,
    }

    fn with_plan(line: &[&str], demo: bool, check: impl FnOnce(&Plan<'_>, &Ports)) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(dir.path()).unwrap();
        let secrets = Secrets::open(&layout).unwrap();
        let bin = |name: &str| Path::new("/programs").join(name);
        let programs = Programs {
            local_cluster: bin("codex-local-cluster"),
            pod_proxy: bin("codex-pod-proxy"),
            demo_model: bin("codex-demo-model"),
            operator: bin("codex-operator"),
            gateway: bin("codex-gateway"),
            runner: bin("codex-runner"),
            codex: Codex::Program("/somewhere/fake-codex".into()),
            postgres_bin: bin("postgres"),
            bwrap: Some("/usr/bin/bwrap".into()),
        };
        let args = Line::parse_from([&["up"], line].concat()).args;
        let ports = Ports::open(layout.ports_file());
        let plan = Plan {
            layout: &layout,
            programs: &programs,
            secrets: &secrets,
            args: &args,
            sockets: "/sockets".into(),
            demo,
        };
        check(&plan, &ports);
    }

    fn value(spec: &ProcessSpec, name: &str) -> Option<String> {
        let found = spec.env.iter().find(|(key, _)| *key == name)?;
        Some(found.1.to_string_lossy().into_owned())
    }

    const PROXY: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 40_001);

    #[test]
    fn no_secret_stands_in_an_environment_or_on_a_command_line() {
        with_plan(&[], true, |plan, ports| {
            let specs = [
                plan.demo_model(ports),
                plan.pod_proxy(ports, "http://127.0.0.1:1/v1", "/key".into()),
                plan.local_cluster(),
                plan.operator(ports, PROXY),
                plan.gateway(PROXY, "/url".into()),
            ];
            let secrets = [
                plan.secrets.admin_password.expose_secret().to_owned(),
                plan.secrets.database_password.expose_secret().to_owned(),
                std::fs::read_to_string(&plan.secrets.demo_model_key).unwrap(),
                std::fs::read_to_string(&plan.secrets.nonce_key).unwrap(),
            ];
            let shown = format!("{specs:?}");
            assert!(
                secrets.iter().all(|secret| !shown.contains(secret.trim())),
                "{shown}"
            );
        });
    }

    #[test]
    fn only_the_pod_proxy_knows_the_model_and_only_the_gateway_the_database() {
        with_plan(&["--env-allow", "APP_*,CI"], false, |plan, ports| {
            let operator = plan.operator(ports, PROXY);
            let gateway = plan.gateway(PROXY, "/url".into());
            for spec in [&operator, &gateway] {
                assert_eq!(value(spec, "CODEX_UPSTREAM_KEY_FILE"), None);
                assert_eq!(value(spec, "CODEX_ENV_ALLOW").as_deref(), Some("APP_*,CI"));
                assert_eq!(
                    value(spec, "CODEX_LIVE_STORE").as_deref(),
                    Some("hub:/sockets/log.sock")
                );
            }
            assert_eq!(value(&operator, "CODEX_DATABASE_URL_FILE"), None);
            assert_eq!(
                value(&gateway, "CODEX_DATABASE_URL_FILE").as_deref(),
                Some("/url")
            );
            assert_ne!(
                value(&operator, "KUBECONFIG"),
                value(&gateway, "KUBECONFIG")
            );
            // The real model is Codex's own default.
            assert_eq!(value(&operator, "CODEX_DEFAULT_MODEL"), None);
        });
    }

    #[test]
    fn pods_reach_the_proxy_by_its_address_in_the_pod() {
        with_plan(&[], true, |plan, ports| {
            let operator = plan.operator(ports, PROXY);
            assert_eq!(
                value(&operator, "CODEX_POD_PROXY_URL").as_deref(),
                Some("http://127.0.0.1:8787")
            );
            assert_eq!(
                value(&operator, "CODEX_DEFAULT_MODEL").as_deref(),
                Some("gpt-5.5")
            );
            let config = plan.cluster_config(PROXY);
            assert_eq!(
                config["services"],
                json!([{"listen": "127.0.0.1:8787", "target": "127.0.0.1:40001"}])
            );
            assert_eq!(config["sandbox"], "enforced");
            let binds = &config["images"]["codex-runner:local"]["binds"];
            assert_eq!(binds[0]["target"], "/usr/local/bin/codex-runner");
            assert_eq!(
                binds[1],
                json!({"source": "/somewhere/fake-codex", "target": "/opt/codex/bin/codex"})
            );
        });
        with_plan(&["--insecure-no-sandbox"], true, |plan, ports| {
            let operator = plan.operator(ports, PROXY);
            assert_eq!(
                value(&operator, "CODEX_POD_PROXY_URL").as_deref(),
                Some("http://127.0.0.1:40001")
            );
            assert_eq!(plan.cluster_config(PROXY)["sandbox"], "none");
        });
    }
}
