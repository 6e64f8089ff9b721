//! One child process: how it is started, when it is ready, how it ends.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::{
        prctl,
        signal::{Signal, kill, killpg},
    },
    unistd::{Pid, getppid},
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::Instant,
};

use super::account::Account;

/// How often a file is looked at that says when PostgreSQL is ready.
const POLL: Duration = Duration::from_millis(10);

/// How to run a part of the installation.
#[derive(Debug, Clone)]
pub struct ProcessSpec {
    /// The short name: of its log, in `run.json`.
    pub name: &'static str,
    /// What people read.
    pub title: &'static str,
    /// The program.
    pub program: PathBuf,
    /// Its arguments, without those for addresses.
    pub args: Vec<OsString>,
    /// Its whole environment, but for addresses. No secrets: those are in files.
    pub env: Vec<(&'static str, OsString)>,
    /// Where it listens.
    pub listens: Vec<Listen>,
    /// The user it runs as, when that is not ours.
    pub account: Option<Account>,
    /// How it says that it is ready.
    pub readiness: Readiness,
    /// How long that may take.
    pub ready_timeout: Duration,
    /// What asks it to stop.
    pub stop_signal: Signal,
    /// How long stopping may take before it is killed.
    pub stop_timeout: Duration,
}

/// An address that a process listens on.
#[derive(Debug, Clone)]
pub struct Listen {
    /// How the process is told.
    pub via: Via,
    /// The address; port 0 until the first ready line has named one.
    pub address: SocketAddr,
    /// The field of the ready line with the resulting URL.
    pub field: &'static str,
}

/// The way of a setting to a process.
#[derive(Debug, Clone, Copy)]
pub enum Via {
    /// An environment variable.
    Env(&'static str),
    /// An option.
    Option(&'static str),
}

/// How a process says that it is ready.
#[derive(Debug, Clone)]
pub enum Readiness {
    /// A line of JSON with `"ready": true` on its standard output.
    Line,
    /// PostgreSQL's `postmaster.pid`, whose eighth line becomes `ready`. It is what `pg_ctl` looks at.
    Postmaster(PathBuf),
}

/// A process that was started.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Its id, also of its process group.
    pub pid: u32,
    output: Option<Lines<BufReader<ChildStdout>>>,
}

impl Process {
    /// Starts a process in a process group of its own, with nothing of our environment, its standard error in `log`.
    ///
    /// # Errors
    /// When the log cannot be opened or the program not be started.
    pub fn spawn(spec: &ProcessSpec, log: &Path) -> io::Result<Self> {
        let log = append_to(log)?;
        let mut command = Command::new(&spec.program);
        command
            .args(&spec.args)
            .env_clear()
            .envs(spec.env.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .process_group(0);
        for listen in &spec.listens {
            match listen.via {
                Via::Env(name) => command.env(name, listen.address.to_string()),
                Via::Option(name) => command.arg(name).arg(listen.address.to_string()),
            };
        }
        match spec.readiness {
            Readiness::Line => command.stdout(Stdio::piped()),
            Readiness::Postmaster(_) => command.stdout(log),
        };
        if let Some(account) = &spec.account {
            command.uid(account.uid).gid(account.gid);
        }
        end_with_parent(&mut command, spec.stop_signal);
        let mut child = command.spawn()?;
        let pid = child
            .id()
            .ok_or_else(|| io::Error::other("it ended at once"))?;
        let output = child
            .stdout
            .take()
            .map(|stdout| BufReader::new(stdout).lines());
        Ok(Self { child, pid, output })
    }

    /// Waits until the process is ready and returns what it says of itself.
    ///
    /// # Errors
    /// A sentence: it ended, or took too long.
    pub async fn ready(&mut self, spec: &ProcessSpec) -> Result<Value, String> {
        let deadline = Instant::now() + spec.ready_timeout;
        let late = tokio::time::sleep_until(deadline);
        let pid = self.pid;
        let Self { child, output, .. } = self;
        let announced = async {
            match &spec.readiness {
                Readiness::Line => ready_line(output).await,
                Readiness::Postmaster(file) => postmaster_ready(file, pid).await,
            }
        };
        tokio::select! {
            value = announced => Ok(value),
            status = child.wait() => Err(match status {
                Ok(status) => format!("it ended ({})", describe(status)),
                Err(error) => format!("it cannot be waited for: {error}"),
            }),
            () = late => Err(format!("it was not ready after {} s", spec.ready_timeout.as_secs())),
        }
    }

    /// Waits until the process has ended; what it still prints is dropped, so that it never blocks on a full pipe.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        loop {
            let Some(lines) = &mut self.output else {
                return self.child.wait().await;
            };
            tokio::select! {
                status = self.child.wait() => return status,
                line = lines.next_line() => if !matches!(line, Ok(Some(_))) {
                    self.output = None;
                }
            }
        }
    }

