//! Copies a folder that is no git repository.

use std::fs::{self, File, FileTimes, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

/// How many names of skipped entries are kept for the message.
const MAX_NAMED: usize = 5;

/// What the copy left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Files and folders that may not be read.
    pub unreadable: Vec<PathBuf>,
    /// Sockets, pipes and devices.
    pub special: Vec<PathBuf>,
}

impl Skipped {
    /// A sentence for the user, when anything was left out.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let first = self.unreadable.iter().chain(&self.special);
        let first: Vec<_> = first
            .take(MAX_NAMED)
            .map(|path| path.display().to_string())
            .collect();
        if first.is_empty() {
            return None;
        }
        Some(format!(
            "not copied from the repository: {} that user {} may not read, {} sockets, pipes or devices ({}, ...)",
            self.unreadable.len(),
            nix::unistd::geteuid(),
            self.special.len(),
            first.join(", "),
        ))
    }
}

/// Why a copy is not complete.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// An entry could not be written, for example because the volume is full.
    #[error("cannot copy {path}: {source}; is the workspace's volume large enough?")]
    Entry {
        /// The entry.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Nobody waits for the copy any more.
    #[error("the copy was stopped")]
    Stopped,
}

/// Copies everything in `source` into the existing folder `target`. Symbolic links stay as they are; sockets, pipes, devices
/// and what may not be read are skipped. The owner may write every file of the copy, special permissions are dropped, and
/// times are kept for build tools. Where the file system can, files share their blocks with the original:
/// `std::io::copy` uses `copy_file_range`.
///
/// # Errors
/// [`CopyError`] when the copy is not complete.
pub fn copy_tree(
    source: &Path,
    target: &Path,
    without: Option<&str>,
    stop: &CancellationToken,
) -> Result<Skipped, CopyError> {
    let mut skipped = Skipped::default();
    let mut open = vec![(PathBuf::new(), None::<Metadata>)];
    let mut folders = Vec::new();
    while let Some((relative, metadata)) = open.pop() {
        let failed = |source| CopyError::Entry {
            path: relative.clone(),
            source,
        };
        let entries = match fs::read_dir(source.join(&relative)) {
            Ok(entries) => entries,
            Err(error) if metadata.is_some() && error.kind() == io::ErrorKind::PermissionDenied => {
                skipped.unreadable.push(relative);
                continue;
            }
            Err(error) => return Err(failed(error)),
        };
        if let Some(metadata) = metadata {
            let folder = target.join(&relative);
            fs::DirBuilder::new()
                .mode(0o700)
                .create(&folder)
                .map_err(failed)?;
            // Permissions and times come last: writing into a folder needs the first and changes the second.
            folders.push((folder, metadata));
        }
        for entry in entries {
            if stop.is_cancelled() {
                return Err(CopyError::Stopped);
            }
            let entry = entry.map_err(failed)?;
            let relative = relative.join(entry.file_name());
            if without.is_some_and(|without| relative == Path::new(without)) {
                continue;
            }
            let failed = |source| CopyError::Entry {
                path: relative.clone(),
                source,
            };
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // It went while the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            let to = target.join(&relative);
            if metadata.is_dir() {
                open.push((relative, Some(metadata)));
            } else if metadata.is_symlink() {
                let link = fs::read_link(entry.path()).map_err(failed)?;
                symlink(link, to).map_err(failed)?;
            } else if metadata.is_file() {
                match copy_file(&entry.path(), &to, &metadata) {
                    Ok(()) => {}
                    Err(FileError::Read(error))
                        if error.kind() == io::ErrorKind::PermissionDenied =>
                    {
                        skipped.unreadable.push(relative);
                    }
                    Err(FileError::Read(error) | FileError::Write(error)) => {
                        return Err(failed(error));
                    }
                }
            } else {
                skipped.special.push(relative);
            }
        }
    }
    for (folder, metadata) in folders.into_iter().rev() {
        let finish = || {
            let file = File::open(&folder)?;
            file.set_times(times(&metadata)?)?;
            file.set_permissions(Permissions::from_mode(metadata.mode() & 0o777 | 0o700))
        };
        finish().map_err(|source| CopyError::Entry {
            path: folder.clone(),
            source,
        })?;
    }
    Ok(skipped)
}

enum FileError {
    Read(io::Error),
    Write(io::Error),
}

fn copy_file(from: &Path, to: &Path, metadata: &Metadata) -> Result<(), FileError> {
    let mut reader = File::open(from).map_err(FileError::Read)?;
    let mut write = || {
        let mut writer = OpenOptions::new().write(true).create_new(true).open(to)?;
        io::copy(&mut reader, &mut writer)?;
        writer.set_permissions(Permissions::from_mode(metadata.mode() & 0o777 | 0o600))?;
        writer.set_times(times(metadata)?)
    };
    write().map_err(FileError::Write)
}

fn times(metadata: &Metadata) -> io::Result<FileTimes> {
    Ok(FileTimes::new().set_modified(metadata.modified()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn everything_but_special_files_is_copied() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("a/b/script"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(from.join("a/b/script"), Permissions::from_mode(0o4555)).unwrap();
        fs::set_permissions(from.join("a/b"), Permissions::from_mode(0o555)).unwrap();
        let past = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
        File::open(from.join("a/b/script"))
            .unwrap()
            .set_modified(past)
            .unwrap();
        symlink("/etc/passwd", from.join("out")).unwrap();
        fs::write(from.join(".git"), "gitdir: /gone\n").unwrap();
        let _socket = UnixListener::bind(from.join("socket")).unwrap();

        let skipped = copy_tree(&from, &to, Some(".git"), &CancellationToken::new()).unwrap();
        assert_eq!(
            skipped,
            Skipped {
                unreadable: Vec::new(),
                special: vec!["socket".into()]
            }
        );
        assert!(skipped.warning().unwrap().contains("socket"));
        let script = fs::metadata(to.join("a/b/script")).unwrap();
        assert_eq!(script.mode() & 0o7777, 0o755);
        assert_eq!(script.modified().unwrap(), past);
        assert_eq!(fs::metadata(to.join("a/b")).unwrap().mode() & 0o7777, 0o755);
        assert_eq!(
            fs::read_link(to.join("out")).unwrap(),
            Path::new("/etc/passwd")
        );
        assert!(!to.join(".git").exists() && !to.join("socket").exists());
    }

    #[test]
    fn a_copy_can_be_stopped() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("to")).unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        let result = copy_tree(dir.path(), &dir.path().join("to"), None, &stop);
        assert!(matches!(result, Err(CopyError::Stopped)));
    }
}
