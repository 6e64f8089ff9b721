//! The task's own copy of the repository, and the folder in it where Codex works.

mod clone;
mod copy;
mod cwd;
mod git;
mod source;

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

pub use git::{Call, Git, GitError};

use crate::config::Config;
use crate::error::RunnerError;
use crate::patch::{Baseline, FolderBaseline};
use clone::Clone;
use copy::{CopyError, Skipped};
use source::Source;

/// The copy, ready for Codex.
#[derive(Debug)]
pub struct Workspace {
    /// The folder to work in.
    pub cwd: PathBuf,
    /// The branch of the copy.
    pub branch: Option<String>,
    /// What the patch is made against.
    pub baseline: Baseline,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Makes the copy. Dropping the future stops it.
///
/// # Errors
/// [`RunnerError::InvalidCwd`] and [`RunnerError::Workspace`], in words for the user.
pub async fn prepare(git: &Git, config: &Config) -> Result<Workspace, RunnerError> {
    let repository = &config.repository;
    let relative = cwd::resolve_in_source(&config.cwd, repository)?;
    let mut warnings = Vec::new();
    let source = Source::detect(repository);
    let cloned = match source {
        Source::Git { .. } => clone::clone(git, repository, &config.workspace)
            .await
            .map_err(|error| {
                RunnerError::Workspace(format!("the repository cannot be copied: {error}"))
            })?,
        Source::Folder { .. } => None,
    };
    let (branch, baseline) = match (cloned, source) {
        (Some(Clone { branch, baseline }), _) => (branch, Baseline::Git(baseline)),
        (
            None,
            Source::Git {
                has_work_tree: false,
            },
        ) => {
            return Err(RunnerError::Workspace(format!(
                "the repository {} is bare and has no commit on its current branch; push one first",
                repository.display()
            )));
        }
        (None, source) => {
            let without = match source {
                // Nothing is committed yet, so the files count; the clone's empty repository makes place for the original.
                Source::Git { .. } => {
                    remove_empty_clone(&config.workspace)?;
                    None
                }
                Source::Folder {
                    has_dangling_git: true,
                } => {
                    warnings.push(format!(
                        "the .git file of {} points to a repository that is not in the volume; its files were copied \
                         without their history",
                        repository.display()
                    ));
                    Some(".git")
                }
                Source::Folder {
                    has_dangling_git: false,
                } => None,
            };
            let skipped = copy_folder(repository, &config.workspace, without).await?;
            warnings.extend(skipped.warning());
            let baseline = FolderBaseline {
                source: repository.clone(),
                unreadable: skipped.unreadable,
            };
            (None, Baseline::Folder(baseline))
        }
    };
    let cwd = cwd::resolve_in_copy(&relative, &config.cwd, &config.workspace)?;
    Ok(Workspace {
        cwd,
        branch,
        baseline,
        warnings,
    })
}

async fn copy_folder(
    source: &Path,
    target: &Path,
    without: Option<&'static str>,
) -> Result<Skipped, RunnerError> {
    let stop = CancellationToken::new();
    let _stop_when_dropped = stop.clone().drop_guard();
    let (source, target) = (source.to_owned(), target.to_owned());
    let copied =
        tokio::task::spawn_blocking(move || copy::copy_tree(&source, &target, without, &stop))
            .await;
    match copied {
        Ok(result) => result.map_err(|error: CopyError| RunnerError::Workspace(error.to_string())),
        Err(_) => Err(RunnerError::Workspace(
            "the copy of the repository was broken off".into(),
        )),
    }
}

fn remove_empty_clone(workspace: &Path) -> Result<(), RunnerError> {
    std::fs::remove_dir_all(workspace.join(".git")).map_err(|error| {
        RunnerError::Workspace(format!("the workspace cannot be cleared: {error}"))
    })
}
