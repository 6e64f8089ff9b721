//! A second operator beside that of `codex-remote up`.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use codex_e2e::Stack;
use tokio::process::Command;
use tokio::task::JoinSet;

/// Its name among those that take turns.
pub(crate) const IDENTITY: &str = "second";
/// A pause before it is started again, as a kubelet makes one.
const PAUSE: Duration = Duration::from_millis(100);

/// An operator that is started again whenever it ends; it dies with this value.
pub(crate) struct SecondOperator {
    pid: Arc<AtomicI32>,
    _spool: tempfile::TempDir,
    _keeper: JoinSet<()>,
}

impl SecondOperator {
    /// Starts one with the settings of the first.
    pub(crate) fn start(stack: &Stack) -> Result<Self> {
        let first = stack.pid("operator")?;
        let environment = std::fs::read(format!("/proc/{first}/environ"))?;
        let environment = String::from_utf8(environment)?;
        let spool = tempfile::tempdir()?;
        let own = [
            ("CODEX_LISTEN", "127.0.0.1:0".to_owned()),
            ("CODEX_IDENTITY", IDENTITY.to_owned()),
            ("CODEX_SPOOL_DIR", spool.path().display().to_string()),
        ];
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(stack.data().join("logs/operator-second.log"))?;
        let program = codex_e2e::bin_dir()?.join("codex-operator");
        let variables: Vec<(String, String)> = environment
            .split_terminator('\0')
            .filter_map(|variable| variable.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .chain(own.map(|(name, value)| (name.to_owned(), value)))
            .collect();
        let pid = Arc::new(AtomicI32::new(0));
        let noted = Arc::clone(&pid);
        let mut keeper = JoinSet::new();
        keeper.spawn(async move {
            loop {
                let mut command = Command::new(&program);
                command
                    .env_clear()
                    .envs(variables.iter().cloned())
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(log.try_clone().expect("a descriptor can be doubled"))
                    .kill_on_drop(true);
                let mut child = command.spawn().expect("the program was started before");
                noted.store(child.id().map_or(0, u32::cast_signed), Ordering::Relaxed);
                // However it ended, it is started again.
                let _ = child.wait().await;
                tokio::time::sleep(PAUSE).await;
            }
        });
        Ok(Self {
            pid,
            _spool: spool,
            _keeper: keeper,
        })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.load(Ordering::Relaxed)
    }
}

/// Who holds the Lease.
pub(crate) fn holder(stack: &Stack) -> Result<String> {
    let path = "jsonpath={.spec.holderIdentity}";
    stack
        .kubectl(&["get", "lease", "codex-operator", "-o", path])
        .context("the operators take turns")
}
