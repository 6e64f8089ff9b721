//! The folders of Pods on disk.
//!
//! ```text
//! pods/<uid>/pod.json                          the Pod, so that a restarted node knows what it runs
//! pods/<uid>/network/                          state of the Pod's network process
//! pods/<uid>/volumes/<name>/                   emptyDirs
//! pods/<uid>/containers/<name>/<attempt>/      one run of a container
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Pod;

use crate::node::shim::state::{ContainerDir, write_atomically};

/// The folder of one Pod.
#[derive(Clone, Debug)]
pub struct PodDir {
    path: PathBuf,
}

impl PodDir {
    /// The folder of a Pod below the node's.
    ///
    /// # Errors
    /// Fails for a uid that isn't a plain name.
    pub fn new(root: &Path, uid: &str) -> io::Result<Self> {
        if uid.is_empty()
            || !uid
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(io::Error::other(format!(
                "the Pod's uid {uid:?} cannot be a folder"
            )));
        }
        Ok(Self {
            path: root.join("pods").join(uid),
        })
    }

    /// All Pods that have folders.
    pub fn all(root: &Path) -> Vec<(Self, Pod)> {
        let entries = fs::read_dir(root.join("pods"))
            .into_iter()
            .flatten()
            .flatten();
        let pod = |path: PathBuf| {
            let bytes = fs::read(path.join("pod.json")).ok()?;
            Some((Self { path }, serde_json::from_slice(&bytes).ok()?))
        };
        entries.filter_map(|entry| pod(entry.path())).collect()
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the network process.
    pub fn network(&self) -> PathBuf {
        self.path.join("network")
    }

    /// Where emptyDirs are.
    pub fn volumes(&self) -> PathBuf {
        self.path.join("volumes")
    }

    /// Makes the folder and records the Pod.
    ///
    /// # Errors
    /// Fails when the disk does.
    pub fn create(&self, pod: &Pod) -> io::Result<()> {
        make_private(&self.path)?;
        self.save(pod)
    }

    /// Records the Pod.
    ///
    /// # Errors
    /// Fails when the disk does.
    pub fn save(&self, pod: &Pod) -> io::Result<()> {
        write_atomically(&self.path.join("pod.json"), &serde_json::to_vec(pod)?)
    }

    /// Numbers of the runs of a container that exist, in order.
    pub fn attempts(&self, container: &str) -> Vec<u32> {
        let entries = fs::read_dir(self.path.join("containers").join(container))
            .into_iter()
            .flatten()
            .flatten();
        let mut numbers: Vec<u32> = entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers
    }

    /// The folder of a run of a container.
    pub fn container(&self, name: &str, attempt: u32) -> ContainerDir {
        ContainerDir::new(
            self.path
                .join("containers")
                .join(name)
                .join(attempt.to_string()),
        )
    }

    /// Makes the folder of a new run. It must not exist: that is what makes a start happen only once.
    ///
    /// # Errors
    /// Fails when the folder exists.
    pub fn create_container(&self, name: &str, attempt: u32) -> io::Result<ContainerDir> {
        let dir = self.container(name, attempt);
        if let Some(parent) = dir.path().parent() {
            make_private(parent)?;
        }
        fs::DirBuilder::new().mode(0o700).create(dir.path())?;
        Ok(dir)
    }

    /// Removes everything.
    ///
    /// # Errors
    /// Fails when something cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.path) {
            // What a container made unreadable is still its uid's; as an unprivileged node that is our own uid.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                open_up(&self.path);
                fs::remove_dir_all(&self.path)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

/// Makes a folder and its parents, for the node's user only.
///
/// # Errors
/// Fails when the disk does.
pub fn make_private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Gives the node's user back its rights to a tree. Errors don't matter: removing it will report them.
fn open_up(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            open_up(&entry.path());
        }
    }
}
