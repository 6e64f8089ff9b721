//! Where in the copy Codex works.
//!
//! The gateway and the operator have checked the text of `cwd`; only here, where the volume is mounted, can symbolic links
//! be seen. First the folder is resolved in the volume, then in the copy, and both times it has to stay inside. Nothing
//! of the task runs yet, so nothing can change in between.

use std::path::{Component, Path, PathBuf};

use crate::error::RunnerError;

/// A path below the root of the repository, without `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relative(PathBuf);

/// Resolves `cwd` in the repository volume. What is not there, as in a bare repository, is left to the copy.
///
/// # Errors
/// [`RunnerError::InvalidCwd`] when it is outside of the repository.
pub fn resolve_in_source(cwd: &Path, repository: &Path) -> Result<Relative, RunnerError> {
    let relative = normal(cwd)
        .and_then(|cwd| {
            cwd.strip_prefix(normal(repository)?)
                .ok()
                .map(Path::to_owned)
        })
        .ok_or_else(|| outside(cwd, repository))?;
    let root = repository.canonicalize().map_err(|error| {
        RunnerError::Workspace(format!(
            "the repository {} cannot be opened: {error}; check the volume of the CodexRepository and that user {} may read it",
            repository.display(),
            nix::unistd::geteuid(),
        ))
    })?;
    match root.join(&relative).canonicalize() {
        Ok(resolved) => match resolved.strip_prefix(&root) {
            Ok(relative) => Ok(Relative(relative.to_owned())),
            Err(_) => Err(leads_out(cwd, repository)),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Relative(relative)),
        Err(error) => Err(RunnerError::InvalidCwd(format!(
            "cwd {} cannot be opened: {error}",
            cwd.display()
        ))),
    }
}

/// The folder in the copy.
///
/// # Errors
/// [`RunnerError::InvalidCwd`] when it is not there, is no folder, or a symbolic link leads out of the copy.
pub fn resolve_in_copy(
    relative: &Relative,
    cwd: &Path,
    workspace: &Path,
) -> Result<PathBuf, RunnerError> {
    let root = workspace.canonicalize().map_err(|error| {
        RunnerError::Workspace(format!("the workspace cannot be opened: {error}"))
    })?;
    let resolved = root.join(&relative.0).canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => RunnerError::InvalidCwd(format!(
            "cwd {} is not in the task's copy of the repository; in a git repository only what is committed to the current \
             branch is copied",
            cwd.display()
        )),
        _ => RunnerError::InvalidCwd(format!("cwd {} cannot be opened: {error}", cwd.display())),
    })?;
    if !resolved.starts_with(&root) {
        return Err(leads_out(cwd, workspace));
    }
    if !resolved.is_dir() {
        return Err(RunnerError::InvalidCwd(format!(
            "cwd {} is not a folder",
            cwd.display()
        )));
    }
    // The workspace keeps the name that it was given: this is what the user sees. Joining nothing would add a slash.
    match resolved.strip_prefix(&root) {
        Ok(relative) if !relative.as_os_str().is_empty() => Ok(workspace.join(relative)),
        _ => Ok(workspace.to_owned()),
    }
}

/// The path with `.` and `..` resolved in its text; `None` when it leaves the root or is not absolute.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut result = PathBuf::from("/");
    let mut components = path.components();
    if components.next() != Some(Component::RootDir) {
        return None;
    }
    for component in components {
        match component {
            Component::Normal(part) => result.push(part),
            Component::ParentDir => {
                if !result.pop() {
                    return None;
                }
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(result)
}

fn outside(cwd: &Path, repository: &Path) -> RunnerError {
    RunnerError::InvalidCwd(format!(
        "cwd {} is outside of the repository {}",
        cwd.display(),
        repository.display()
    ))
}

fn leads_out(cwd: &Path, root: &Path) -> RunnerError {
    RunnerError::InvalidCwd(format!(
        "cwd {} leads out of {} through a symbolic link; use the folder itself if it is in a repository",
        cwd.display(),
        root.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Places {
        _dir: tempfile::TempDir,
        repository: PathBuf,
        workspace: PathBuf,
    }

    /// The same folders and links in the repository and in the copy.
    fn places() -> Places {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (repository, workspace) = (root.join("repository"), root.join("workspace"));
        for place in [&repository, &workspace] {
            std::fs::create_dir_all(place.join("a/b")).unwrap();
            std::fs::write(place.join("file"), "").unwrap();
            symlink("a/b", place.join("inside")).unwrap();
            symlink(repository.join("a"), place.join("absolute")).unwrap();
            symlink("../..", place.join("up")).unwrap();
            symlink("/etc", place.join("etc")).unwrap();
            symlink("loop", place.join("loop")).unwrap();
            symlink("../../workspace", place.join("a/outer")).unwrap();
        }
        std::fs::create_dir(root.join("repository-other")).unwrap();
        Places {
            _dir: dir,
            repository,
            workspace,
        }
    }

    fn resolve(places: &Places, cwd: &Path) -> Result<PathBuf, String> {
        let relative =
            resolve_in_source(cwd, &places.repository).map_err(|error| error.to_string())?;
        resolve_in_copy(&relative, cwd, &places.workspace).map_err(|error| error.to_string())
    }

    #[test]
    fn folders_inside_are_found_in_the_copy() {
        let places = places();
        for (cwd, found) in [
            ("", ""),
            ("a", "a"),
            ("a/../a/./b/", "a/b"),
            ("inside", "a/b"),
            ("absolute/b", "a/b"),
        ] {
            let resolved = resolve(&places, &places.repository.join(cwd)).unwrap();
            assert_eq!(resolved, places.workspace.join(found), "{cwd}");
        }
    }

    #[test]
    fn whatever_leads_out_is_refused() {
        let places = places();
        for cwd in [
            "..",
            "a/../..",
            "../repository-other",
            "up",
            "etc",
            "etc/ssl",
            "loop",
            "a/outer",
            "file",
            "none",
        ] {
            let error = resolve(&places, &places.repository.join(cwd)).unwrap_err();
            assert!(error.starts_with("cwd "), "{cwd}: {error}");
        }
        for cwd in ["/", "/etc", "relative", "/../.."] {
            resolve(&places, Path::new(cwd)).unwrap_err();
        }
    }

    #[test]
    fn links_that_only_the_copy_has_are_refused_too() {
        let places = places();
        symlink("/etc", places.workspace.join("new")).unwrap();
        let error = resolve(&places, &places.repository.join("new")).unwrap_err();
        assert!(error.contains("symbolic link"), "{error}");
    }
}
