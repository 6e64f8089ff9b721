//! What the repository volume holds.

use std::path::Path;

/// How the copy is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A git repository, with or without a work tree.
    Git {
        /// There is a work tree, so paths can be looked up in the volume already.
        has_work_tree: bool,
    },
    /// A folder.
    Folder {
        /// It has a `.git` file that points out of the volume: a linked work tree or a submodule whose repository is not
        /// mounted.
        has_dangling_git: bool,
    },
}

impl Source {
    /// Looks at a folder, and only at that folder: a repository above it is not part of what the task may see.
    #[must_use]
    pub fn detect(repository: &Path) -> Self {
        let dot_git = repository.join(".git");
        if dot_git.is_dir() {
            return Self::Git {
                has_work_tree: true,
            };
        }
        if dot_git.is_file() {
            let target = std::fs::read_to_string(&dot_git).ok();
            let target = target
                .as_deref()
                .and_then(|text| text.strip_prefix("gitdir:"));
            // A linked work tree keeps its objects in the repository that it is linked to.
            let is_there = target.is_some_and(|target| {
                let git_dir = repository.join(target.trim());
                let common = std::fs::read_to_string(git_dir.join("commondir"));
                let common =
                    common.map_or_else(|_| git_dir.clone(), |path| git_dir.join(path.trim()));
                git_dir.join("HEAD").is_file() && common.join("objects").is_dir()
            });
            return if is_there {
                Self::Git {
                    has_work_tree: true,
                }
            } else {
                Self::Folder {
                    has_dangling_git: true,
                }
            };
        }
        let is_bare = repository.join("HEAD").is_file()
            && repository.join("objects").is_dir()
            && repository.join("refs").is_dir();
        if is_bare {
            Self::Git {
                has_work_tree: false,
            }
        } else {
            Self::Folder {
                has_dangling_git: false,
            }
        }
    }
}
