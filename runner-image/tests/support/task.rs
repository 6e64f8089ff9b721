//! A task before its start: its folders, its variables and its repository.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Done, NONCE, Running, TOKEN, git};

/// A task that has not started.
pub struct Task {
    pub dir: TempDir,
    env: Vec<(String, String)>,
    prompt: Vec<u8>,
    user: Option<u32>,
    as_pid_1: bool,
}

impl Task {
    /// A task in an empty folder, whose Codex is a shell that runs the prompt.
    pub fn new(prompt: impl Into<Vec<u8>>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["repository", "workspace", "home", "tmp"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/codex");
        let mut task = Self {
            dir,
            env: Vec::new(),
            prompt: prompt.into(),
            user: None,
            as_pid_1: false,
        };
        let place = |name: &str| task.dir.path().join(name).to_str().unwrap().to_owned();
        let env = [
            ("CODEX_TASK_ID", "t1".to_owned()),
            ("CODEX_TASK_PROMPT_FILE", place("prompt")),
            ("CODEX_TASK_CWD", place("repository")),
            ("CODEX_REPOSITORY_PATH", place("repository")),
            ("CODEX_POD_PROXY_URL", "http://127.0.0.1:1".to_owned()),
            ("CODEX_TASK_TOKEN", TOKEN.to_owned()),
            ("CODEX_FRAME_NONCE", NONCE.to_owned()),
            ("CODEX_BIN", fixture.to_owned()),
            ("CODEX_WORKSPACE", place("workspace")),
            ("CODEX_HOME", place("home")),
            ("TMPDIR", place("tmp")),
            // Most tests have no pod-proxy that takes a record.
            ("CODEX_LOG_BUDGET_BYTES", "1000000000".to_owned()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ];
        task.env = env.map(|(name, value)| (name.to_owned(), value)).into();
        task
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env
            .push((name.to_owned(), value.as_ref().to_str().unwrap().to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// The folder to work in, below the repository.
    pub fn cwd(self, relative: &str) -> Self {
        let cwd = self.repository().join(relative);
        self.env("CODEX_TASK_CWD", cwd)
    }

    pub fn user(mut self, uid: u32) -> Self {
        self.user = Some(uid);
        self
    }

    pub fn with_pid_1(mut self) -> Self {
        self.as_pid_1 = true;
        self
    }

    pub fn repository(&self) -> PathBuf {
        self.dir.path().join("repository")
    }

    pub fn workspace(&self) -> PathBuf {
        self.dir.path().join("workspace")
    }

    pub fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.repository().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs git in the repository, as somebody else would.
    pub fn git(&self, args: &[&str]) -> String {
        git(&self.repository(), args)
    }

    /// Makes the repository a git repository with everything that is in it.
    pub fn commit_all(&self) {
        if !self.repository().join(".git").exists() {
            self.git(&["init", "--quiet", "--initial-branch=trunk"]);
        }
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--message=first"]);
    }

    pub fn command(&self) -> Command {
        fs::write(self.dir.path().join("prompt"), &self.prompt).unwrap();
        let mut program = PathBuf::from(env!("CARGO_BIN_EXE_codex-runner"));
        if let Some(uid) = self.user {
            // The other user may not be able to enter the folder of the build.
            let copy = self.dir.path().join("codex-runner");
            assert!(
                Command::new("cp")
                    .arg(&program)
                    .arg(&copy)
                    .status()
                    .unwrap()
                    .success()
            );
            assert!(
                Command::new("chown")
                    .arg("-R")
                    .arg(uid.to_string())
                    .arg(self.dir.path())
                    .status()
                    .unwrap()
                    .success()
            );
            program = copy;
        }
        let mut command = if self.as_pid_1 {
            let mut command = Command::new("unshare");
            command
                .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        command.env_clear().envs(self.env.iter().cloned());
        if let Some(uid) = self.user {
            command.uid(uid).gid(uid);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn start(self) -> Running {
        Running::new(self)
    }

    /// Runs it to its end.
    pub fn run(self) -> Done {
        self.start().finish()
    }
}
