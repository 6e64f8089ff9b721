//! `shim container`: runs one container to its end.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::child::{self, Launched};
use super::lifeline::Lifeline;
use super::log_writer::{LogWriter, Stream};
use super::pump::copy;
use super::state::{ContainerDir, Exit, Outcome, Started};
use crate::node::sandbox::bwrap::MESSAGE_PREFIX;
use crate::node::sandbox::plan::{Confinement, ContainerPlan, ProcessId};
use crate::node::sandbox::process;

pub(super) fn run(dir: PathBuf) -> io::Result<()> {
    let dir = ContainerDir::new(dir);
    let Some(_lock) = dir.try_lock()? else {
        return Err(io::Error::other("another process has the container's lock"));
    };
    if dir.exit().is_some() {
        return Err(io::Error::other("the node has given up on this start"));
    }
    dir.write_shim(&ProcessId::own()?)?;
    let outcome = match super::read_plan::<ContainerPlan>() {
        Ok(plan) => match hold_network(&plan) {
            Ok(_lifeline) => run_plan(&dir, &plan),
            Err(error) => {
                eprintln!("shim: {error}");
                Outcome::NeverStarted
            }
        },
        Err(error) => {
            eprintln!("shim: {error}");
            Outcome::NeverStarted
        }
    };
    dir.write_exit(&Exit {
        at: Timestamp::now(),
        outcome,
    })?;
    notify();
    Ok(())
}

/// Keeps the Pod's network as long as the container runs. Without one that lives nothing has happened yet: the node died before
/// this process got here, the network ended for want of anybody who needs it, and the next node makes another.
fn hold_network(plan: &ContainerPlan) -> io::Result<Option<Lifeline>> {
    let Confinement::Bubblewrap { namespaces, .. } = &plan.confinement else {
        return Ok(None);
    };
    let Some(path) = &namespaces.lifeline else {
        return Ok(None);
    };
    match Lifeline::hold(path)? {
        Some(held) if namespaces.process.is_alive() => Ok(Some(held)),
        _ => Err(io::Error::other("the Pod's network has ended")),
    }
}

/// Tells the node that there is news in the directory. The node may be gone, which doesn't matter.
fn notify() {
    let mut out = io::stdout().lock();
    let _ = out.write_all(b"\n").and_then(|()| out.flush());
}

fn run_plan(dir: &ContainerDir, plan: &ContainerPlan) -> Outcome {
    let result = Container::start(dir, plan).and_then(Container::supervise);
    for group in &plan.cgroup.groups {
        // A group that still has a process (it takes the kernel a moment) is removed with the Pod.
        let _ = std::fs::remove_dir(&group.path);
    }
    result.unwrap_or_else(|error| Outcome::CannotRun {
        message: error.to_string(),
    })
}

/// A container while it runs.
pub(super) struct Container<'a> {
    pub(super) dir: &'a ContainerDir,
    pub(super) plan: &'a ContainerPlan,
    pub(super) launched: Launched,
    pub(super) signals: SignalFd,
    pub(super) log: LogWriter,
    pub(super) stdout: Option<File>,
    pub(super) stderr: Option<File>,
    pub(super) status: Option<BufReader<File>>,
    /// The container's first process, once it is known.
    pub(super) init: Option<ProcessId>,
    pub(super) reported_code: Option<i32>,
    pub(super) first_error: Vec<u8>,
    pub(super) out_of_memory: bool,
    pub(super) terminated: bool,
    pub(super) kill_at: Option<Instant>,
}

impl<'a> Container<'a> {
    fn start(dir: &'a ContainerDir, plan: &'a ContainerPlan) -> io::Result<Self> {
        for group in &plan.cgroup.groups {
            group.create()?;
        }
        let log = LogWriter::open(plan.log.clone())?;
        // Blocked before the fork, so that no signal falls between; the child unblocks them.
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.add(Signal::SIGTERM);
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        dir.write_launching()?;
        let mut launched = child::launch(plan, &dir.path().join("files"))?;
        let stdout = launched
            .child
            .stdout
            .take()
            .map(|pipe| File::from(std::os::fd::OwnedFd::from(pipe)));
        let stderr = launched
            .child
            .stderr
            .take()
            .map(|pipe| File::from(std::os::fd::OwnedFd::from(pipe)));
        let status = launched.status.take().map(BufReader::new);
        let mut container = Self {
            dir,
            plan,
            launched,
            signals,
            log,
            stdout,
            stderr,
            status,
            init: None,
            reported_code: None,
            first_error: Vec::new(),
            out_of_memory: false,
            terminated: false,
            kill_at: None,
        };
        if container.status.is_none() {
            let pid = container.launched.child.id().cast_signed();
            container.record_start(pid)?;
        }
        Ok(container)
    }

