//! Git, without anything that a repository could make it run.
//!
//! The environment of every call is made from nothing: no credential is in it, no configuration of the machine or a user
//! applies, nothing is asked for and no hook, filter, pager, external diff or file system monitor of a repository runs. That the
//! repository belongs to somebody else is expected (the volume is the administrator's), so the ownership check is off.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe::Receiver;

use crate::process::Reaper;

/// How much of git's complaints is kept, in bytes.
const MAX_COMPLAINT: u64 = 4096;

/// What holds for every call. Nothing has to survive the node, so nothing waits for the disk; and only a large checkout is
/// worth more than one process.
const CONFIGURATION: &str = "\
[safe]
\tdirectory = *
[core]
\thooksPath = /dev/null
\tfsmonitor = false
\tattributesFile = /dev/null
\texcludesFile = /dev/null
\tpager = cat
\teditor = false
\taskPass =
[credential]
\thelper =
[diff]
\tignoreSubmodules = dirty
[gc]
\tauto = 0
[maintenance]
\tauto = false
[submodule]
\trecurse = false
[checkout]
\tworkers = 0
[advice]
\taddEmbeddedRepo = false
\tdetachedHead = false
";

/// Runs git.
#[derive(Debug)]
pub struct Git {
    reaper: Reaper,
    path: OsString,
    /// Holds the configuration.
    home: TempDir,
}

/// Why git did not do it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no git, or the system refuses to start it.
    #[error("cannot run git: {0}; the runner image has to hold it")]
    Start(#[source] std::io::Error),
    /// Git ended with an error.
    #[error("git {name} failed ({status}): {complaint}")]
    Failed {
        /// The subcommand.
        name: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to standard error.
        complaint: String,
    },
}

impl Git {
    /// Keeps its configuration in a new folder below `temporary`, which goes when this is dropped.
    ///
    /// # Errors
    /// The error of the system when the folder cannot be written.
    pub fn new(reaper: Reaper, path: &OsStr, temporary: &Path) -> std::io::Result<Self> {
        let home = tempfile::Builder::new()
            .prefix("runner-git-")
            .tempdir_in(temporary)?;
        let mut file = std::fs::File::create_new(home.path().join("config"))?;
        file.write_all(CONFIGURATION.as_bytes())?;
        Ok(Self {
            reaper,
            path: path.to_owned(),
            home,
        })
    }

    /// A folder for whatever the calls need; it goes when this is dropped.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A git command that works in `folder`. Repositories are only looked for in that folder itself, never in one above.
    #[must_use]
    pub fn call(&self, folder: &Path, name: &'static str) -> Call {
        let mut command = Command::new("git");
        command
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", self.home.path())
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", self.home.path().join("config"))
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap_or(folder))
            // What a repository must not override stands here again: the command line wins over its configuration.
            .args(["-c", "core.hooksPath=/dev/null"])
            .args(["-c", "core.fsmonitor=false"])
            .args(["-c", "core.attributesFile=/dev/null"])
            .args(["-c", "credential.helper="])
            .arg(name)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Call {
            command,
            name,
            input: Vec::new(),
        }
    }

    /// Runs a command to its end and answers with its output, without the last line end. Dropping the future kills it.
    ///
    /// # Errors
    /// [`GitError`] also when it ends with an exit code that is not 0.
    pub async fn run(&self, call: Call) -> Result<Vec<u8>, GitError> {
        let name = call.name;
        let ended = self.finish(call).await?;
        if !ended.status.success() {
            return Err(ended.into_error(name));
        }
        Ok(ended.into_output())
    }

    /// Runs a command whose exit code says yes (0, then with its output) or no (1).
    ///
    /// # Errors
    /// [`GitError`] for any other end.
    pub async fn ask(&self, call: Call) -> Result<Option<Vec<u8>>, GitError> {
        let name = call.name;
        let ended = self.finish(call).await?;
        match ended.status.code() {
            Some(0) => Ok(Some(ended.into_output())),
            Some(1) => Ok(None),
            _ => Err(ended.into_error(name)),
        }
    }

    /// Runs a command and keeps at most `limit` bytes of its output. When there is more, it is killed, and the second
    /// value is true.
    ///
    /// # Errors
    /// As [`Git::run`].
    pub async fn run_limited(&self, call: Call, limit: u64) -> Result<(Vec<u8>, bool), GitError> {
        let Call {
            mut command, name, ..
        } = call;
        let mut process = self.reaper.spawn(&mut command).map_err(GitError::Start)?;
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        let mut output = Vec::new();
        let read = async {
            let Some(mut stdout) = stdout else {
                return false;
            };
            let _ = (&mut stdout).take(limit).read_to_end(&mut output).await;
            let is_more = stdout.read_u8().await.is_ok();
            if is_more {
                process.signal(Signal::SIGKILL);
            }
            is_more
        };
        let (is_more, complaint) = tokio::join!(read, complaint(stderr));
        let status = process.wait().await;
        if !is_more && !status.success() {
            return Err(Ended {
                status,
                output,
                complaint,
            }
            .into_error(name));
        }
        Ok((output, is_more))
    }

    async fn finish(&self, call: Call) -> Result<Ended, GitError> {
        let Call {
            mut command, input, ..
        } = call;
        if !input.is_empty() {
            command.stdin(Stdio::piped());
        }
        let mut process = self.reaper.spawn(&mut command).map_err(GitError::Start)?;
        let (stdin, stdout, stderr) = (
            process.stdin.take(),
            process.stdout.take(),
            process.stderr.take(),
        );
        let write = async {
            if let Some(mut stdin) = stdin {
                // Whoever stops reading says why on standard error.
                let _ = stdin.write_all(&input).await;
            }
        };
        let read = async {
            let mut output = Vec::new();
            if let Some(mut stdout) = stdout {
                let _ = stdout.read_to_end(&mut output).await;
            }
            output
        };
        let ((), output, complaint) = tokio::join!(write, read, complaint(stderr));
        Ok(Ended {
            status: process.wait().await,
            output,
            complaint,
        })
    }
}

/// One run of git, to be.
#[derive(Debug)]
pub struct Call {
    command: Command,
    name: &'static str,
    input: Vec<u8>,
}

impl Call {
    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it something to read on its standard input.
    #[must_use]
    pub fn input(mut self, input: Vec<u8>) -> Self {
        self.input = input;
        self
    }
}

struct Ended {
    status: ExitStatus,
    output: Vec<u8>,
    complaint: String,
}

impl Ended {
    fn into_output(mut self) -> Vec<u8> {
        if self.output.last() == Some(&b'\n') {
            self.output.pop();
        }
        self.output
    }

    fn into_error(self, name: &'static str) -> GitError {
        GitError::Failed {
            name,
            status: self.status,
            complaint: self.complaint.trim().to_owned(),
        }
    }
}

/// Reads standard error to its end and keeps the beginning, where git says what is wrong.
async fn complaint(stderr: Option<Receiver>) -> String {
    let mut kept = Vec::new();
    if let Some(mut stderr) = stderr {
        let _ = (&mut stderr)
            .take(MAX_COMPLAINT)
            .read_to_end(&mut kept)
            .await;
        let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&kept).into_owned()
}
