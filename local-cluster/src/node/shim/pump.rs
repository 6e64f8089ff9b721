//! Waiting for a container's pipes and signals, and moving its output into the log.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::container::Container;
use super::log_writer::{LogWriter, Stream};

/// How long output is still read after the container's last process has ended.
const DRAIN: Duration = Duration::from_secs(2);
/// How often the kernel's count of out-of-memory kills is looked at, where a group cannot be told to die as one.
const OOM_CHECK: Duration = Duration::from_millis(200);

/// How often it is looked whether the container's folder is still there. Waiting for that would take one of the user's few
/// inotify instances for each container.
const FOLDER_CHECK: Duration = Duration::from_secs(5);

impl Container<'_> {
    pub(super) fn wait(&self) -> io::Result<Ready> {
        let watched = [
            Some(self.signals.as_fd()),
            self.stdout.as_ref().map(AsFd::as_fd),
            self.stderr.as_ref().map(AsFd::as_fd),
            self.status.as_ref().map(|status| status.get_ref().as_fd()),
        ];
        let mut set: Vec<PollFd<'_>> = watched
            .iter()
            .flatten()
            .map(|fd: &BorrowedFd<'_>| PollFd::new(*fd, PollFlags::POLLIN))
            .collect();
        match poll(&mut set, self.timeout()) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut answers = set
            .iter()
            .map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
        let mut ready = watched
            .map(|fd| fd.is_some() && answers.next().unwrap_or(false))
            .into_iter();
        let mut next = || ready.next().unwrap_or(false);
        Ok(Ready {
            signal: next(),
            stdout: next(),
            stderr: next(),
            status: next(),
        })
    }

    pub(super) fn timeout(&self) -> PollTimeout {
        let kill = self
            .kill_at
            .map(|at| at.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
        let memory = (self
            .plan
            .cgroup
            .groups
            .iter()
            .any(|group| group.oom_events.is_some())
            && !self.out_of_memory)
            .then_some(OOM_CHECK);
        let time = kill.into_iter().chain(memory).min();
        let time = time.map_or(FOLDER_CHECK, |time| time.min(FOLDER_CHECK));
        PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX)
    }

    pub(super) fn copy_stderr(&mut self, buffer: &mut [u8]) {
        let Some(pipe) = &mut self.stderr else { return };
        match pipe.read(buffer) {
            Ok(0) => self.stderr = None,
            Ok(length) => {
                let bytes = &buffer[..length];
                if self.first_error.len() < 1024 {
                    self.first_error
                        .extend_from_slice(bytes.get(..1024).unwrap_or(bytes));
                }
                report_disk(self.log.write(Stream::Stderr, bytes));
            }
            Err(error) => report_disk(Err(error)),
        }
    }

    pub(super) fn drain(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let until = Instant::now() + DRAIN;
        if self.status.is_some() {
            self.read_status()?;
        }
        while (self.stdout.is_some() || self.stderr.is_some()) && Instant::now() < until {
            let mut set: Vec<PollFd<'_>> = [&self.stdout, &self.stderr]
                .into_iter()
                .flatten()
                .map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN))
                .collect();
            if poll(
                &mut set,
                PollTimeout::try_from(DRAIN).unwrap_or(PollTimeout::MAX),
            )? == 0
            {
                break;
            }
            let mut answers = set
                .iter()
                .map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
            let stdout = self.stdout.is_some() && answers.next().unwrap_or(false);
            let stderr = self.stderr.is_some() && answers.next().unwrap_or(false);
            if stdout {
                copy(&mut self.stdout, Stream::Stdout, &mut self.log, buffer);
            }
            if stderr {
                self.copy_stderr(buffer);
            }
        }
        self.check_memory();
        Ok(())
    }
}

/// What can be read without waiting.
pub(super) struct Ready {
    pub(super) signal: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) status: bool,
}

/// Moves what is there from a pipe into the log.
pub(super) fn copy(
    pipe: &mut Option<File>,
    stream: Stream,
    log: &mut LogWriter,
    buffer: &mut [u8],
) {
    let Some(file) = pipe else { return };
    match file.read(buffer) {
        Ok(0) => *pipe = None,
        Ok(length) => report_disk(log.write(stream, &buffer[..length])),
        Err(error) => report_disk(Err(error)),
    }
}

/// A full disk must not stop the container's output from being read, or the container would hang.
pub(super) fn report_disk(result: io::Result<()>) {
    if let Err(error) = result {
        eprintln!("shim: lost output of the container: {error}");
    }
}