    /// Serves the container until it ends.
    fn supervise(mut self) -> io::Result<Outcome> {
        let mut buffer = vec![0_u8; 64 * 1024];
        let status = loop {
            let ready = self.wait()?;
            if ready.status {
                self.read_status()?;
            }
            if ready.stdout {
                copy(&mut self.stdout, Stream::Stdout, &mut self.log, &mut buffer);
            }
            if ready.stderr {
                self.copy_stderr(&mut buffer);
            }
            if ready.signal {
                while self
                    .signals
                    .read_signal()?
                    .is_some_and(|signal| self.take_signal(signal.ssi_signo))
                {}
                if let Some(status) = self.launched.child.try_wait()? {
                    break status;
                }
            }
            self.check_memory();
            self.check_folder();
            if self.kill_at.is_some_and(|at| at <= Instant::now()) {
                self.kill();
                self.kill_at = None;
            }
        };
        self.drain(&mut buffer)?;
        if let Err(error) = self.log.finish() {
            eprintln!("shim: cannot write the log: {error}");
        }
        Ok(self.outcome(status))
    }

    /// Always true, so that it can end a loop over signals.
    fn take_signal(&mut self, number: u32) -> bool {
        if number == Signal::SIGTERM as u32 {
            let grace = self
                .dir
                .stop()
                .map_or(self.plan.grace_seconds * 1000, |stop| stop.grace_millis);
            let kill_at = Instant::now() + Duration::from_millis(grace);
            // Only ever earlier: a second request with a longer time doesn't prolong the first.
            self.kill_at = Some(self.kill_at.map_or(kill_at, |earlier| earlier.min(kill_at)));
            if !self.terminated {
                self.terminated = true;
                self.signal_init(rustix::process::Signal::TERM);
            }
        }
        true
    }

    fn signal_init(&self, signal: rustix::process::Signal) {
        if let Some(Err(error)) = self.init.as_ref().map(|init| init.signal(signal)) {
            eprintln!("shim: cannot signal the container: {error}");
        }
    }

    fn kill(&mut self) {
        self.signal_init(rustix::process::Signal::KILL);
        if self.init.is_none() {
            // It is still being set up; its children die with it.
            let _ = self.launched.child.kill();
        }
    }

    /// Reads one report of bubblewrap; several may be waiting in the buffer.
    pub(super) fn read_status(&mut self) -> io::Result<()> {
        let Some(mut status) = self.status.take() else {
            return Ok(());
        };
        let mut line = String::new();
        loop {
            line.clear();
            if status.read_line(&mut line)? == 0 {
                return Ok(());
            }
            self.take_report(&line)?;
            if status.buffer().is_empty() {
                break;
            }
        }
        self.status = Some(status);
        Ok(())
    }

    fn take_report(&mut self, line: &str) -> io::Result<()> {
        let report: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        let number = |name: &str| {
            report
                .get(name)
                .and_then(serde_json::Value::as_i64)
                .and_then(|number| i32::try_from(number).ok())
        };
        if let Some(pid) = number("child-pid") {
            self.record_start(pid)?;
        }
        if let Some(code) = number("exit-code") {
            self.reported_code = Some(code);
        }
        Ok(())
    }

    fn record_start(&mut self, pid: i32) -> io::Result<()> {
        let own = self.launched.child.id().cast_signed();
        if let Ok(init) = ProcessId::of(pid) {
            // bubblewrap may have reaped it already, and the number may belong to somebody else.
            if pid == own || process::parent(pid).is_ok_and(|parent| parent == own) {
                if let (Some(limit), Some(pid)) =
                    (self.plan.cgroup.process_limit, Pid::from_raw(pid))
                {
                    prlimit(
                        Some(pid),
                        Resource::Nproc,
                        Rlimit {
                            current: Some(limit),
                            maximum: Some(limit),
                        },
                    )?;
                }
                self.dir.write_started(&Started {
                    at: Timestamp::now(),
                    process: init.clone(),
                })?;
                self.init = Some(init);
                notify();
                if self.terminated {
                    self.signal_init(rustix::process::Signal::TERM);
                }
            }
        }
        if let Some(mut block) = self.launched.block.take() {
            block.write_all(b"\n")?;
        }
        Ok(())
    }

    /// With version 1 of control groups, the kernel kills the largest process and leaves the rest of the container in an
    /// undefined state. Kubernetes treats a container as one (`memory.oom.group` in version 2), so the rest follows.
    pub(super) fn check_memory(&mut self) {
        if !self.out_of_memory
            && self
                .plan
                .cgroup
                .groups
                .iter()
                .any(|group| group.oom_kills() > 0)
        {
            self.out_of_memory = true;
            self.kill();
        }
    }

    /// A container whose folder is gone can be adopted by nobody, and nobody could read how it ended.
    fn check_folder(&mut self) {
        if self.kill_at.is_none() && matches!(self.dir.path().try_exists(), Ok(false)) {
            eprintln!("shim: the container's folder was removed");
            self.kill();
        }
    }

    fn outcome(&self, status: ExitStatus) -> Outcome {
        let code = self
            .reported_code
            .or_else(|| status.code())
            .or_else(|| status.signal().map(|signal| 128 + signal))
            .unwrap_or(255);
        let error = String::from_utf8_lossy(&self.first_error);
        if let Some(message) = error.strip_prefix(MESSAGE_PREFIX).filter(|_| code == 1) {
            // bubblewrap could not make the container or execute its command, and says why. A container that prints
            // these words itself and exits with 1 only misreports itself.
            return Outcome::CannotRun {
                message: message.lines().next().unwrap_or_default().to_owned(),
            };
        }
        Outcome::Exited {
            code: if self.out_of_memory { 137 } else { code },
            out_of_memory: self.out_of_memory,
        }
    }
}
