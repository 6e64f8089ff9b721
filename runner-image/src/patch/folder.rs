//! Changes of a copy that is no git repository.
//!
//! The copy kept the times of the files, so whatever has the size and time of its original is unchanged, and only the rest is
//! read. Somebody who sets the time of a changed file back hides it from the patch, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Differ, FolderBaseline, MAX_PATCH_BYTES, PatchError, Repository};
use crate::workspace::Git;

/// What is compared of a file or link.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    File {
        length: u64,
        modified: SystemTime,
        is_executable: bool,
    },
    Link(PathBuf),
}

impl Entry {
    /// Whether it could be part of a patch at all.
    fn fits(&self) -> bool {
        match self {
            Self::File { length, .. } => *length <= MAX_PATCH_BYTES as u64,
            Self::Link(_) => true,
        }
    }
}

/// Notes what changed in a git repository; `None` when nothing did.
pub async fn differ<'a>(
    git: &'a Git,
    baseline: &FolderBaseline,
    workspace: &Path,
) -> Result<Option<Differ<'a>>, PatchError> {
    let (source, copy) = (baseline.source.clone(), workspace.to_owned());
    let compared = tokio::task::spawn_blocking(move || {
        Ok::<_, io::Error>((entries(&source)?, entries(&copy)?))
    })
    .await;
    let (before, after) = compared.map_err(io::Error::other)??;
    let is_unreadable = |path: &Path| {
        baseline
            .unreadable
            .iter()
            .any(|hidden| path.starts_with(hidden))
    };
    let all: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    let changed = all
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path));
    let changed: Vec<&PathBuf> = changed.filter(|path| !is_unreadable(path)).collect();
    if changed.is_empty() {
        return Ok(None);
    }

    let repository = Repository::create(git, "").await?;
    // Each path is asked for where it is: git refuses one below a folder that has become a link.
    let (here, gone): (Vec<_>, Vec<_>) =
        changed.iter().partition(|path| after.contains_key(**path));
    let mut ignored = ignored(&repository, workspace, &here).await?;
    ignored.extend(self::ignored(&repository, &baseline.source, &gone).await?);
    let (mut old, mut new, mut gone, mut is_incomplete) =
        (Vec::new(), Vec::new(), Vec::new(), false);
    for path in changed {
        if ignored.contains(path) {
            continue;
        }
        let (was, is) = (before.get(path), after.get(path));
        let is_closed =
            matches!(is, Some(Entry::File { .. })) && fs::File::open(workspace.join(path)).is_err();
        if is_closed || was.into_iter().chain(is).any(|entry| !entry.fits()) {
            is_incomplete = true;
            continue;
        }
        if was.is_some() {
            push(path, &mut old);
        }
        push(path, if is.is_some() { &mut new } else { &mut gone });
    }
    let update = |folder: &Path, options: &[&str], paths: Vec<u8>| {
        repository
            .call(folder, "update-index")
            .args(options)
            .args(["-z", "--stdin"])
            .input(paths)
    };
    git.run(update(&baseline.source, &["--add"], old)).await?;
    let tree = git.run(repository.call(workspace, "write-tree")).await?;
    let tree = String::from_utf8_lossy(&tree).into_owned();
    git.run(update(workspace, &["--force-remove"], gone))
        .await?;
    git.run(update(workspace, &["--add", "--replace"], new))
        .await?;
    Ok(Some(Differ {
        repository,
        workspace: workspace.to_owned(),
        against: vec!["--cached".into(), tree],
        is_incomplete,
    }))
}

/// Which of the paths a `.gitignore` of the folder excludes.
async fn ignored(
    repository: &Repository<'_>,
    folder: &Path,
    paths: &[&PathBuf],
) -> Result<BTreeSet<PathBuf>, PatchError> {
    if paths.is_empty() {
        return Ok(BTreeSet::new());
    }
    // With a dot in front, no name can be taken for one of git's patterns.
    let mut input = Vec::new();
    for path in paths {
        push(&Path::new(".").join(path), &mut input);
    }
    let check = repository
        .call(folder, "check-ignore")
        .args(["--no-index", "-z", "--stdin"]);
    let listed = repository
        .git
        .ask(check.input(input))
        .await?
        .unwrap_or_default();
    let listed = listed.split(|byte| *byte == 0).map(OsStr::from_bytes);
    let listed = listed.filter_map(|path| Path::new(path).strip_prefix(".").ok());
    Ok(listed.map(Path::to_owned).collect())
}

fn push(path: &Path, list: &mut Vec<u8>) {
    list.extend_from_slice(path.as_os_str().as_bytes());
    list.push(0);
}

/// All files and links below a folder. Git's own folders never become part of a patch.
fn entries(root: &Path) -> io::Result<BTreeMap<PathBuf, Entry>> {
    let mut found = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        let listed = match fs::read_dir(root.join(&folder)) {
            Ok(listed) => listed,
            Err(error) if is_hidden(&error) && !folder.as_os_str().is_empty() => continue,
            Err(error) => return Err(error),
        };
        for entry in listed {
            let entry = entry?;
            if entry.file_name() == ".git" {
                continue;
            }
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if is_hidden(&error) => continue,
                Err(error) => return Err(error),
            };
            let path = folder.join(entry.file_name());
            if metadata.is_dir() {
                open.push(path);
            } else if metadata.is_symlink() {
                found.insert(path, Entry::Link(fs::read_link(entry.path())?));
            } else if metadata.is_file() {
                let file = Entry::File {
                    length: metadata.len(),
                    modified: metadata.modified()?,
                    is_executable: metadata.mode() & 0o100 != 0,
                };
                found.insert(path, file);
            }
        }
    }
    Ok(found)
}

fn is_hidden(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound
    )
}
