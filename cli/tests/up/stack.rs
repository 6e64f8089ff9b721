//! A running `codex-remote up`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_codex-remote");
/// Longer than a start takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// Whether the other programs have been built next to the one under test. They belong to other packages, so cargo does not build
/// them for this test alone; `CODEX_REQUIRE_STACK` makes their absence an error, as in the project's own test command.
pub fn programs_present() -> bool {
    let folder = Path::new(PROGRAM).parent().unwrap();
    let programs = [
        "codex-local-cluster",
        "codex-pod-proxy",
        "codex-demo-model",
        "codex-operator",
        "codex-gateway",
        "codex-runner",
    ];
    let missing: Vec<_> = programs
        .into_iter()
        .filter(|name| !folder.join(name).is_file())
        .collect();
    let modules = node_modules();
    if missing.is_empty() && modules.is_dir() {
        return true;
    }
    let text = format!(
        "needs {missing:?} in {} and {}",
        folder.display(),
        modules.display()
    );
    assert!(std::env::var_os("CODEX_REQUIRE_STACK").is_none(), "{text}");
    eprintln!("SKIPPED: {text}");
    false
}

fn node_modules() -> PathBuf {
    std::env::var_os("CODEX_NODE_MODULES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../node_modules"),
        PathBuf::from,
    )
}

/// `codex-remote up` on a data folder, with a canary in its environment.
pub fn command(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(["up", "--demo-model", "--json", "--data"])
        .arg(data)
        .args(arguments)
        .env("CODEX_NODE_MODULES", node_modules())
        .env("CODEX_TEST_CANARY", "canary")
        .stdin(Stdio::null());
    command
}

/// A data folder and the `up` on it.
pub struct Stack {
    dir: TempDir,
    up: Child,
    /// The line with `--json`.
    pub ready: Value,
}

impl Stack {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let up = launch(dir.path());
        let mut stack = Self {
            dir,
            up,
            ready: Value::Null,
        };
        stack.await_ready();
        stack
    }

    pub fn data(&self) -> &Path {
        self.dir.path()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.ready["url"].as_str().unwrap())
    }

    /// `run.json`.
    pub fn state(&self) -> Value {
        serde_json::from_slice(&fs::read(self.data().join("run.json")).unwrap()).unwrap()
    }

    pub fn pid(&self, part: &str) -> i32 {
        let state = self.state();
        let pid = state["processes"][part]["pid"].as_i64();
        i32::try_from(pid.unwrap_or_else(|| panic!("no {part} in {state}"))).unwrap()
    }

    pub fn pids(&self) -> Vec<i32> {
        let state = self.state();
        let parts = state["processes"].as_object().unwrap();
        parts.keys().map(|part| self.pid(part)).collect()
    }

    /// Kills the supervisor as the kernel would, and starts another one on the same data.
    pub fn kill_and_start_again(&mut self) {
        self.up.kill().unwrap();
        self.up.wait().unwrap();
        self.up = launch(self.dir.path());
        self.await_ready();
    }

    /// Stops it as Ctrl-C does; returns whether it was content, and what it said.
    pub fn stop(&mut self) -> (bool, String) {
        // Twice, as `timeout` and npm do; it must count as one.
        for _ in 0..2 {
            kill(Pid::from_raw(self.up.id().cast_signed()), Signal::SIGINT).unwrap();
            thread::sleep(Duration::from_millis(20));
        }
        let mut status = None;
        until("up to stop", || {
            status = self.up.try_wait().unwrap();
            status.is_some()
        });
        (status.unwrap().success(), self.said())
    }

    /// All that it wrote on standard error.
    pub fn said(&self) -> String {
        fs::read_to_string(self.data().join("up.stderr")).unwrap()
    }

    fn await_ready(&mut self) {
        let path = self.data().join("up.stdout");
        let begin = Instant::now();
        let line = loop {
            let text = fs::read_to_string(&path).unwrap();
            if text.ends_with('\n') {
                break text;
            }
            let ended = self.up.try_wait().unwrap();
            assert!(
                ended.is_none() && begin.elapsed() < DEADLINE,
                "not ready, {ended:?}:\n{}",
                self.said()
            );
            thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(
            line.lines().count(),
            1,
            "standard output holds one line and nothing else: {line}"
        );
        self.ready = serde_json::from_str(&line).unwrap();
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // After a failed assertion it may still run; its parts end with it.
        let _ = self.up.kill();
        let _ = self.up.wait();
    }
}

fn launch(data: &Path) -> Child {
    // Truncated, because the test looks for the line of this start.
    let stdout = fs::File::create(data.join("up.stdout")).unwrap();
    let stderr = fs::File::options()
        .append(true)
        .create(true)
        .open(data.join("up.stderr"))
        .unwrap();
    command(data, &["--listen", "127.0.0.1:0"])
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .unwrap()
}

/// Whether a process is there and not only waiting to be reaped.
pub fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with(['Z', 'X'])
    })
}

/// Waits for a condition.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < DEADLINE, "waited too long for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
