//! The runner as its own process, with folders of its own.

#![allow(dead_code, reason = "each test program uses another part")]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use codex_tasklog::{End, Frame, FrameHasher, Joined, JoinedBody, Joiner, Stream, parse_wire};
use serde_json::Value;
use tempfile::TempDir;

pub const NONCE: &str = "0123456789abcdef0123456789abcdef";
pub const TOKEN: &str = "token-of-the-task";
pub const DEADLINE: Duration = Duration::from_secs(60);

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
        let mut child = self.command().spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Running {
            task: self,
            child,
            stdout,
            log: Log::default(),
            started: Instant::now(),
        }
    }

    /// Runs it to its end.
    pub fn run(self) -> Done {
        self.start().finish()
    }
}

/// A task that runs. It is killed when this is dropped.
pub struct Running {
    pub task: Task,
    pub child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    pub log: Log,
    started: Instant,
}

/// What has been read so far.
#[derive(Default)]
pub struct Log {
    pub frames: Vec<Frame>,
    pub pieces: Vec<Joined>,
    joiner: Joiner,
    hasher: FrameHasher,
}

impl Running {
    pub fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    /// Reads until this line of text came.
    pub fn wait_for_line(&mut self, wanted: &str) {
        while !self.log.lines().iter().any(|(_, line)| *line == wanted) {
            assert!(
                self.read_frame(),
                "{wanted:?} never came: {:?}",
                self.log.pieces
            );
        }
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
    }

    pub fn close_stdout(&mut self) {
        let empty = Command::new("true").stdout(Stdio::piped()).spawn();
        let mut empty = empty.unwrap();
        self.stdout = BufReader::new(empty.stdout.take().unwrap());
        empty.wait().unwrap();
    }

    pub fn finish(mut self) -> Done {
        while self.read_frame() {}
        let mut stderr = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        let status = self.child.wait().unwrap();
        let log = std::mem::take(&mut self.log);
        Done {
            dir: self.task.repository().parent().unwrap().to_owned(),
            log,
            status,
            stderr,
            took: self.started.elapsed(),
            running: self,
        }
    }

    fn read_frame(&mut self) -> bool {
        assert!(self.started.elapsed() < DEADLINE, "the task takes too long");
        let mut line = Vec::new();
        if self.stdout.read_until(b'\n', &mut line).unwrap() == 0 {
            return false;
        }
        self.log.push(&line);
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Log {
    /// Checks the frame as the operator does.
    fn push(&mut self, line: &[u8]) {
        assert!(line.len() <= codex_tasklog::MAX_FRAME_BYTES);
        let frame = parse_wire(line, NONCE)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(line)));
        let last = self.frames.last().map_or(0, |frame| frame.seq);
        if frame.body == codex_tasklog::Body::Beat {
            assert_eq!(frame.seq, last);
            return;
        }
        assert_eq!(frame.seq, last + 1, "a hole");
        assert!(
            !self.frames.last().is_some_and(Frame::is_end),
            "something after the end"
        );
        if let codex_tasklog::Body::End(end) = &frame.body {
            assert_eq!(end.last, last);
            assert_eq!(end.sha256, std::mem::take(&mut self.hasher).hex());
        } else {
            self.hasher.update(&frame);
        }
        self.pieces.extend(self.joiner.push(&frame));
        self.frames.push(frame);
    }

    pub fn lines(&self) -> Vec<(Stream, &str)> {
        let lines = self.pieces.iter().filter_map(|piece| match &piece.body {
            JoinedBody::Line { stream, text } => Some((*stream, text.as_str())),
            _ => None,
        });
        lines.collect()
    }

    pub fn stdout(&self) -> Vec<&str> {
        self.lines()
            .into_iter()
            .filter(|(stream, _)| *stream == Stream::Stdout)
            .map(|(_, text)| text)
            .collect()
    }

    pub fn stderr(&self) -> Vec<&str> {
        self.lines()
            .into_iter()
            .filter(|(stream, _)| *stream == Stream::Stderr)
            .map(|(_, text)| text)
            .collect()
    }

    pub fn events(&self, kind: &str) -> Vec<Value> {
        let events = self.pieces.iter().filter_map(|piece| match &piece.body {
            JoinedBody::Event { json } => Some(serde_json::from_str::<Value>(json).unwrap()),
            _ => None,
        });
        events.filter(|event| event["type"] == kind).collect()
    }
}

/// A task that has ended.
pub struct Done {
    pub dir: PathBuf,
    pub log: Log,
    pub status: ExitStatus,
    pub stderr: String,
    pub took: Duration,
    pub running: Running,
}

impl Done {
    #[track_caller]
    pub fn end(&self) -> &End {
        match self.log.pieces.last().map(|piece| &piece.body) {
            Some(JoinedBody::End(end)) => end,
            other => panic!(
                "no end frame but {other:?}; status {:?}; stderr {}",
                self.status, self.stderr
            ),
        }
    }

    #[track_caller]
    pub fn assert_exit(&self, code: i32) {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{:?}\n{:?}\n{}",
            self.status.signal(),
            self.log.pieces,
            self.stderr
        );
    }

    #[track_caller]
    pub fn assert_end(&self, exit_code: Option<i32>, reason: Option<&str>) {
        let end = self.end();
        assert_eq!(
            (end.exit_code, end.reason.as_deref()),
            (exit_code, reason),
            "{end:?}\n{:?}",
            self.log.lines()
        );
    }

    /// The patch that the task left.
    #[track_caller]
    pub fn patch(&self) -> Value {
        let mut patches = self.log.events("runner.patch");
        assert_eq!(patches.len(), 1, "{:?}", self.log.pieces);
        patches.remove(0)
    }

    /// Applies the patch to a folder, which then has to be like the workspace.
    pub fn apply_patch(&self, to: &Path) {
        let file = self.dir.join("patch");
        fs::write(&file, self.patch()["patch"].as_str().unwrap()).unwrap();
        git(to, &["apply", file.to_str().unwrap()]);
    }
}

/// Runs git with a configuration of its own.
pub fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Somebody",
            "-c",
            "user.email=somebody@example.org",
            "-c",
            "safe.directory=*",
        ])
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// Whether the tests run as root, and so may become another user.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether a process is there and no zombie.
pub fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

/// Polls until something is true.
#[track_caller]
pub fn wait_until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "it never became true");
        std::thread::sleep(Duration::from_millis(5));
    }
}
