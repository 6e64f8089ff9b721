//! Containers without a sandbox: plain processes of the node's user, for kernels that forbid namespaces.
//!
//! Nothing can be mounted, so the volumes stay where they are on the host, and the words of the command and the values of
//! the environment that name a place in the container are changed to name that of the host. Programs that have such a
//! place built in will not find it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::plan::{ContainerPlan, Mount};
use super::staging::open_source;

/// Changes a plan to run on the host's own file system. `folder` is for what would have been mounted from memory.
///
/// # Errors
/// Fails when a bind source doesn't exist, a sub-path leaves its volume, or the folder cannot be written.
pub fn without_mounts(plan: &ContainerPlan, folder: &Path) -> io::Result<ContainerPlan> {
    let mut places: Vec<(String, PathBuf)> = Vec::new();
    for mount in &plan.mounts {
        match mount {
            Mount::Bind {
                source,
                sub_path,
                target,
                ..
            } => {
                open_source(source, sub_path.as_deref())?;
                let source = sub_path
                    .as_ref()
                    .map_or_else(|| source.clone(), |path| source.join(path));
                places.push((target.clone(), source));
            }
            Mount::Tmpfs { target, .. } => {
                let place = below(folder, target);
                make(&place)?;
                places.push((target.clone(), place));
            }
            Mount::File {
                target,
                content,
                mode,
            } => {
                let place = below(folder, target);
                if let Some(parent) = place.parent() {
                    make(parent)?;
                }
                fs::write(&place, content)?;
                fs::set_permissions(&place, fs::Permissions::from_mode(*mode))?;
                places.push((target.clone(), place));
            }
            _ => {}
        }
    }
    let on_host = |word: &String| translate(&places, word);
    let mut plan = plan.clone();
    plan.argv = plan.argv.iter().map(on_host).collect();
    plan.env = plan
        .env
        .iter()
        .map(|(name, value)| (name.clone(), on_host(value)))
        .collect();
    plan.working_dir = on_host(&plan.working_dir);
    Ok(plan)
}

/// The longest place that a word begins with decides.
fn translate(places: &[(String, PathBuf)], word: &str) -> String {
    let rest = |target: &str| {
        word.strip_prefix(target)
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let found = places
        .iter()
        .filter_map(|(target, source)| Some((target, source, rest(target)?)));
    match found.max_by_key(|(target, ..)| target.len()) {
        Some((_, source, rest)) => format!("{}{rest}", source.display()),
        None => word.to_owned(),
    }
}

fn below(folder: &Path, target: &str) -> PathBuf {
    folder.join(target.trim_start_matches('/'))
}

fn make(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_place_decides() {
        let places = [
            ("/a".to_owned(), PathBuf::from("/host/a")),
            ("/a/b".to_owned(), PathBuf::from("/host/b")),
        ];
        for (word, expected) in [
            ("/a", "/host/a"),
            ("/a/c", "/host/a/c"),
            ("/a/b/c", "/host/b/c"),
            ("/ab", "/ab"),
            ("a", "a"),
        ] {
            assert_eq!(translate(&places, word), expected);
        }
    }
}
