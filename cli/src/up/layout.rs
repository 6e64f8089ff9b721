//! The data folder: what is where, who may read it, and the lock that keeps a second `up` out.
//!
//! | path | what |
//! |---|---|
//! | `lock`, `run.json`, `ports.json` | who runs here: process ids and addresses of the present run, ports kept between runs |
//! | `admin-password` | of the first administrator, 0600 |
//! | `kubeconfig` | the cluster administrator's, a link into `cluster/` |
//! | `demo-model.hold` | made by whoever wants the demo model to pause; see its README |
//! | `secrets/` | generated once, 0600 |
//! | `postgres/`, `cluster/`, `archive/` | the state of the parts |
//! | `node/` | that of the node, where the cluster is somebody else's |
//! | `logs/` | one bounded log file for each part |
//! | `run/` | unix sockets |

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;
use sha2::{Digest as _, Sha256};

use super::error::{UpError, file_error};

/// Unix socket paths have room for 107 bytes; this leaves some for the name of the socket.
const LONGEST_SOCKET_DIR: usize = 85;

/// The data folder, held by this process.
#[derive(Debug)]
pub struct Layout {
    root: PathBuf,
    /// Released by the kernel when this process ends, however it ends.
    _lock: File,
}

impl Layout {
    /// Creates what is missing of the folder and takes its lock.
    ///
    /// # Errors
    /// When another `up` holds the lock, or the folder cannot be written.
    pub fn open(data: &Path) -> Result<Self, UpError> {
        fs::create_dir_all(data).map_err(file_error("create", data))?;
        let root = fs::canonicalize(data).map_err(file_error("open", data))?;
        // Root's PostgreSQL runs as another user, who must walk through this folder but may not look around in it.
        let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
        fs::set_permissions(&root, Permissions::from_mode(mode))
            .map_err(file_error("set the permissions of", &root))?;
        let lock = take_lock(&root)?;
        let layout = Self { root, _lock: lock };
        for name in ["secrets", "archive", "logs", "config"] {
            private_dir(&layout.root.join(name))?;
        }
        Ok(layout)
    }

    /// The folder itself, absolute and without symbolic links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file among the secrets.
    #[must_use]
    pub fn secret(&self, name: &str) -> PathBuf {
        self.root.join("secrets").join(name)
    }

    /// The log file of a part.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    /// A configuration file that is written anew at every start.
    #[must_use]
    pub fn config(&self, name: &str) -> PathBuf {
        self.root.join("config").join(name)
    }

    /// The kubeconfig that a part uses.
    #[must_use]
    pub fn kubeconfig_of(&self, part: &str) -> PathBuf {
        self.root
            .join("cluster/kubeconfigs")
            .join(format!("{part}.yaml"))
    }

    /// The state of the present run.
    #[must_use]
    pub fn run_file(&self) -> PathBuf {
        self.root.join("run.json")
    }

    /// The ports that are kept between runs.
    #[must_use]
    pub fn ports_file(&self) -> PathBuf {
        self.root.join("ports.json")
    }

    /// A name for this data folder in places that several share, such as `/tmp`.
    #[must_use]
    pub fn short_name(&self) -> String {
        let digest = Sha256::digest(self.root.as_os_str().as_encoded_bytes());
        hex::encode(&digest[..6])
    }

    /// A folder for unix sockets, private to this user: inside the data folder, or under `/tmp` when its path is too long
    /// for a socket.
    ///
    /// # Errors
    /// When it cannot be created, or is not ours.
    pub fn socket_dir(&self) -> Result<PathBuf, UpError> {
        let mut dir = self.root.join("run");
        if dir.as_os_str().len() > LONGEST_SOCKET_DIR {
            dir = Path::new("/tmp").join(format!("codex-remote-{}", self.short_name()));
        }
        private_dir(&dir)?;
        Ok(dir)
    }
}

/// Whether `path` is short enough to hold unix sockets.
#[must_use]
pub fn fits_sockets(path: &Path) -> bool {
    path.as_os_str().len() <= LONGEST_SOCKET_DIR
}

/// Creates a folder that only this user may enter. One that is there already must be a real folder of this user: in `/tmp`
/// somebody else could have made it first.
///
/// # Errors
/// When it cannot be created or belongs to somebody else.
pub fn private_dir(path: &Path) -> Result<(), UpError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        other => return other.map_err(file_error("create", path)),
    }
    let found = fs::symlink_metadata(path).map_err(file_error("look at", path))?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() {
        return Err(UpError::System {
            what: format!("{} is not a folder of this user", path.display()),
            source: std::io::Error::other("remove it"),
        });
    }
    fs::set_permissions(path, Permissions::from_mode(0o700))
        .map_err(file_error("set the permissions of", path))
}

/// Writes a file that only this user may read, at once or not at all.
///
/// # Errors
/// When the folder is not writable or the disk is full.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), UpError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let result = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        // The mode above counts for new files only.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    result.map_err(file_error("write", path))
}

fn take_lock(root: &Path) -> Result<File, UpError> {
    let path = root.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(file_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Best effort: the number only makes the message better.
            let _ = file.read_to_string(&mut holder);
            return Err(UpError::Locked {
                data: root.to_owned(),
                holder: holder.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(file_error("lock", path)(source)),
    }
    let note = (|| {
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())
    })();
    note.map_err(file_error("write", path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_up_is_kept_out_and_told_who_is_in() {
        let dir = tempfile::tempdir().unwrap();
        let first = Layout::open(dir.path()).unwrap();
        match Layout::open(dir.path()) {
            Err(UpError::Locked { holder, .. }) => assert_eq!(holder, Some(std::process::id())),
            other => panic!("the lock did not hold: {other:?}"),
        }
        drop(first);
        Layout::open(dir.path()).unwrap();
    }

    #[test]
    fn private_files_stay_private_when_they_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        write_private(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_link_in_the_place_of_a_private_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        assert!(private_dir(&link).is_err());
    }

    #[test]
    fn sockets_move_when_the_path_is_too_long() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(100));
        let layout = Layout::open(&deep).unwrap();
        let sockets = layout.socket_dir().unwrap();
        assert!(fits_sockets(&sockets), "{}", sockets.display());
        fs::remove_dir(&sockets).unwrap();
    }
}
