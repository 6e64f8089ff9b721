//! Child processes, and everything that descends from them.
//!
//! As PID 1 the runner inherits every orphan of the Pod, so one place waits for all children; nothing else in this crate may
//! call `wait`. Outside of a PID namespace (in tests, or with a shared one) the runner becomes a child subreaper, which
//! gives it the orphans as well.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{WaitOptions, wait};
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// How long what Codex left behind may take after SIGTERM.
const LEFTOVER_GRACE: Duration = Duration::from_millis(500);
/// How long killed processes may take to disappear. Only one that hangs in the kernel takes longer.
const KILL_LIMIT: Duration = Duration::from_secs(2);
/// How often new descendants are looked for while killing.
const KILL_INTERVAL: Duration = Duration::from_millis(20);

/// Starts children and reaps whatever ends.
#[derive(Clone, Debug)]
pub struct Reaper {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Who waits for which child. Held while a child starts, so that it cannot be reaped before it is known.
    waiting: Mutex<HashMap<i32, oneshot::Sender<ExitStatus>>>,
    reaped: Notify,
}

/// A child with its pipes. Dropping it before its end kills its process group.
#[derive(Debug)]
pub struct Process {
    group: Pid,
    exit: oneshot::Receiver<ExitStatus>,
    ended: bool,
    /// What the child reads, when asked for.
    pub stdin: Option<pipe::Sender>,
    /// What the child writes.
    pub stdout: Option<pipe::Receiver>,
    /// What the child writes to standard error.
    pub stderr: Option<pipe::Receiver>,
}

impl Reaper {
    /// Begins to reap, for as long as the handle lives.
    ///
    /// # Errors
    /// The error of the system when SIGCHLD cannot be listened to or orphans cannot be adopted.
    pub fn start() -> std::io::Result<(Self, AbortOnDropHandle<()>)> {
        if !is_pid_1() {
            nix::sys::prctl::set_child_subreaper(true)?;
        }
        let mut ended = signal(SignalKind::child())?;
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            reaped: Notify::new(),
        });
        let reaper = Self { shared };
        let reaping = reaper.clone();
        let task = tokio::spawn(async move {
            while ended.recv().await.is_some() {
                reaping.reap();
            }
        });
        Ok((reaper, AbortOnDropHandle::new(task)))
    }

    /// Starts a child in a process group of its own, with pipes for its output.
    ///
    /// # Errors
    /// The error of the system, for example that there is no such program.
    pub fn spawn(&self, command: &mut Command) -> std::io::Result<Process> {
        command.process_group(0);
        let mut waiting = self.waiting();
        let mut child = command.spawn()?;
        let pid = i32::try_from(child.id()).expect("process ids are positive i32");
        let (sender, exit) = oneshot::channel();
        waiting.insert(pid, sender);
        drop(waiting);
        let mut process = Process {
            group: Pid::from_raw(pid),
            exit,
            ended: false,
            stdin: None,
            stdout: None,
            stderr: None,
        };
        // From here on an error drops the process, which kills the child.
        if let Some(stdin) = child.stdin.take() {
            process.stdin = Some(pipe::Sender::from_owned_fd(stdin.into())?);
        }
        process.stdout = receiver(child.stdout.take().map(Into::into))?;
        process.stderr = receiver(child.stderr.take().map(Into::into))?;
        Ok(process)
    }

    /// Ends everything that descends from the runner: SIGTERM, half a second, SIGKILL.
    pub async fn end_all(&self) {
        if self.reap() == Children::None {
            return;
        }
        signal_all(Signal::SIGTERM);
        if !self.childless_within(LEFTOVER_GRACE).await {
            self.kill_all().await;
        }
    }

    /// Kills everything that descends from the runner, and what it starts meanwhile.
    pub async fn kill_all(&self) {
        let deadline = Instant::now() + KILL_LIMIT;
        while self.reap() == Children::Some && Instant::now() < deadline {
            signal_all(Signal::SIGKILL);
            self.childless_within(KILL_INTERVAL).await;
        }
    }

    /// Whether no child is left, at the latest after this time. No children means no descendants: orphans become children.
    async fn childless_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let reaped = self.shared.reaped.notified();
            if self.reap() == Children::None {
                return true;
            }
            if tokio::time::timeout_at(deadline, reaped).await.is_err() {
                return self.reap() == Children::None;
            }
        }
    }

    fn reap(&self) -> Children {
        let mut waiting = self.waiting();
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    // An orphan has nobody who waits for it.
                    if let Some(sender) = waiting.remove(&pid.as_raw_nonzero().get()) {
                        let _ = sender.send(ExitStatus::from_raw(status.as_raw()));
                    }
                    self.shared.reaped.notify_waiters();
                }
                Ok(None) => return Children::Some,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Children::None,
            }
        }
    }

    /// A panic elsewhere leaves the map whole, so a poisoned lock is still usable.
    fn waiting(&self) -> MutexGuard<'_, HashMap<i32, oneshot::Sender<ExitStatus>>> {
        self.shared
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Children {
    Some,
    None,
}

impl Process {
    /// How the child ended. Safe to drop and call again.
    pub async fn wait(&mut self) -> ExitStatus {
        let status = (&mut self.exit).await;
        self.ended = true;
        // Only a reaper that is gone loses a status, and then the runner is about to end.
        status.unwrap_or_else(|_| ExitStatus::from_raw(Signal::SIGKILL as i32))
    }

    /// Sends a signal to the child's process group.
    pub fn signal(&self, signal: Signal) {
        if !self.ended {
            let _ = kill(Pid::from_raw(-self.group.as_raw()), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

fn receiver(fd: Option<OwnedFd>) -> std::io::Result<Option<pipe::Receiver>> {
    fd.map(pipe::Receiver::from_owned_fd).transpose()
}

/// Sends a signal to everything but the runner: as PID 1 to the whole namespace at once, otherwise to all descendants.
fn signal_all(signal: Signal) {
    if is_pid_1() {
        let _ = kill(Pid::from_raw(-1), signal);
        return;
    }
    for pid in descendants(std::process::id()) {
        let _ = kill(pid, signal);
    }
}

fn is_pid_1() -> bool {
    std::process::id() == 1
}

/// All descendants of a process that `/proc` shows.
fn descendants(root: u32) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in entries.flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let Some((pid, parent)) = pid.and_then(|pid| Some((pid, parent_of(pid)?))) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![i32::try_from(root).expect("process ids are positive i32")];
    while let Some(pid) = open.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            found.push(Pid::from_raw(child));
            open.push(child);
        }
    }
    found
}

fn parent_of(pid: i32) -> Option<i32> {
    let file = File::open(format!("/proc/{pid}/stat")).ok()?;
    let stat = std::io::read_to_string(file).ok()?;
    // The name of the program stands in parentheses and may hold anything, parentheses too.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}
