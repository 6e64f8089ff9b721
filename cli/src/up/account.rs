//! The unprivileged user that PostgreSQL runs as when `up` is started by root.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use nix::unistd::{Gid, Uid, User, chown, geteuid};

use super::error::UpError;

/// A user other than this process's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its user id.
    pub uid: u32,
    /// Its main group's id.
    pub gid: u32,
}

impl Account {
    /// The user for PostgreSQL: nobody else when this process is not root (PostgreSQL then runs as the same user), otherwise
    /// `postgres`, which distributions have for this, or `nobody`. It must be in the user database: `initdb` looks it up.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn for_postgres() -> Result<Option<Self>, UpError> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        for name in ["postgres", "nobody"] {
            if let Ok(Some(user)) = User::from_name(name)
                && !user.uid.is_root()
            {
                return Ok(Some(Self {
                    name: user.name,
                    uid: user.uid.as_raw(),
                    gid: user.gid.as_raw(),
                }));
            }
        }
        Err(UpError::Postgres(
            "it refuses to run as root, and there is neither a user `postgres` nor `nobody`. Create one (`useradd --system postgres`), or start this as another user".into(),
        ))
    }

    /// Gives it a file or folder.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn own(&self, path: &Path) -> Result<(), UpError> {
        chown(
            path,
            Some(Uid::from_raw(self.uid)),
            Some(Gid::from_raw(self.gid)),
        )
        .map_err(|errno| super::error::file_error("give away", path)(errno.into()))
    }

    /// The first folder at or above `path` that this user cannot enter, if any.
    #[must_use]
    pub fn barrier<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        let closed = |folder: &&Path| {
            folder.metadata().is_ok_and(|found| {
                let shift = match (found.uid() == self.uid, found.gid() == self.gid) {
                    (true, _) => 6,
                    (false, true) => 3,
                    (false, false) => 0,
                };
                found.is_dir() && found.mode() >> shift & 1 == 0
            })
        };
        path.ancestors().filter(closed).last()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_closed_folder_on_the_way_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("a/b");
        fs::create_dir_all(&inside).unwrap();
        let stranger = Account {
            name: "stranger".into(),
            uid: 4_000_001,
            gid: 4_000_001,
        };
        let owner = Account {
            name: "owner".into(),
            uid: dir.path().metadata().unwrap().uid(),
            gid: 4_000_001,
        };
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };

        mode(dir.path(), 0o700);
        assert_eq!(stranger.barrier(&inside), Some(dir.path()));
        assert_eq!(owner.barrier(&inside), None);
        mode(dir.path(), 0o711);
        mode(&dir.path().join("a"), 0o711);
        mode(&inside, 0o711);
        assert_eq!(stranger.barrier(&inside), None);
    }
}
