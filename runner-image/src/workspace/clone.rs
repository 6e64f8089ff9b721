//! The copy of a git repository: a clone that shares the objects of the original.
//!
//! `--shared` makes the clone read the objects of the volume instead of copying them, so that a repository of any size is ready
//! in the time that the checkout takes. That is safe because the volume stays mounted, read-only, for the whole life of
//! the Pod; only pruning the original while a task runs could take objects away, and git keeps what a branch or a
//! reflog reaches. Hard links (`--local`) are no way: they cannot cross mounts, and would copy.

use std::fs::File;
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};

use super::git::{Git, GitError};
use crate::patch::GitBaseline;

/// A clone with its commit checked out.
#[derive(Debug)]
pub struct Clone {
    /// The branch; `None` when the original is detached.
    pub branch: Option<String>,
    /// What the patch is made against.
    pub baseline: GitBaseline,
}

/// What of the original's configuration the copy keeps.
#[derive(Debug, Default, PartialEq, Eq)]
struct Kept {
    /// `name=value` of the user's name and mail address.
    user: Vec<String>,
    origin: Option<String>,
}

/// Clones `source` into the empty folder `workspace`. `None` when there is no commit yet.
///
/// # Errors
/// [`GitError`] when git cannot clone it.
pub async fn clone(git: &Git, source: &Path, workspace: &Path) -> Result<Option<Clone>, GitError> {
    let listed = git.call(source, "config").args([
        "--local",
        "--null",
        "--get-regexp",
        r"^(remote\.origin\.url|user\.(name|email))$",
    ]);
    let kept = Kept::parse(&git.ask(listed).await?.unwrap_or_default());
    let mut call = git
        .call(git.home(), "clone")
        .args(["--quiet", "--shared", "--template="]);
    for setting in &kept.user {
        call = call.args(["--config", setting]);
    }
    git.run(call.args(["--".as_ref(), source, workspace]))
        .await?;

    let head = git
        .call(workspace, "rev-parse")
        .args(["--quiet", "--verify", "HEAD^{commit}"]);
    let origin = match &kept.origin {
        Some(url) => git
            .call(workspace, "remote")
            .args(["set-url", "origin", url]),
        // What the clone calls origin is a path that only this Pod has.
        None => git.call(workspace, "remote").args(["remove", "origin"]),
    };
    let (commit, origin) = tokio::join!(git.ask(head), git.run(origin));
    origin?;
    let Some(commit) = commit? else {
        return Ok(None);
    };

    let git_dir = workspace.join(".git");
    Ok(Some(Clone {
        branch: branch(&git_dir),
        baseline: GitBaseline {
            commit: String::from_utf8_lossy(&commit).into_owned(),
            objects: objects(&git_dir),
            // Without it the patch takes longer, and is the same.
            index: index(&git_dir, git.home()).ok(),
        },
    }))
}

impl Kept {
    /// Reads pairs of the form `name LF value NUL`.
    fn parse(listed: &[u8]) -> Self {
        let mut kept = Self::default();
        for pair in String::from_utf8_lossy(listed).split('\0') {
            match pair.split_once('\n') {
                Some(("remote.origin.url", url)) => {
                    kept.origin = is_public(url).then(|| url.to_owned());
                }
                Some((name, value)) => kept.user.push(format!("{name}={value}")),
                None => {}
            }
        }
        kept
    }
}

/// Whether an address says where the original comes from, and no secret. Local paths mean nothing in the Pod.
fn is_public(url: &str) -> bool {
    if url.contains(['?', '#', '\n']) {
        return false;
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        // The short form of ssh: user@host:path.
        return url.split_once(':').is_some_and(|(host, _)| {
            !host.is_empty() && !host.contains('/') && host.matches('@').count() <= 1
        }) && !url.contains("::");
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    match scheme {
        // A user alone is a token as often as not.
        "http" | "https" => user.is_none(),
        "ssh" | "git" | "git+ssh" => user.is_none_or(|user| !user.contains([':', '%'])),
        _ => false,
    }
}

fn branch(git_dir: &Path) -> Option<String> {
    let head = std::fs::read_to_string(git_dir.join("HEAD")).ok()?;
    Some(head.strip_prefix("ref: refs/heads/")?.trim_end().to_owned())
}

/// The folders with the objects of the clone: those of the original, and its own for what it did not share.
fn objects(git_dir: &Path) -> Vec<PathBuf> {
    let own = git_dir.join("objects");
    let alternates = std::fs::read_to_string(own.join("info/alternates")).unwrap_or_default();
    let shared = alternates
        .lines()
        .filter(|line| line.starts_with('/'))
        .map(PathBuf::from);
    shared.chain([own]).collect()
}

/// Keeps the index of the clone in a file without name, where the task cannot change it. It knows the size and time of each
/// file as it was checked out, so that the patch only has to read what changed since.
fn index(git_dir: &Path, folder: &Path) -> io::Result<File> {
    let mut original = File::open(git_dir.join("index"))?;
    let mut kept = tempfile::tempfile_in(folder)?;
    io::copy(&mut original, &mut kept)?;
    // Git compares the times of files with that of the index to find changes within its resolution.
    kept.set_modified(original.metadata()?.modified()?)?;
    kept.rewind()?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_credentials_are_not_kept() {
        for url in [
            "https://example.org/a/b.git",
            "ssh://git@example.org:22/a/b",
            "git@example.org:a/b.git",
            "example.org:a",
            "git://example.org/a",
        ] {
            assert!(is_public(url), "{url}");
        }
        for url in [
            "https://token@example.org/a",
            "https://user:password@example.org/a",
            "https://example.org/a?token=x",
            "ssh://git:password@example.org/a",
            "user@token@example.org:a",
            "ext::sh -c true",
            "file:///home/me/a",
            "/home/me/a",
            "../a",
            "",
        ] {
            assert!(!is_public(url), "{url}");
        }
    }

    #[test]
    fn the_configuration_is_read() {
        let kept = Kept::parse(
            b"user.name\nA B\0remote.origin.url\nhttps://x@example.org/\0user.email\na@b\0",
        );
        assert_eq!(
            kept,
            Kept {
                user: vec!["user.name=A B".into(), "user.email=a@b".into()],
                origin: None
            }
        );
        assert_eq!(Kept::parse(b""), Kept::default());
    }
}
