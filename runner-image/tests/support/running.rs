//! A task while it runs.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use super::{DEADLINE, Done, Log, Task};

/// A task that runs. It is killed when this is dropped.
pub struct Running {
    pub task: Task,
    pub child: Child,
    stdout: BufReader<ChildStdout>,
    pub log: Log,
    started: Instant,
}

impl Running {
    pub(super) fn new(task: Task) -> Self {
        let mut child = task.command().spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self {
            task,
            child,
            stdout,
            log: Log::default(),
            started: Instant::now(),
        }
    }

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
