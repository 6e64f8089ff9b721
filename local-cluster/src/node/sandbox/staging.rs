//! Staging of bind sources when the node runs as root.
//!
//! bubblewrap runs as an unprivileged uid and resolves the paths of its binds itself (also those of `--bind-fd`, which
//! it turns into paths first). A repository below `/root`, or a data folder with mode 0700, is out of its reach. So
//! root binds every source into a private mount namespace under a folder that every uid can enter, and bubblewrap
//! starts from there. As root never gives the paths away again, nothing can swap a symbolic link in between either.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

/// Folders of the host that the private mount namespace may cover; the first one that exists is taken. None of them
/// is needed to start bubblewrap, which is executed through a descriptor.
const COVERED: &[&str] = &["/mnt", "/media", "/srv", "/run", "/tmp"];

/// Opens a bind source without following anything out of it.
///
/// # Errors
/// Fails when it doesn't exist, or `sub_path` leaves `source`.
pub fn open_source(source: &Path, sub_path: Option<&Path>) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let name = |error: rustix::io::Errno, path: &Path| {
        let error = io::Error::from(error);
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    let root = openat2(CWD, source, flags, Mode::empty(), ResolveFlags::empty())
        .map_err(|error| name(error, source))?;
    match sub_path {
        None => Ok(root),
        Some(sub_path) => openat2(
            root.as_fd(),
            sub_path,
            flags,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
        )
        .map_err(|error| name(error, &source.join(sub_path))),
    }
}

/// The folder that sources are staged in.
///
/// # Errors
/// Fails on a host that has none of the usual folders.
pub fn folder() -> io::Result<&'static Path> {
    COVERED
        .iter()
        .map(Path::new)
        .find(|path| path.is_dir() && !path.is_symlink())
        .ok_or_else(|| {
            io::Error::other(format!(
                "none of {} is a folder; create one",
                COVERED.join(", ")
            ))
        })
}

/// Moves the calling process into a private mount namespace and binds the sources as `<folder>/0`, `<folder>/1`, ...
/// The caller must be root, single-threaded, and about to execute bubblewrap.
///
/// # Errors
/// Fails when a source doesn't exist or the kernel refuses a mount.
pub fn stage(folder: &Path, sources: &[(PathBuf, Option<PathBuf>)]) -> io::Result<()> {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    // Opened in the new namespace (descriptors of another one cannot be bound) and before the folder is covered.
    let opened = sources
        .iter()
        .map(|(source, sub_path)| open_source(source, sub_path.as_deref()))
        .collect::<io::Result<Vec<_>>>()?;
    mount(
        Some("stage"),
        folder,
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=0755,size=1m"),
    )?;
    for (index, source) in opened.iter().enumerate() {
        let target = folder.join(index.to_string());
        let is_dir =
            rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(source)?.st_mode).is_dir();
        if is_dir {
            std::fs::create_dir(&target)?;
        } else {
            drop(std::fs::File::create(&target)?);
        }
        let link = format!("/proc/self/fd/{}", source.as_raw_fd());
        mount(
            Some(link.as_str()),
            &target,
            NONE,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            NONE,
        )?;
    }
    Ok(())
}
