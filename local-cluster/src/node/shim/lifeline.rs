//! Who still needs the network of a Pod.
//!
//! The node and the shim of each container hold the lifeline, a lock that can be shared, of the Pod that they work for. The
//! process that keeps the network waits until it has the lock for itself: then the node is gone, however it ended, and no
//! container runs that could go on without it, so the process ends too. A node that comes later makes a new network for what is
//! left to start. The kernel gives locks back when a process ends, so nobody has to clean up after a crash.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// The network process does not end by itself while this exists.
#[derive(Debug)]
pub struct Lifeline(#[expect(dead_code, reason = "held for its destructor")] Flock<File>);

impl Lifeline {
    /// Its path, below the folder of the network process.
    pub fn path(network: &Path) -> PathBuf {
        network.join("lifeline")
    }

    /// Holds on to the network, or answers `None` when its process is about to end.
    ///
    /// # Errors
    /// Fails when the file cannot be opened, for example because the Pod's folder is gone.
    pub fn hold(path: &Path) -> io::Result<Option<Self>> {
        match Flock::lock(open(path)?, FlockArg::LockSharedNonblock) {
            Ok(lock) => Ok(Some(Self(lock))),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => Err(error.into()),
        }
    }
}

/// The end of a lifeline that nobody holds any more.
pub(super) struct End(File);

impl End {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        open(path).map(Self)
    }

    /// Blocks the thread until nobody needs the network. From then on nobody can hold on to it.
    pub(super) fn wait(self) -> io::Result<Flock<File>> {
        let mut file = self.0;
        loop {
            match Flock::lock(file, FlockArg::LockExclusive) {
                Ok(lock) => return Ok(lock),
                Err((same, Errno::EINTR)) => file = same,
                Err((_, error)) => return Err(error.into()),
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_the_end_gets_it_after_the_last_holder_and_then_nobody_can_hold_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = Lifeline::path(dir.path());
        let first = Lifeline::hold(&path).unwrap().unwrap();
        let second = Lifeline::hold(&path).unwrap().unwrap();
        let (waiting, ended) = std::sync::mpsc::channel();
        let end = End::open(&path).unwrap();
        let thread = std::thread::spawn(move || {
            let lock = end.wait().unwrap();
            waiting.send(()).unwrap();
            lock
        });
        drop(first);
        assert!(ended.try_recv().is_err(), "one holder is left");
        let third = Lifeline::hold(&path).unwrap();
        assert!(third.is_some(), "a waiting process keeps nobody off");
        drop((second, third));
        ended
            .recv_timeout(std::time::Duration::from_secs(60))
            .unwrap();
        let lock = thread.join().unwrap();
        assert!(Lifeline::hold(&path).unwrap().is_none());
        drop(lock);
    }
}
