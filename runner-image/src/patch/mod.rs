//! What the task changed: a patch of the copy against what it began with.
//!
//! The patch is made after every process of the task is gone, with a git directory of its own that is made at that moment.
//! The repository in the workspace is the agent's: its configuration, hooks and index are not read, only the files are,
//! so that nothing that the agent left behind runs or steers the patch. If something of it ran nevertheless, it
//! would be one more process of the same user in the same sandbox: the environment of git holds no secret, and
//! the runner itself cannot be looked into (`harden`).

mod folder;
mod sections;

use std::fs::{self, File};
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};

use crate::workspace::{Call, Git, GitError};

/// The longest patch in bytes, as it stands in the event.
pub const MAX_PATCH_BYTES: usize = 8 * 1024 * 1024;

/// What the copy began with.
#[derive(Debug)]
pub enum Baseline {
    /// A commit.
    Git(GitBaseline),
    /// The files of a folder.
    Folder(FolderBaseline),
}

/// A commit, and how to read it.
#[derive(Debug)]
pub struct GitBaseline {
    /// Its name.
    pub commit: String,
    /// The folders with its objects.
    pub objects: Vec<PathBuf>,
    /// The index just after the checkout.
    pub index: Option<File>,
}

/// A folder that was copied, and never changes.
#[derive(Debug)]
pub struct FolderBaseline {
    /// The original.
    pub source: PathBuf,
    /// What could not be copied, relative to it.
    pub unreadable: Vec<PathBuf>,
}

/// What changed.
#[derive(Debug, PartialEq, Eq)]
pub struct Patch {
    /// For `git apply`.
    pub text: String,
    /// How many files it touches.
    pub files: usize,
    /// Whether files are missing because it was too long.
    pub truncated: bool,
}

/// Why there is no patch.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file could not be read or written.
    #[error("cannot read or write: {0}")]
    Io(#[from] io::Error),
}

impl Baseline {
    /// The commit, where there is one.
    #[must_use]
    pub fn commit(&self) -> Option<&str> {
        match self {
            Self::Git(git) => Some(&git.commit),
            Self::Folder(_) => None,
        }
    }
}

/// Compares the workspace with its baseline. `None` when nothing changed. Dropping the future stops it.
///
/// # Errors
/// [`PatchError`] when it cannot be told.
pub async fn capture(
    git: &Git,
    baseline: &Baseline,
    workspace: &Path,
) -> Result<Option<Patch>, PatchError> {
    let differ = match baseline {
        Baseline::Git(baseline) => commit_differ(git, baseline, workspace).await?,
        Baseline::Folder(baseline) => match folder::differ(git, baseline, workspace).await? {
            Some(differ) => differ,
            None => return Ok(None),
        },
    };
    let patch = differ.patch().await?;
    Ok((patch.files > 0 || patch.truncated).then_some(patch))
}

async fn commit_differ<'a>(
    git: &'a Git,
    baseline: &GitBaseline,
    workspace: &Path,
) -> Result<Differ<'a>, PatchError> {
    let repository = Repository::create(git, &baseline.commit).await?;
    fs::create_dir_all(repository.dir.join("objects/info"))?;
    let alternates: Vec<_> = baseline
        .objects
        .iter()
        .map(|path| format!("{}\n", path.display()))
        .collect();
    fs::write(
        repository.dir.join("objects/info/alternates"),
        alternates.concat(),
    )?;
    match &baseline.index {
        Some(index) => restore_index(index, &repository.dir.join("index"))?,
        None => {
            git.run(
                repository
                    .call(workspace, "read-tree")
                    .args([&baseline.commit]),
            )
            .await?;
        }
    }
    // New files are only noted, not stored: the comparison reads them where they are. What cannot be noted, such as
    // a nested repository without commits, must not hide the rest; the answer of git is therefore not asked for.
    let note =
        repository
            .call(workspace, "add")
            .args(["--intent-to-add", "--ignore-errors", "--", "."]);
    match git.run(note).await {
        Ok(_) | Err(GitError::Failed { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Differ {
        repository,
        workspace: workspace.to_owned(),
        against: vec![baseline.commit.clone()],
        is_incomplete: false,
    })
}

fn restore_index(index: &File, to: &Path) -> io::Result<()> {
    let mut index = index;
    index.rewind()?;
    let mut file = File::create_new(to)?;
    io::copy(&mut index, &mut file)?;
    file.set_modified(index.metadata()?.modified()?)
}

/// A git directory for one patch.
struct Repository<'a> {
    git: &'a Git,
    dir: PathBuf,
}

impl<'a> Repository<'a> {
    /// Makes one whose objects have names like `name`.
    async fn create(git: &'a Git, name: &str) -> Result<Self, PatchError> {
        let dir = git.home().join("patch.git");
        let format = if name.len() == 64 {
            "--object-format=sha256"
        } else {
            "--object-format=sha1"
        };
        let init = git
            .call(git.home(), "init")
            .args(["--quiet", "--bare", "--template=", format]);
        git.run(init.args([&dir])).await?;
        Ok(Self { git, dir })
    }

    fn call(&self, work_tree: &Path, name: &'static str) -> Call {
        self.git
            .call(work_tree, name)
            .env("GIT_DIR", &self.dir)
            .env("GIT_WORK_TREE", work_tree)
    }
}

/// A comparison that is ready to be printed.
struct Differ<'a> {
    repository: Repository<'a>,
    workspace: PathBuf,
    /// The arguments that say what is compared.
    against: Vec<String>,
    /// Files have been left out already.
    is_incomplete: bool,
}

impl Differ<'_> {
    async fn patch(&self) -> Result<Patch, PatchError> {
        let (mut text, mut is_more) = self.print().await?;
        if std::str::from_utf8(&text).is_err() {
            // Text in another encoding cannot stand in JSON. As binary patches those files survive as they are.
            let raw = self.diff().args(["--raw", "-z"]).args(&self.against);
            let (raw, _) = self
                .repository
                .git
                .run_limited(raw, MAX_PATCH_BYTES as u64)
                .await?;
            let attributes = sections::binary_attributes(&text, &raw);
            fs::create_dir_all(self.repository.dir.join("info"))?;
            fs::write(self.repository.dir.join("info/attributes"), attributes)?;
            (text, is_more) = self.print().await?;
        }
        let mut patch = sections::cut(&text, is_more, MAX_PATCH_BYTES);
        patch.truncated |= self.is_incomplete;
        Ok(patch)
    }

    async fn print(&self) -> Result<(Vec<u8>, bool), PatchError> {
        let call = self
            .diff()
            .args(["--binary", "--no-color", "--no-ext-diff", "--no-textconv"])
            .args(&self.against);
        Ok(self
            .repository
            .git
            .run_limited(call, MAX_PATCH_BYTES as u64)
            .await?)
    }

    fn diff(&self) -> Call {
        self.repository
            .call(&self.workspace, "diff")
            .args(["--find-renames", "--ignore-submodules=dirty"])
    }
}
