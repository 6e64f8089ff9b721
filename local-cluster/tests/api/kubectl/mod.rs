//! The real kubectl against the API server. It is found by `KUBECTL` or on the path.

mod reads;
mod writes;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use codex_local_cluster::testing::Cluster;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::PATIENCE;

pub(super) struct Kubectl {
    kubeconfig: PathBuf,
    /// Discovery is cached below the home folder; each test has its own.
    home: TempDir,
}

impl Kubectl {
    pub(super) fn new(cluster: &Cluster) -> Self {
        Self::with(cluster.kubeconfig_path())
    }

    pub(super) fn with(kubeconfig: &Path) -> Self {
        Self {
            kubeconfig: kubeconfig.to_owned(),
            home: TempDir::new().unwrap(),
        }
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command =
            Command::new(std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into()));
        command
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub(super) async fn run(&self, args: &[&str], input: &str) -> Output {
        let mut child = self.command(args).spawn().expect("kubectl is installed");
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        tokio::time::timeout(PATIENCE, child.wait_with_output())
            .await
            .unwrap_or_else(|_| panic!("kubectl {args:?} ends in time"))
            .unwrap()
    }

    /// Standard output of a command that must succeed.
    pub(super) async fn ok(&self, args: &[&str]) -> String {
        self.ok_with(args, "").await
    }

    pub(super) async fn ok_with(&self, args: &[&str], input: &str) -> String {
        let output = self.run(args, input).await;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "kubectl {args:?}: {out}{err}");
        out
    }

    /// Standard error of a command that must fail.
    pub(super) async fn fails(&self, args: &[&str], input: &str) -> String {
        let output = self.run(args, input).await;
        assert!(
            !output.status.success(),
            "kubectl {args:?}: {}",
            text(&output.stdout)
        );
        text(&output.stderr)
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn columns(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}
