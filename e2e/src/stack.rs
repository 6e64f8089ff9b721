//! Everything on this machine: the real `codex-remote up` in a folder of its own.

mod cluster;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::api::Api;
use crate::kubernetes::ApiServer;
use crate::ready::ready_line;
use crate::repository::demo_repository;
use crate::tools::{bin_dir, kubectl_binary, root};
use crate::wait::until;

pub use cluster::on_kubernetes;

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct StackOptions {
    /// Play scenarios with the small `fake-codex` instead of the real one.
    pub fake_codex: bool,
    /// More arguments for `codex-remote up`.
    pub arguments: Vec<String>,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
}

/// A running `codex-remote up`. Dropping it stops it.
#[derive(Debug)]
pub struct Stack {
    // In the order in which they end.
    running: Mutex<Running>,
    kubernetes: Option<ApiServer>,
    dir: tempfile::TempDir,
    options: StackOptions,
}

/// A demo model that goes on when this is dropped.
#[derive(Debug)]
pub struct HeldModel(PathBuf);

impl Drop for HeldModel {
    fn drop(&mut self) {
        // A stack that is gone has taken it along.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[derive(Debug, Default)]
struct Running {
    up: Option<Child>,
    ready: Value,
}

impl Stack {
    /// Starts it with one repository, `demo`, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not get ready; the text has the end of its output.
    pub fn start(options: StackOptions) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("codex-e2e-").tempdir()?;
        // The sandbox runs as another user when this test runs as root.
        std::fs::set_permissions(
            dir.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )?;
        demo_repository(&dir.path().join("demo"))?;
        let kubernetes = cluster::start()?;
        let stack = Self {
            running: Mutex::default(),
            kubernetes,
            dir,
            options,
        };
        stack.launch("127.0.0.1:0")?;
        Ok(stack)
    }

    /// The address of the gateway.
    #[must_use]
    pub fn url(&self) -> String {
        self.ready("url")
    }

    /// The folder of the repository on the host.
    #[must_use]
    pub fn repository(&self) -> PathBuf {
        self.dir.path().join("demo")
    }

    /// The `cwd` of the repository in tasks.
    #[must_use]
    pub const fn cwd(&self) -> &'static str {
        "/srv/repos/demo"
    }

    /// The folder with everything that the stack stores.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The address that the first administrator signs in with.
    #[must_use]
    pub fn email(&self) -> String {
        self.ready("email")
    }

    /// The file with the first administrator's password.
    #[must_use]
    pub fn password_file(&self) -> PathBuf {
        self.data().join("admin-password")
    }