    /// Asks the process to stop. One that is gone already is no error.
    pub fn signal(&self, signal: Signal) {
        // Not reaped yet, so the id cannot belong to somebody else; the only error is that it has just ended.
        let _ = kill(Pid::from_raw(self.pid.cast_signed()), signal);
    }

    /// Ends the process and everything in its group at once.
    pub fn kill(&self) {
        let _ = killpg(Pid::from_raw(self.pid.cast_signed()), Signal::SIGKILL);
    }
}

/// Reads lines until one is the ready line. Never returns when there is none: the caller watches for the end of the process.
async fn ready_line(output: &mut Option<Lines<BufReader<ChildStdout>>>) -> Value {
    if let Some(lines) = output {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Ok(value) = serde_json::from_str::<Value>(&line)
                && value["ready"] == true
            {
                return value;
            }
        }
    }
    std::future::pending().await
}

async fn postmaster_ready(file: &Path, pid: u32) -> Value {
    loop {
        if let Ok(text) = tokio::fs::read_to_string(file).await {
            let mut lines = text.lines();
            let owner = lines.next().map(str::trim);
            if owner == Some(pid.to_string().as_str())
                && lines.nth(6).map(str::trim) == Some("ready")
            {
                return serde_json::json!({"ready": true});
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What became of a process, for people.
#[must_use]
pub fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => Signal::try_from(number).map_or_else(
            |_| format!("signal {number}"),
            |signal| signal.as_str().to_owned(),
        ),
        (None, None) => "for an unknown reason".to_owned(),
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Lets the kernel send `signal` to the process when this one ends, also by `kill -9`: nothing is left behind that nobody supervises.
///
/// The kernel looks at the *thread* that forked, so this must be called from the main thread; `main` runs nothing else.
pub fn end_with_parent(command: &mut Command, signal: Signal) {
    let parent = Pid::this();
    let prepare = move || {
        prctl::set_pdeathsig(signal)?;
        // The parent may have ended before the line above.
        if getppid() != parent {
            return Err(io::Error::other("the supervisor has ended"));
        }
        Ok(())
    };
    #[expect(
        unsafe_code,
        reason = "between fork and exec: two system calls, no allocation and no lock"
    )]
    // SAFETY: the closure only makes system calls that are async-signal-safe.
    unsafe {
        command.pre_exec(prepare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> ProcessSpec {
        ProcessSpec {
            name: "test",
            title: "test",
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![("GIVEN", "value".into())],
            listens: vec![Listen {
                via: Via::Env("LISTEN"),
                address: ([127, 0, 0, 1], 7).into(),
                field: "url",
            }],
            account: None,
            readiness: Readiness::Line,
            ready_timeout: Duration::from_secs(20),
            stop_signal: Signal::SIGTERM,
            stop_timeout: Duration::from_secs(5),
        }
    }

    #[tokio::test]
    async fn a_process_gets_its_own_environment_only_and_its_ready_line_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let spec = shell(
            r#"env | grep -v -e '^PWD=' -e '^SHLVL=' -e '^_=' | sort >&2; echo noise; echo '{"ready":true,"url":"http://127.0.0.1:9"}'; cat /dev/zero"#,
        );
        let mut process = Process::spawn(&spec, &log).unwrap();
        assert_eq!(
            process.ready(&spec).await.unwrap()["url"],
            "http://127.0.0.1:9"
        );
        assert_eq!(
            std::fs::read_to_string(&log).unwrap(),
            "GIVEN=value\nLISTEN=127.0.0.1:7\n"
        );
        process.kill();
        let status = process.ended().await.unwrap();
        assert_eq!(describe(status), "SIGKILL");
    }

    #[tokio::test]
    async fn a_process_that_ends_early_or_takes_too_long_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let spec = shell("exit 3");
        let mut process = Process::spawn(&spec, &log).unwrap();
        assert_eq!(
            process.ready(&spec).await.unwrap_err(),
            "it ended (exit code 3)"
        );

        let mut spec = shell("exec sleep 100");
        spec.ready_timeout = Duration::ZERO;
        let mut process = Process::spawn(&spec, &log).unwrap();
        assert_eq!(
            process.ready(&spec).await.unwrap_err(),
            "it was not ready after 0 s"
        );
        process.kill();
        process.ended().await.unwrap();
    }
}
