//! What a shim leaves on disk. A container directory goes through these states, and each step is one atomic act:
//!
//! | step | on disk afterwards | a crash of the node right after it |
//! |---|---|---|
//! | 1. the node makes the directory | directory | a restarted node takes the lock, writes `exit` (never started) and may try again |
//! | 2. the shim takes the lock | + `lock` held | the shim goes on or ends by itself (no plan on its input: it writes `exit`) |
//! | 3. the shim writes who it is | + `shim.json` | as 2; the node waits for the shim |
//! | 4. the shim says that it is about to start | + `launching` | as 2 |
//! | 5. the container runs | + `started.json` | the node adopts the container |
//! | 6. the container ended | + `exit.json`, lock free | the node reads the result |
//!
//! A shim that finds `exit.json` after taking the lock goes away: the node has given up on it. That, and that only the
//! holder of the lock writes, is why no container is started twice. If the machine or the shim dies between 4 and 6, the
//! lock is free and there is no result: the container may have run, so it counts as failed (`ContainerStatusUnknown`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::fcntl::{Flock, FlockArg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::node::sandbox::plan::ProcessId;

/// Directory of one run of one container.
#[derive(Clone, Debug)]
pub struct ContainerDir {
    path: PathBuf,
}

/// The start of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// When its first process was made.
    pub at: Timestamp,
    /// That process.
    pub process: ProcessId,
}

/// The end of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// When it ended.
    pub at: Timestamp,
    /// Why.
    pub outcome: Outcome,
}

/// Why a container isn't running any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its first process ended; 128 + signal number if by a signal.
    Exited {
        /// Exit code.
        code: i32,
        /// The kernel ended a process of it for lack of memory.
        out_of_memory: bool,
    },
    /// It could not be started.
    CannotRun {
        /// What failed.
        message: String,
    },
    /// The node was restarted before a shim had begun; trying again is safe.
    NeverStarted,
    /// The shim was killed, or the machine restarted.
    Lost,
}

/// A request to stop, which the node writes before it signals the shim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    /// Milliseconds from SIGTERM to SIGKILL, from when the shim reads this.
    pub grace_millis: u64,
}

/// The exclusive right to write into a container directory.
#[derive(Debug)]
pub struct DirLock(#[expect(dead_code, reason = "held for its destructor")] Flock<File>);

impl ContainerDir {
    /// The directory at `path`, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The log file that is being written.
    pub fn log(&self) -> PathBuf {
        self.path.join("0.log")
    }

    /// Messages of the shim itself.
    pub fn shim_log(&self) -> PathBuf {
        self.path.join("shim.log")
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// Fails when the directory cannot be written.
    pub fn try_lock(&self) -> io::Result<Option<DirLock>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.path.join("lock"))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(DirLock(lock))),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => Err(error.into()),
        }
    }

    /// Records who the shim is.
    ///
    /// # Errors
    /// Fails when the directory cannot be written.
    pub fn write_shim(&self, shim: &ProcessId) -> io::Result<()> {
        self.write("shim.json", shim)
    }

    /// The shim, if it got so far.
    pub fn shim(&self) -> Option<ProcessId> {
        self.read("shim.json")
    }

    /// Records that the container is about to be started: from here on it may have run.
    ///
    /// # Errors
    /// Fails when the directory cannot be written.
    pub fn write_launching(&self) -> io::Result<()> {
        self.write("launching", &true)
    }

    /// Whether the container may have run.
    pub fn may_have_run(&self) -> bool {
        self.path.join("launching").exists()
    }

    /// Records the start.
    ///
    /// # Errors
    /// Fails when the directory cannot be written.
    pub fn write_started(&self, started: &Started) -> io::Result<()> {
        self.write("started.json", started)
    }

    /// The start, if there was one.
    pub fn started(&self) -> Option<Started> {
        self.read("started.json")
    }

    /// Records the end.
    ///
    /// # Errors
    /// Fails when the directory cannot be written.
    pub fn write_exit(&self, exit: &Exit) -> io::Result<()> {
        self.write("exit.json", exit)
    }

    /// The end, if it has come.
    pub fn exit(&self) -> Option<Exit> {
        self.read("exit.json")
    }

    /// Records a request to stop.
    ///
    /// # Errors
    /// Fails when the directory cannot be written.
    pub fn write_stop(&self, stop: StopRequest) -> io::Result<()> {
        self.write("stop.json", &stop)
    }

    /// The present request to stop.
    pub fn stop(&self) -> Option<StopRequest> {
        self.read("stop.json")
    }

    fn write(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        write_atomically(&self.path.join(name), &serde_json::to_vec(value)?)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let bytes = fs::read(self.path.join(name)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// Writes a file (mode 0600) so that readers see all of it or nothing.
///
/// # Errors
/// Fails when the folder cannot be written.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(content)?;
    drop(file);
    fs::rename(&temporary, path)
}
