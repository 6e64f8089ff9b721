//! Closes the runner to the processes of its own task.
//!
//! Codex and its commands run under the same user as the runner. A process that is not dumpable cannot be traced by them, and
//! its `/proc` files (`environ`, `mem`, `fd`) belong to root: the agent can neither read the task token nor write
//! frames to the runner's standard output. Programs that the runner starts are dumpable again: the flag ends with `exec`.

use std::ffi::CStr;

use nix::libc;
use nix::sys::{prctl, resource};
use secrecy::SecretString;

/// The credentials of the task, as far as they were given.
#[derive(Debug, Default)]
pub struct Secrets {
    /// `CODEX_TASK_TOKEN`: what the pod-proxy asks for.
    pub token: Option<SecretString>,
    /// `CODEX_FRAME_NONCE`: the mark of the runner's own frames.
    pub nonce: Option<SecretString>,
}

/// Makes the process not dumpable, and forbids core files for it and all its children.
///
/// # Errors
/// The error of the system call; then the runner must not go on.
pub fn close_process() -> std::io::Result<()> {
    prctl::set_dumpable(false)?;
    resource::setrlimit(resource::Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}

/// Takes the secrets out of the environment, so that no child inherits them. Call it while there is one thread only.
#[must_use]
pub fn take_secrets() -> Secrets {
    Secrets {
        token: take(c"CODEX_TASK_TOKEN"),
        nonce: take(c"CODEX_FRAME_NONCE"),
    }
}

/// Copies a variable, overwrites its value where the kernel put it (`/proc/self/environ` shows that memory) and
/// removes it. Text that is not UTF-8 counts as absent.
#[expect(
    unsafe_code,
    reason = "there is no safe way to overwrite the memory of the environment"
)]
fn take(name: &CStr) -> Option<SecretString> {
    // SAFETY: `main` calls this before it starts any thread, so nobody else reads or changes the environment. The
    // pointer that getenv answers with is a NUL-terminated string in writable memory of this process until unsetenv.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        if value.is_null() {
            return None;
        }
        let length = libc::strlen(value);
        let secret = std::slice::from_raw_parts(value.cast::<u8>(), length);
        let secret = std::str::from_utf8(secret).ok().map(SecretString::from);
        for at in 0..length {
            value.add(at).write_volatile(0);
        }
        libc::unsetenv(name.as_ptr());
        secret
    }
}
