//! A container that was started, by this node or by one before.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdout};

use crate::node::sandbox::plan::ProcessId;
use crate::node::shim::state::{ContainerDir, Exit, Outcome, Started, StopRequest};

/// How often the folder of an adopted container that has not started yet is looked at. Containers that this node starts
/// report through a pipe.
const ADOPTED_POLL: Duration = Duration::from_millis(20);

/// Follows one run of a container.
#[derive(Debug)]
pub struct ContainerHandle {
    dir: ContainerDir,
    shim: Option<ProcessId>,
    child: Option<Child>,
    news: Option<ChildStdout>,
    told_start: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The container runs.
    Started(Started),
    /// The container ended, or never ran.
    Exited(Exit),
}

/// Stops a container; can be kept apart from its handle.
#[derive(Clone, Debug)]
pub struct Stopper {
    dir: ContainerDir,
    shim: Option<ProcessId>,
}

impl Stopper {
    /// Asks for SIGTERM now and SIGKILL after `grace`. Asking again can only shorten the time.
    ///
    /// # Errors
    /// Fails when the request cannot be written or the shim cannot be signalled.
    pub fn stop(&self, grace: Duration) -> io::Result<()> {
        let Some(shim) = self.shim.clone().or_else(|| self.dir.shim()) else {
            return Ok(());
        };
        self.dir.write_stop(StopRequest {
            grace_millis: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX),
        })?;
        shim.signal(rustix::process::Signal::TERM)
    }
}

impl ContainerHandle {
    pub(super) fn started(dir: ContainerDir, mut child: Child, shim: Option<ProcessId>) -> Self {
        let news = child.stdout.take();
        Self {
            dir,
            shim,
            child: Some(child),
            news,
            told_start: false,
        }
    }

    /// Follows a container that an earlier node started.
    pub fn adopt(dir: ContainerDir) -> Self {
        let shim = dir.shim();
        Self {
            dir,
            shim,
            child: None,
            news: None,
            told_start: false,
        }
    }

    /// Its folder.
    pub fn dir(&self) -> &ContainerDir {
        &self.dir
    }

    /// Something to stop it with.
    pub fn stopper(&self) -> Stopper {
        Stopper {
            dir: self.dir.clone(),
            shim: self.shim.clone(),
        }
    }

    /// Waits for the next change: the start, once, if there is one, then the end.
    ///
    /// # Errors
    /// Fails when the kernel or the disk does; nothing is known about the container then.
    pub async fn next(&mut self) -> io::Result<Progress> {
        if !self.told_start {
            self.told_start = true;
            if let Some(started) = self.wait_for_start().await? {
                return Ok(Progress::Started(started));
            }
        }
        self.wait_for_shim().await?;
        self.conclude().map(Progress::Exited)
    }

    async fn wait_for_start(&mut self) -> io::Result<Option<Started>> {
        let mut news = [0_u8];
        loop {
            if let Some(started) = self.dir.started() {
                return Ok(Some(started));
            }
            match &mut self.news {
                // The end of the pipe is the end of the shim; what it wrote before is on disk.
                Some(pipe) => {
                    if pipe.read(&mut news).await? == 0 {
                        return Ok(self.dir.started());
                    }
                }
                None => {
                    let alive =
                        self.shim.as_ref().is_some_and(ProcessId::is_alive) || self.is_locked()?;
                    if self.dir.exit().is_some() || !alive {
                        return Ok(self.dir.started());
                    }
                    tokio::time::sleep(ADOPTED_POLL).await;
                }
            }
        }
    }

    fn is_locked(&self) -> io::Result<bool> {
        Ok(self.dir.try_lock()?.is_none())
    }

    async fn wait_for_shim(&mut self) -> io::Result<()> {
        if let Some(child) = &mut self.child {
            child.wait().await?;
            return Ok(());
        }
        let shim = self.shim.clone().or_else(|| self.dir.shim());
        if let Some(shim) = shim {
            shim.ended().await?;
        }
        while self.is_locked()? {
            tokio::time::sleep(ADOPTED_POLL).await;
        }
        Ok(())
    }

    /// The result that the shim left, or, when it left none, the one that must be assumed.
    fn conclude(&self) -> io::Result<Exit> {
        if let Some(exit) = self.dir.exit() {
            return Ok(exit);
        }
        // Whoever writes the result holds the lock, so that a shim that comes late sees it and goes away.
        let Some(_lock) = self.dir.try_lock()? else {
            return Err(io::Error::other("the container's shim is still there"));
        };
        if let Some(exit) = self.dir.exit() {
            return Ok(exit);
        }
        let outcome = if self.dir.may_have_run() {
            Outcome::Lost
        } else {
            Outcome::NeverStarted
        };
        let exit = Exit {
            at: Timestamp::now(),
            outcome,
        };
        self.dir.write_exit(&exit)?;
        Ok(exit)
    }
}
