//! Where `codex-remote up` keeps everything unless it is told otherwise.

use std::path::PathBuf;

/// No home folder to put the data into.
#[derive(Debug, thiserror::Error)]
#[error("neither XDG_DATA_HOME nor HOME is set: name a folder with --data")]
pub struct NoHome;

/// The default data folder: `/var/lib/codex-remote` for root, because other users cannot enter `/root` and PostgreSQL
/// must run as one of them; otherwise the user's own data folder.
///
/// # Errors
/// When the environment names no home.
pub fn default_dir() -> Result<PathBuf, NoHome> {
    if nix::unistd::geteuid().is_root() {
        return Ok("/var/lib/codex-remote".into());
    }
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .ok_or(NoHome)?;
    Ok(base.join("codex-remote"))
}