    /// Signs the first administrator in.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn admin(&self) -> Result<Api> {
        Api::login(&self.url(), &self.ready("email"), &self.ready("password")).await
    }

    /// From now on the demo model does not answer turns in which tools have returned so many results, nor says more messages of a series,
    /// until the answer is dropped. All tasks of the stack are held; one test at a time may do that.
    ///
    /// # Errors
    /// When the file that says so cannot be written.
    pub fn hold_model(&self, steps: usize) -> Result<HeldModel> {
        let file = self.data().join("demo-model.hold");
        std::fs::write(&file, steps.to_string())?;
        Ok(HeldModel(file))
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

    /// A kubectl that talks to this stack, in the namespace of the tasks.
    ///
    /// # Errors
    /// When kubectl is not installed.
    pub fn kubectl_command(&self) -> Result<Command> {
        let mut command = Command::new(kubectl_binary()?);
        command
            .env("KUBECONFIG", self.ready("kubeconfig"))
            .env("HOME", self.dir.path())
            .args(["-n", "codex-tasks"]);
        Ok(command)
    }

    /// The process ids of the parts, by name.
    ///
    /// # Errors
    /// When the file that lists them cannot be read.
    pub fn pid(&self, part: &str) -> Result<i32> {
        let path = self.data().join("run.json");
        let run: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
        let pid = run["processes"][part]["pid"].as_i64();
        let pid =
            pid.with_context(|| format!("{} has no process {part}: {run}", path.display()))?;
        Ok(i32::try_from(pid)?)
    }

    /// The most memory that a part has ever held since it was started, in KiB.
    ///
    /// # Errors
    /// When it does not run.
    pub fn peak_kib(&self, part: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid(part)?))?;
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.split_whitespace().next());
        Ok(peak
            .context("VmHWM is in the status of a process")?
            .parse()?)
    }

    /// Ends one part with SIGKILL.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_9(&self, part: &str) -> Result<()> {
        let pid = self.pid(part)?;
        kill(Pid::from_raw(pid), Signal::SIGKILL).with_context(|| format!("kill -9 {part} ({pid})"))
    }

    /// Ends one part with SIGKILL, and waits until its supervisor has started it again. It may not listen yet.
    ///
    /// # Errors
    /// When it does not run, or does not come back in time.
    pub async fn kill_9_and_await(&self, part: &str) -> Result<()> {
        let before = self.pid(part)?;
        self.kill_9(part)?;
        until("the part to be back", || async {
            Ok(self.pid(part).ok().filter(|pid| *pid != before))
        })
        .await?;
        Ok(())
    }

    /// Ends all of it with SIGKILL and starts it again on the same data and address.
    ///
    /// # Errors
    /// When it does not get ready again.
    pub fn kill_9_and_start_again(&self) -> Result<()> {
        let address = self.url().trim_start_matches("http://").to_owned();
        self.kill_9_for_good()?;
        self.launch(&address)
    }

    /// Ends all of it with SIGKILL.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_9_for_good(&self) -> Result<()> {
        let mut up = self.running().up.take().context("it runs")?;
        up.kill()?;
        up.wait()?;
        Ok(())
    }

    /// Stops it the polite way.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub fn stop(&self) -> Result<()> {
        let Some(mut up) = self.running().up.take() else {
            return Ok(());
        };
        kill(Pid::from_raw(i32::try_from(up.id())?), Signal::SIGTERM)?;
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(60) {
            if up.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        up.kill()?;
        up.wait()?;
        bail!("codex-remote up did not stop within a minute of SIGTERM");
    }

    /// The ends of all logs, for a failed scenario.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut text = tail(&self.dir.path().join("up.log"), 4000);
        if let Some(server) = &self.kubernetes {
            text.push_str(&format!("\n--- the API server\n{}", server.log()));
        }
        let logs = std::fs::read_dir(self.data().join("logs"));
        for entry in logs.into_iter().flatten().flatten() {
            text.push_str(&format!(
                "\n--- {}\n{}",
                entry.path().display(),
                tail(&entry.path(), 6000)
            ));
        }
        text
    }

    fn launch(&self, listen: &str) -> Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("up.log"))?;
        let fake_codex = if self.options.fake_codex {
            Some(bin_dir()?.join("fake-codex"))
        } else {
            None
        };
        let mut up = Command::new(bin_dir()?.join("codex-remote"))
            .args(["up", "--json", "--demo-model", "--listen", listen])
            .arg("--data")
            .arg(self.data())
            .arg("--repository")
            .arg(self.repository())
            .arg("--node-modules")
            .arg(root().join("node_modules"))
            .args(self.kubernetes.iter().map(|_| "--kubeconfig"))
            .args(self.kubernetes.iter().map(ApiServer::kubeconfig))
            .args(self.options.fake_codex.then_some("--codex-bin"))
            .args(fake_codex)
            .args(&self.options.arguments)
            .envs(self.options.environment.iter().cloned())
            .env_remove("CODEX_API_KEY")
            .env_remove("OPENAI_API_KEY")
            // A canary: nothing of the host's environment may reach a task.
            .env("CODEX_E2E_HOST_SECRET", "host-secret-canary")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("codex-remote is missing; run make build")?;
        let stdout = up.stdout.take().context("standard output is piped")?;
        self.running().up = Some(up);
        let ready = ready_line(stdout, Duration::from_secs(120))
            .with_context(|| format!("codex-remote up:\n{}", self.logs()))?;
        self.running().ready = ready;
        Ok(())
    }

    /// A value of the ready line; empty before there is one.
    fn ready(&self, key: &str) -> String {
        self.running().ready[key]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{error:#}");
        }
        if let Some(keep) = std::env::var_os("CODEX_E2E_KEEP") {
            eprintln!("kept {} ({})", self.dir.path().display(), keep.display());
            self.dir.disable_cleanup(true);
        }
    }
}

fn tail(path: &Path, bytes: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(bytes)..]).into_owned()
}
