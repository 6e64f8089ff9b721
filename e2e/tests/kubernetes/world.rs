//! What the tests share: a real API and a local cluster, both with the project's kinds.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use codex_e2e::kubernetes::ApiServer;
use codex_e2e::{kubectl_binary, until};
use codex_local_cluster::testing::Cluster;
use http::Method;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// How long one request may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// The CustomResourceDefinitions as the chart ships them.
const DEFINITIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds/generated/crds.yaml");

/// Both servers. The runtime goes last, because the local cluster lives in it.
pub(crate) struct World {
    pub(crate) server: ApiServer,
    pub(crate) real: Side,
    pub(crate) local: Side,
    _cluster: Cluster,
    namespaces: Mutex<Vec<String>>,
    runtime: Runtime,
}

/// One of the two servers, as an administrator sees it.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) client: Client,
    kubeconfig: PathBuf,
    home: PathBuf,
}

/// An answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) kind: String,
    pub(crate) text: String,
}

impl World {
    pub(crate) fn start() -> Result<Self> {
        let runtime = Runtime::new()?;
        let server = ApiServer::start()?;
        let cluster = runtime.block_on(Cluster::start());
        let side = |name, kubeconfig: &Path| -> Result<Side> {
            let home = server.folder().join(name);
            std::fs::create_dir_all(&home)?;
            Ok(Side {
                name,
                client: runtime.block_on(client(kubeconfig))?,
                kubeconfig: kubeconfig.to_owned(),
                home,
            })
        };
        let real = side("kubernetes", server.kubeconfig())?;
        let local = side("local-cluster", cluster.kubeconfig_path())?;
        for side in [&real, &local] {
            side.kubectl(&["apply", "--server-side", "--filename", DEFINITIONS])?;
            for definition in ["codextasks", "codexrepositories"] {
                side.kubectl(&[
                    "wait",
                    "--for=condition=Established",
                    "--timeout=90s",
                    &format!("customresourcedefinition/{definition}.codexrunner.io"),
                ])?;
            }
        }
        Ok(Self {
            server,
            real,
            local,
            _cluster: cluster,
            namespaces: Mutex::default(),
            runtime,
        })
    }

    /// Runs what waits.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// A name for a namespace that nobody uses.
    pub(crate) fn fresh_name(&self, what: &str) -> String {
        let mut names = self
            .namespaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let name = format!("codex-{what}-{}-{}", std::process::id(), names.len());
        names.push(name.clone());
        name
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.server.is_somebody_elses() {
            return;
        }
        let names = std::mem::take(
            &mut *self
                .namespaces
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let mut arguments = vec!["delete", "namespace", "--ignore-not-found", "--wait=false"];
        arguments.extend(names.iter().map(String::as_str));
        if let Err(error) = self.real.kubectl(&arguments) {
            eprintln!("the namespaces of the tests are still there: {error:#}");
        }
    }
}

impl Side {
    /// Whether it is Kubernetes itself.
    pub(crate) fn is_real(&self) -> bool {
        self.name == "kubernetes"
    }

    /// Makes a namespace in which Pods can be created.
    pub(crate) async fn create_namespace(&self, name: &str, labels: Value) -> Result<()> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        let made = self
            .send(
                Method::POST,
                "/api/v1/namespaces",
                &[],
                namespace.to_string(),
            )
            .await?;
        ensure!(made.code == 201, "{made:?}");
        if self.is_real() {
            self.create_account(name, "default").await?;
        }
        Ok(())
    }

    /// Makes a service account, unless the controller was faster.
    pub(crate) async fn create_account(&self, namespace: &str, name: &str) -> Result<()> {
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        let made = self
            .send(Method::POST, &path, &[], account.to_string())
            .await?;
        ensure!(matches!(made.code, 201 | 409), "{made:?}");
        // Admission looks at a cache.
        until("the service account to be there", || async {
            let seen = self
                .send(Method::GET, &format!("{path}/{name}"), &[], String::new())
                .await?;
            Ok((seen.code == 200).then_some(()))
        })
        .await
    }

    /// Sends a request and returns the answer, errors included.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Answer> {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(kube::client::Body::from(body.into_bytes()))?;
        let answer = async {
            let (parts, body) = self.client.send(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            let kind = parts
                .headers
                .get("content-type")
                .and_then(|value| value.to_str().ok());
            anyhow::Ok(Answer {
                code: parts.status.as_u16(),
                kind: kind.unwrap_or_default().to_owned(),
                text: String::from_utf8(body.to_vec())?,
            })
        };
        tokio::time::timeout(PATIENCE, answer)
            .await
            .with_context(|| format!("{path} has no answer after {PATIENCE:?}"))?
    }

    /// Runs kubectl to its end, whatever that is.
    pub(crate) fn kubectl_output(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let mut child = self
            .kubectl_command()?
            .args(arguments)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("standard input is piped")?;
        let input = input.to_owned();
        // Who does not read it closes it, which is no reason to fail.
        let writer = std::thread::spawn(move || {
            let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
        });
        let output = child.wait_with_output()?;
        ensure!(
            writer.join().is_ok(),
            "the input of kubectl was not written"
        );
        Ok(output)
    }

    /// Runs kubectl; answers with its standard output.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = self.kubectl_output(arguments, "")?;
        if !output.status.success() {
            bail!(
                "kubectl {arguments:?} on {}: {}",
                self.name,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn kubectl_command(&self) -> Result<Command> {
        let mut command = Command::new(kubectl_binary()?);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.home)
            .current_dir(&self.home);
        Ok(command)
    }
}

/// The line in which a program says that it is ready.
pub(crate) async fn first_line(stdout: std::process::ChildStdout) -> Result<Value> {
    use tokio::io::AsyncBufReadExt as _;
    let stdout = tokio::process::ChildStdout::from_std(stdout)?;
    let mut lines = tokio::io::BufReader::new(stdout).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await??;
    Ok(serde_json::from_str(&line.context("it ended")?)?)
}

async fn client(kubeconfig: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}
