//! Which folders a task may work in.
//!
//! The check is lexical: `..` is resolved in the text, NULs and relative paths are refused. Symbolic links can only be
//! seen where the volume is mounted, so the runner checks the resolved folder once more inside the Pod.

use crate::limits::MAX_CWD_BYTES;

/// One allow-listed repository, as far as this check needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name of the `CodexRepository`.
    pub name: String,
    /// Its absolute path, for example `/srv/repos/app`.
    pub path: String,
    /// Whether it is the default for tasks without `cwd`.
    pub is_default: bool,
}

impl From<&crate::CodexRepository> for Entry {
    fn from(repository: &crate::CodexRepository) -> Self {
        let metadata = &repository.metadata;
        Self {
            name: metadata.name.clone().unwrap_or_default(),
            path: repository.spec.path.clone(),
            is_default: metadata
                .annotations
                .as_ref()
                .and_then(|all| all.get(crate::meta::DEFAULT_REPOSITORY_ANNOTATION))
                .is_some_and(|value| value == "true"),
        }
    }
}

/// A `cwd` that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The name of the repository that it is in.
    pub repository: String,
    /// The path of that repository.
    pub root: String,
    /// The normalised absolute folder; `root` or below it.
    pub cwd: String,
}

/// Why a `cwd` is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CwdError {
    /// There is no repository at all.
    #[error("no repository is configured; an administrator has to create a CodexRepository first")]
    NoRepositories,
    /// No `cwd` was given and nothing says which repository is meant.
    #[error(
        "cwd is required because there are several repositories and none is the default; use one of: {0}"
    )]
    Ambiguous(String),
    /// The text is no absolute path.
    #[error(
        "cwd must be an absolute path without NUL characters, of at most {MAX_CWD_BYTES} bytes"
    )]
    Malformed,
    /// The folder is in none of the repositories.
    #[error("cwd {cwd:?} is outside of every repository; use a folder in one of: {allowed}")]
    Outside {
        /// What was asked for, normalised.
        cwd: String,
        /// The paths that are allowed, joined by commas.
        allowed: String,
    },
}

/// Finds the repository of a `cwd`. With nested repositories the deepest wins.
///
/// # Errors
/// [`CwdError`] says which rule refused it, in words for the user.
pub fn resolve(cwd: Option<&str>, repositories: &[Entry]) -> Result<Resolved, CwdError> {
    if repositories.is_empty() {
        return Err(CwdError::NoRepositories);
    }
    let Some(cwd) = cwd else {
        return default_repository(repositories);
    };
    let cwd = normalize(cwd)?;
    repositories
        .iter()
        .filter(|entry| is_within(&cwd, &entry.path))
        .max_by_key(|entry| entry.path.len())
        .map(|entry| Resolved {
            repository: entry.name.clone(),
            root: entry.path.clone(),
            cwd: cwd.clone(),
        })
        .ok_or_else(|| CwdError::Outside {
            cwd,
            allowed: paths(repositories),
        })
}

/// Resolves `.`, `..` and repeated slashes in the text of an absolute path.
///
/// # Errors
/// [`CwdError::Malformed`] when the path is relative, too long or has a NUL.
pub fn normalize(path: &str) -> Result<String, CwdError> {
    if !path.starts_with('/') || path.contains('\0') || path.len() > MAX_CWD_BYTES {
        return Err(CwdError::Malformed);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

fn default_repository(repositories: &[Entry]) -> Result<Resolved, CwdError> {
    let mut defaults = repositories.iter().filter(|entry| entry.is_default);
    let chosen = match (defaults.next(), defaults.next(), repositories) {
        (Some(entry), None, _) | (None, None, [entry]) => entry,
        _ => return Err(CwdError::Ambiguous(paths(repositories))),
    };
    Ok(Resolved {
        repository: chosen.name.clone(),
        root: chosen.path.clone(),
        cwd: chosen.path.clone(),
    })
}

fn is_within(path: &str, root: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn paths(repositories: &[Entry]) -> String {
    let mut paths: Vec<&str> = repositories
        .iter()
        .map(|entry| entry.path.as_str())
        .collect();
    paths.sort_unstable();
    paths.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, path: &str) -> Entry {
        Entry {
            name: name.into(),
            path: path.into(),
            is_default: false,
        }
    }

    #[test]
    fn folders_inside_are_found_and_normalised() {
        let repositories = [
            entry("app", "/srv/repos/app"),
            entry("web", "/srv/repos/app/web"),
        ];
        let inside = resolve(Some("/srv/repos/app//src/./x/../y"), &repositories).unwrap();
        assert_eq!(inside.cwd, "/srv/repos/app/src/y");
        assert_eq!(inside.repository, "app");
        let nested = resolve(Some("/srv/repos/app/web/src"), &repositories).unwrap();
        assert_eq!(nested.repository, "web");
    }

    #[test]
    fn escapes_are_refused() {
        let repositories = [entry("app", "/srv/repos/app")];
        for cwd in [
            "/srv/repos/app/../../etc",
            "/srv/repos/application",
            "/",
            "/srv/repos",
        ] {
            assert!(
                matches!(
                    resolve(Some(cwd), &repositories),
                    Err(CwdError::Outside { .. })
                ),
                "{cwd}"
            );
        }
        for cwd in ["app", "", "/srv/repos/app/\0", "../app"] {
            assert_eq!(
                resolve(Some(cwd), &repositories),
                Err(CwdError::Malformed),
                "{cwd:?}"
            );
        }
    }

    #[test]
    fn without_cwd_the_default_or_the_only_one_is_taken() {
        let one = [entry("app", "/srv/repos/app")];
        assert_eq!(resolve(None, &one).unwrap().cwd, "/srv/repos/app");
        let mut two = vec![
            entry("app", "/srv/repos/app"),
            entry("web", "/srv/repos/web"),
        ];
        assert!(matches!(resolve(None, &two), Err(CwdError::Ambiguous(_))));
        two[1].is_default = true;
        assert_eq!(resolve(None, &two).unwrap().repository, "web");
        assert_eq!(resolve(None, &[]), Err(CwdError::NoRepositories));
    }
}
