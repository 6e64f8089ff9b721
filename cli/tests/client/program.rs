//! The program, run against a gateway.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::gateway::{Gateway, TOKEN};

/// Longer than any of these commands takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A user with a home of their own.
pub struct User {
    pub home: TempDir,
    environment: Vec<(&'static str, String)>,
}

/// What a command printed.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A command under way.
pub struct Running {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl User {
    /// Somebody who has not logged in.
    pub fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        }
    }

    /// Somebody whose environment holds a token.
    pub fn of(gateway: &Gateway) -> Self {
        let environment = vec![
            ("CODEX_REMOTE_URL", gateway.url()),
            ("CODEX_REMOTE_TOKEN", TOKEN.to_owned()),
        ];
        Self {
            environment,
            ..Self::new()
        }
    }

    pub fn config(&self) -> &Path {
        self.home.path()
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.spawn(arguments, Stdio::piped());
        let mut stdin = child.stdin.take().unwrap();
        // A command that ends before it reads leaves a broken pipe.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(DEADLINE, child.wait_with_output())
            .await
            .unwrap()
            .unwrap();
        Output {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self.spawn(arguments, Stdio::null());
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, stdout }
    }

    fn spawn(&self, arguments: &[&str], stdin: Stdio) -> Child {
        Command::new(env!("CARGO_BIN_EXE_codex-remote"))
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", self.home.path())
            .envs(self.environment.iter().cloned())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }
}

impl Output {
    /// The lines of standard output as JSON.
    pub fn events(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{self:#?}");
    }
}

impl Running {
    /// Waits for a line of standard output that holds this.
    pub async fn wait_for(&mut self, text: &str) {
        let search = async {
            while let Some(line) = self.stdout.next_line().await.unwrap() {
                if line.contains(text) {
                    return;
                }
            }
            panic!("the output ended without {text:?}");
        };
        tokio::time::timeout(DEADLINE, search).await.unwrap();
    }

    pub fn interrupt(&self) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGINT,
        )
        .unwrap();
    }

    pub async fn end(mut self) -> Output {
        let rest = async {
            let (mut stdout, mut stderr) = (String::new(), String::new());
            while let Some(line) = self.stdout.next_line().await.unwrap() {
                stdout.push_str(&line);
                stdout.push('\n');
            }
            self.child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut stderr)
                .await
                .unwrap();
            let code = self.child.wait().await.unwrap().code();
            Output {
                code,
                stdout,
                stderr,
            }
        };
        tokio::time::timeout(DEADLINE, rest).await.unwrap()
    }
}
