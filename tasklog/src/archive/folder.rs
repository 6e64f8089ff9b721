//! Objects as files.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;

use super::chunk::MAX_OBJECT_BYTES;
use super::object::ObjectStore;
use crate::error::LogError;

/// A folder, local or on a network file system. Files are written beside their place, synced and moved, so that a crash
/// leaves the old state or the new one.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder at `root`, which is created when needed.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    async fn write(&self, key: &str, data: Bytes, rule: Rule) -> Result<bool, LogError> {
        let path = self.root.join(key);
        blocking(move || write(&path, &data, rule)).await
    }
}

#[async_trait]
impl ObjectStore for Folder {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, LogError> {
        let path = self.root.join(key);
        blocking(move || read(&path)).await
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, LogError> {
        let path = self.root.join(key);
        blocking(move || match std::fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn create(&self, key: &str, data: Bytes) -> Result<bool, LogError> {
        self.write(key, data, Rule::Create).await
    }

    async fn replace(&self, key: &str, data: Bytes) -> Result<(), LogError> {
        self.write(key, data, Rule::Replace).await.map(|_| ())
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, LogError> {
        let path = self.root.join(folder);
        blocking(move || list(&path)).await
    }

    fn location(&self, key: &str) -> String {
        format!("file://{}", self.root.join(key).display())
    }
}

#[derive(Clone, Copy)]
enum Rule {
    Create,
    Replace,
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, LogError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| LogError::Unavailable(std::io::Error::other(error)))?
        .map_err(LogError::Unavailable)
}

fn read(path: &Path) -> std::io::Result<Option<Bytes>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut data = Vec::new();
    file.take(MAX_OBJECT_BYTES + 1).read_to_end(&mut data)?;
    Ok(Some(data.into()))
}

fn write(path: &Path, data: &[u8], rule: Rule) -> std::io::Result<bool> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    create_folders(folder)?;
    // The mode is narrowed by the umask, as for any other file.
    let mut file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(folder)?;
    file.write_all(data)?;
    file.as_file().sync_all()?;
    let placed = match rule {
        Rule::Create => file.persist_noclobber(path),
        Rule::Replace => file.persist(path),
    };
    match placed {
        Ok(_) => {}
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error.error),
    }
    sync_folder(folder)?;
    Ok(true)
}

/// A new folder is only safe once the folder that holds it is synced.
fn create_folders(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_folders(parent)?;
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => sync_folder(parent)?,
        }
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

fn list(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        // Other names are not UTF-8, and so are not ours.
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}
