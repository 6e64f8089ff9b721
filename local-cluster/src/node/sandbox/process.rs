//! Processes by identity: a number alone may have been given to another process meanwhile.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;

use super::plan::ProcessId;

impl ProcessId {
    /// The identity of a process that exists now.
    ///
    /// # Errors
    /// Fails when there is no such process.
    pub fn of(pid: i32) -> io::Result<Self> {
        Ok(Self {
            pid,
            start_time: start_time(pid)?,
            boot_id: boot_id()?,
        })
    }

    /// The identity of the calling process.
    ///
    /// # Errors
    /// Fails when `/proc` is not mounted.
    pub fn own() -> io::Result<Self> {
        Self::of(std::process::id().cast_signed())
    }

    /// A descriptor of the process, or `None` if it has ended.
    ///
    /// # Errors
    /// Fails for any reason other than the end of the process.
    pub fn open(&self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(None);
        };
        let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => descriptor,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Compared after opening: from here on the number cannot change its meaning unnoticed.
        let same = boot_id()? == self.boot_id
            && start_time(self.pid).is_ok_and(|start| start == self.start_time);
        Ok(same.then_some(descriptor))
    }

    /// Whether the process still runs. A zombie does not.
    pub fn is_alive(&self) -> bool {
        matches!(self.open(), Ok(Some(_)))
            && !state(self.pid).is_ok_and(|state| state == 'Z' || state == 'X')
    }

    /// Waits until the process has ended.
    ///
    /// # Errors
    /// Fails when the kernel refuses a descriptor of it.
    pub async fn ended(&self) -> io::Result<()> {
        let Some(descriptor) = self.open()? else {
            return Ok(());
        };
        #[expect(unsafe_code, reason = "registering a descriptor has no safe form")]
        // SAFETY: the descriptor is owned by what is registered, so it stays open and the same until it is dropped.
        let registered = unsafe { AsyncFd::register(descriptor) }?;
        // A process descriptor becomes readable when the process ends.
        registered.readable().await.map(drop)
    }

    /// Sends a signal; nothing happens if the process has ended.
    ///
    /// # Errors
    /// Fails when the caller may not signal the process.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(descriptor) = self.open()? else {
            return Ok(());
        };
        match pidfd_send_signal(descriptor, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// The fields of `/proc/<pid>/stat` after the command, which is the only one that may hold spaces.
fn stat(pid: i32) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(')').ok_or(Errno::EINVAL)?;
    Ok(rest.split_ascii_whitespace().map(str::to_owned).collect())
}

fn start_time(pid: i32) -> io::Result<u64> {
    // Field 22 of proc(5); the first one after the command is number 3.
    stat(pid)?
        .get(19)
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| Errno::EINVAL.into())
}

fn state(pid: i32) -> io::Result<char> {
    stat(pid)?
        .first()
        .and_then(|field| field.chars().next())
        .ok_or_else(|| Errno::EINVAL.into())
}

/// The parent of a process.
///
/// # Errors
/// Fails when there is no such process.
pub fn parent(pid: i32) -> io::Result<i32> {
    stat(pid)?
        .get(1)
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| Errno::EINVAL.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_outlives_neither_process_nor_boot() {
        let own = ProcessId::own().unwrap();
        assert!(own.is_alive());
        assert!(
            !ProcessId {
                start_time: own.start_time + 1,
                ..own.clone()
            }
            .is_alive()
        );
        assert!(
            !ProcessId {
                boot_id: "another".to_owned(),
                ..own
            }
            .is_alive()
        );
    }
}
