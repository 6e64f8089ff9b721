//! A real Kubernetes API: upstream's kube-apiserver and etcd, or a cluster that somebody names.

mod assets;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use self::assets::Assets;
use crate::ready::ready_line;
use crate::tools::{kubectl_binary, root};

/// How long the server may take to be ready. An idle machine needs seconds.
const READY: Duration = Duration::from_secs(300);

/// Names the kubeconfig of a cluster that is used as it is. Tests make namespaces there, install the CustomResourceDefinitions, and
/// remove what they made.
pub const KUBECONFIG: &str = "CODEX_TEST_KUBECONFIG";

/// Names a folder with `kube-apiserver` and `etcd`, as the tools of envtest fill it.
pub const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// When it is set, a missing Kubernetes is a failure; without it and the others the tests on Kubernetes are skipped.
pub const REQUIRED: &str = "CODEX_REQUIRE_KUBERNETES";

/// Whether the tests on a real Kubernetes shall run.
#[must_use]
pub fn wanted() -> bool {
    [KUBECONFIG, ASSETS, REQUIRED]
        .iter()
        .any(|name| variable(name).is_some())
}

/// A variable of the environment that is not empty.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// An API server on loopback with everything in a folder of its own. It dies with this value.
///
/// It has neither scheduler nor node.
#[derive(Debug)]
pub struct ApiServer {
    folder: tempfile::TempDir,
    kubeconfig: PathBuf,
    source: Source,
    /// The API server is the last of them.
    processes: Mutex<Vec<Child>>,
}

/// Where the API comes from.
#[derive(Debug)]
enum Source {
    /// A cluster that somebody else runs.
    Named,
    /// Two programs from a folder.
    Assets(Assets),
    /// The program of `e2e/kubernetes`: both in one, with the controllers for service accounts, namespaces and owned objects.
    Built(PathBuf),
}

impl ApiServer {
    /// Starts it and waits until it is ready. With `CODEX_TEST_KUBECONFIG` it is the cluster that this names, and nothing is started.
    ///
    /// # Errors
    /// When the server was not built (`scripts/install-kubernetes-tools` does that), or does not get ready; the text has the end of its log.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("codex-kubernetes-")
            .tempdir()?;
        let data = folder.path().join("data");
        let mut kubeconfig = data.join("kubeconfig");
        let source = if let Some(named) = variable(KUBECONFIG) {
            kubeconfig = named;
            ensure!(
                kubeconfig.is_file(),
                "{KUBECONFIG} names {}, which is no file",
                kubeconfig.display()
            );
            Source::Named
        } else if let Some(programs) = variable(ASSETS) {
            Source::Assets(Assets::prepare(&programs, &data)?)
        } else {
            let program = root().join("target/tools/kubernetes/server");
            ensure!(
                program.is_file(),
                "there is no Kubernetes to test with; run scripts/install-kubernetes-tools"
            );
            Source::Built(program)
        };
        let server = Self {
            folder,
            kubeconfig,
            source,
            processes: Mutex::default(),
        };
        if !server.is_somebody_elses() {
            server.restart()?;
        }
        Ok(server)
    }

    /// Whether somebody else runs it, so that it can be neither killed nor filled at will.
    #[must_use]
    pub const fn is_somebody_elses(&self) -> bool {
        matches!(self.source, Source::Named)
    }

    /// Whether namespaces get their service account, and deleted ones go away.
    #[must_use]
    pub const fn has_controllers(&self) -> bool {
        !matches!(self.source, Source::Assets(_))
    }

    /// The kubeconfig of an administrator. It stays valid over [`Self::restart`].
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A folder for whoever uses the server; it goes with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process of the server.
    ///
    /// # Errors
    /// When it does not run, or somebody else runs it.
    pub fn pid(&self) -> Result<i32> {
        let processes = self.processes();
        let api = processes.last().context("no API server of ours runs")?;
        Ok(i32::try_from(api.id())?)
    }

    /// kill -9, of the API server and its etcd.
    ///
    /// # Errors
    /// When it does not run, or somebody else runs it.
    pub fn kill_9(&self) -> Result<()> {
        let processes = std::mem::take(&mut *self.processes());
        ensure!(!processes.is_empty(), "no API server of ours runs");
        for mut process in processes {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// Starts it again after [`Self::kill_9`] and waits until it is ready: with what it had, at the same address.
    ///
    /// # Errors
    /// When it runs already, somebody else runs it, or it does not get ready.
    pub fn restart(&self) -> Result<()> {
        ensure!(
            self.processes().is_empty(),
            "it runs already; kill it first"
        );
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        let started = match &self.source {
            Source::Named => bail!("somebody else runs this cluster"),
            Source::Assets(assets) => {
                *self.processes() = assets.spawn(&log)?;
                self.wait_until_ready()
            }
            Source::Built(program) => self.start_built(program, log),
        };
        started.with_context(|| format!("the Kubernetes API:\n{}", self.log()))
    }

    fn start_built(&self, program: &Path, log: File) -> Result<()> {
        let mut child = Command::new(program)
            .arg("--data")
            .arg(self.folder.path().join("data"))
            // A test does not survive a loss of power.
            .args(["--unsafe-no-fsync", "--until-stdin-closes"])
            // Open for as long as this process lives, whatever ends it.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = child.stdout.take().context("standard output is piped")?;
        self.processes().push(child);
        let ready: Value = ready_line(stdout, READY)?;
        ensure!(
            ready["kubeconfig"].as_str().map(Path::new) == Some(self.kubeconfig()),
            "it serves from another folder: {ready}"
        );
        Ok(())
    }

    fn wait_until_ready(&self) -> Result<()> {
        let started = Instant::now();
        while let Err(error) = self.kubectl(&["get", "--raw=/readyz"]) {
            if started.elapsed() > READY {
                return Err(error.context(format!("it is not ready after {READY:?}")));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// A kubectl of the administrator.
    ///
    /// # Errors
    /// When kubectl is not installed.
    pub fn kubectl_command(&self) -> Result<Command> {
        let mut command = Command::new(kubectl_binary()?);
        command
            .env("KUBECONFIG", self.kubeconfig())
            // Its cache of what the server knows.
            .env("HOME", self.folder.path());
        Ok(command)
    }

    /// Runs kubectl; answers with its standard output.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = self.kubectl_command()?.args(arguments).output()?;
        if !output.status.success() {
            bail!(
                "kubectl {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The end of the server's log, for a failed test.
    #[must_use]
    pub fn log(&self) -> String {
        let text = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(6000)..]).into_owned()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn processes(&self) -> MutexGuard<'_, Vec<Child>> {
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        for process in self.processes().iter_mut() {
            // It may have died by itself, which whoever waited for it has noticed.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
