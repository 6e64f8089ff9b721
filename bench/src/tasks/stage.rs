//! What the tasks run on: a real API server, the relay, the fake kubelet and an operator.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use codex_crds::CodexRepository;
use codex_e2e::kubernetes::ApiServer;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex;

use super::calls::Relay;
use super::kubelet::{self, Kubelet};
use super::{NAMESPACE, RUNNING};

const NONCE_KEY: [u8; 32] = [7; 32];
/// The folder of tasks.
pub(crate) const CWD: &str = "/srv/repos/app";

/// Everything. It ends with this value.
pub(crate) struct Stage {
    /// The API server, with all rights, past the relay.
    pub(crate) client: Client,
    /// The way of the operator to it.
    pub(crate) relay: Relay,
    // In the order in which they end.
    operator: Operator,
    _kubelet: Kubelet,
    _server: ApiServer,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// Starts it.
    ///
    /// # Errors
    /// When a part does not start.
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("codex-bench-").tempdir()?;
        let server = tokio::task::spawn_blocking(ApiServer::start).await??;
        anyhow::ensure!(
            !server.is_somebody_elses(),
            "thousands of tasks are for an API server of their own: unset {}",
            codex_e2e::kubernetes::KUBECONFIG
        );
        let kubeconfig = Kubeconfig::read_from(server.kubeconfig())?;
        let config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        install(&client).await?;
        let nonces = kubelet::nonces(&NONCE_KEY)?;
        let kubelet = Kubelet::start(client.clone(), folder.path(), nonces).await?;
        let relay = Relay::start(client.clone()).await?;
        let operator = Operator::start(folder.path(), &relay).await?;
        Ok(Self {
            client,
            relay,
            operator,
            _kubelet: kubelet,
            _server: server,
            _folder: folder,
        })
    }

    /// The process of the operator.
    pub(crate) fn operator(&self) -> u32 {
        self.operator.pid
    }

    /// Waits until the operator has ended, which it should not.
    pub(crate) async fn operator_ended(&self) -> anyhow::Error {
        let mut child = self.operator.child.lock().await;
        match child.wait().await {
            Ok(status) => anyhow::anyhow!("the operator ended ({status}); what it said is above"),
            Err(error) => error.into(),
        }
    }
}

/// What the operator finds in every cluster.
async fn install(client: &Client) -> Result<()> {
    let apply = PatchParams::apply("codex-bench").force();
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in codex_crds::definitions() {
        let name = definition.metadata.name.clone().unwrap_or_default();
        definitions
            .patch(&name, &apply, &Patch::Apply(&definition))
            .await?;
        let established = kube::runtime::wait::conditions::is_crd_established();
        kube::runtime::wait::await_condition(definitions.clone(), &name, established).await?;
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in [NAMESPACE, super::limit::NAMESPACE] {
        let namespace: Namespace = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
        }))?;
        namespaces
            .patch(name, &apply, &Patch::Apply(&namespace))
            .await?;
        // No Pod is admitted without it, and where no controllers run nobody else makes it.
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), name);
        let account: ServiceAccount = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"},
        }))?;
        accounts
            .patch("default", &apply, &Patch::Apply(&account))
            .await?;
    }
    let repository: CodexRepository = serde_json::from_value(json!({
        "apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexRepository", "metadata": {"name": "app"},
        "spec": {"path": CWD, "source": {"persistentVolumeClaim": {"claimName": "app"}}},
    }))?;
    let repositories: Api<CodexRepository> = Api::namespaced(client.clone(), NAMESPACE);
    repositories
        .patch("app", &apply, &Patch::Apply(&repository))
        .await?;
    Ok(())
}

/// The operator as a process. It ends with this value.
struct Operator {
    pid: u32,
    /// It ends when this is closed, which waiting for it would do.
    _life_line: Option<ChildStdin>,
    child: Mutex<Child>,
}

impl Operator {
    async fn start(folder: &Path, relay: &Relay) -> Result<Self> {
        let path = |name: &str| folder.join(name);
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        std::fs::write(path("token.pem"), key.serialize_pem())?;
        std::fs::write(path("nonce.key"), NONCE_KEY)?;
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "relay",
            "clusters": [{"name": "relay", "cluster": {"server": format!("http://{}", relay.address)}}],
            "users": [{"name": "relay", "user": {}}],
            "contexts": [{"name": "relay", "context": {"cluster": "relay", "user": "relay"}}],
        });
        std::fs::write(path("kubeconfig"), kubeconfig.to_string())?;
        let mut command = Command::new(std::env::current_exe()?);
        // What somebody has set for another operator is none of this one's business.
        for (name, _) in std::env::vars_os() {
            let name_bytes = name.as_encoded_bytes();
            if name_bytes.starts_with(b"CODEX_") || name_bytes.starts_with(b"OTEL_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .arg("operator")
            .env("KUBECONFIG", path("kubeconfig"))
            .env("CODEX_NAMESPACE", NAMESPACE)
            .env("CODEX_POD_PROXY_URL", "http://127.0.0.1:9")
            .env("CODEX_TASK_TOKEN_KEY_FILE", path("token.pem"))
            .env("CODEX_NONCE_KEY_FILE", path("nonce.key"))
            .env("CODEX_LIVE_STORE", format!("hub:{}", path("hub").display()))
            .env(
                "CODEX_ARCHIVE",
                format!("file://{}", path("archive").display()),
            )
            .env("CODEX_SPOOL_DIR", path("spool"))
            .env("CODEX_MAX_RUNNING", RUNNING.to_string())
            .env("CODEX_MAX_RUNNING_PER_USER", RUNNING.to_string())
            .env("CODEX_IDENTITY", "bench")
            .env(
                "RUST_LOG",
                std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned()),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What it has is thrown away.
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().context("standard output is piped")?;
        let line = BufReader::new(output).lines().next_line().await?;
        let line = line.unwrap_or_default();
        let _: Value = serde_json::from_str(&line)
            .with_context(|| format!("the operator said {line:?} instead of being ready"))?;
        Ok(Self {
            pid: child.id().context("the operator runs")?,
            _life_line: child.stdin.take(),
            child: Mutex::new(child),
        })
    }
}

/// The operator, as a process, as its own program starts it: until its standard input ends.
///
/// # Errors
/// Those of the operator.
pub(crate) async fn serve_operator() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Not `load`, which takes the options of this program for those of the operator.
    let loaded =
        codex_settings::read::<codex_operator::Config>(["codex-operator"], std::env::vars_os())
            .unwrap_or_else(|stop| stop.exit());
    codex_telemetry::start_log();
    let (sender, ready) = tokio::sync::oneshot::channel();
    let mut options = codex_operator::Options::new(loaded.warn(), kube::Config::infer().await?);
    options.ready = Some(sender);
    let announcement = tokio::spawn(async move {
        if ready.await.is_ok() {
            // Who started this process and does not listen will end it.
            let _ = writeln!(std::io::stdout(), "{}", json!({"ready": true}));
        }
    });
    let shutdown = tokio_util::sync::CancellationToken::new();
    let result = tokio::select! {
        () = crate::post::life_line() => Ok(()),
        result = codex_operator::run(options, shutdown) => result,
    };
    announcement.abort();
    Ok(result?)
}
