//! The allow-list of this machine: what `--repository` names, or what stands in when it names nothing.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::error::{UpError, file_error};

/// Where tasks see repositories.
pub const MOUNT_ROOT: &str = "/srv/repos";
/// Longest name of a repository: it is the name of an object and a part of a path.
const LONGEST_NAME: usize = 63;

/// A folder that tasks may work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The name of its `CodexRepository`, and of its folder under `/srv/repos`.
    pub name: String,
    /// The folder on this machine, absolute and without symbolic links.
    pub folder: PathBuf,
}

/// The allow-list, and why it is this one when nobody named it.
#[derive(Debug, PartialEq, Eq)]
pub struct AllowList {
    /// The repositories; the first one is the default.
    pub repositories: Vec<Repository>,
    /// What to tell the user.
    pub note: Option<String>,
}

/// Decides on the allow-list.
///
/// `demo_asked_for` and `demo_answers` say whether the user wants the demo model, and whether it answers at all.
///
/// # Errors
/// When a named folder is not usable, or nothing was named and nothing is near.
pub fn allow_list(
    given: &[String],
    working_dir: Option<&Path>,
    demo: DemoMode,
    demo_folder: &Path,
) -> Result<AllowList, UpError> {
    if !given.is_empty() {
        let mut taken = BTreeSet::new();
        let repositories = given
            .iter()
            .map(|given| resolve(given, &mut taken))
            .collect::<Result<_, _>>()?;
        return Ok(AllowList {
            repositories,
            note: None,
        });
    }
    let work_tree = working_dir.and_then(work_tree_of);
    match (demo, work_tree) {
        (DemoMode::AskedFor, _) | (DemoMode::Fallback, None) => {
            make_demo_repository(demo_folder)?;
            let folder = fs::canonicalize(demo_folder).map_err(file_error("open", demo_folder))?;
            Ok(AllowList {
                note: Some(format!(
                    "no --repository: tasks work on the demo repository {}",
                    folder.display()
                )),
                repositories: vec![Repository {
                    name: "demo".into(),
                    folder,
                }],
            })
        }
        (_, Some(folder)) => Ok(AllowList {
            note: Some(format!(
                "no --repository: tasks may work on copies of {}, the work tree you are in",
                folder.display()
            )),
            repositories: vec![resolve(
                &folder.display().to_string(),
                &mut BTreeSet::new(),
            )?],
        }),
        (DemoMode::Off, None) => Err(UpError::NoRepository),
    }
}

/// Whether the demo model answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoMode {
    /// No, the real one does.
    Off,
    /// Yes, because there are no credentials.
    Fallback,
    /// Yes, because the user said so.
    AskedFor,
}

fn resolve(given: &str, taken: &mut BTreeSet<String>) -> Result<Repository, UpError> {
    let refuse = |reason: String| UpError::Repository {
        given: given.to_owned(),
        reason,
    };
    let (name, path) = match given.split_once('=') {
        Some((name, path)) if !Path::new(given).exists() => (Some(name), Path::new(path)),
        _ => (None, Path::new(given)),
    };
    let folder = fs::canonicalize(path).map_err(|error| refuse(error.to_string()))?;
    if !folder.is_dir() {
        return Err(refuse("that is not a folder".into()));
    }
    if folder == Path::new("/")
        || env::var_os("HOME").is_some_and(|home| folder == Path::new(&home))
    {
        return Err(refuse("a whole home or root folder holds more than a task should read; name a repository in it".into()));
    }
    let name = match name {
        Some(name) if is_name(name) && !taken.contains(name) => name.to_owned(),
        Some(name) if is_name(name) => {
            return Err(refuse(format!("there are two repositories called {name}")));
        }
        Some(_) => {
            return Err(refuse(
                "a name has up to 63 lower-case letters, digits and dashes between them".into(),
            ));
        }
        None => free_name(&folder, taken),
    };
    taken.insert(name.clone());
    Ok(Repository { name, folder })
}

/// A name from the folder's, unlike those that are taken.
fn free_name(folder: &Path, taken: &BTreeSet<String>) -> String {
    let text = folder
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let dashed: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    // Room for a number behind it.
    let mut base: String = dashed
        .trim_matches('-')
        .chars()
        .take(LONGEST_NAME - 8)
        .collect();
    base.truncate(base.trim_end_matches('-').len());
    if base.is_empty() {
        base.push_str("repository");
    }
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    std::iter::once(base.clone())
        .chain(numbered)
        .find(|name| !taken.contains(name))
        .unwrap_or(base)
}

fn is_name(name: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.chars().all(inside)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// The nearest folder at or above `dir` with a `.git`. No git is run for this: the repository's own configuration could make it run
/// programs.
fn work_tree_of(dir: &Path) -> Option<PathBuf> {
    let dir = fs::canonicalize(dir).ok()?;
    dir.ancestors()
        .find(|folder| folder.join(".git").exists())
        .map(Path::to_owned)
}

/// A little program for the demo model to work on. It is a git repository when git is installed.
fn make_demo_repository(folder: &Path) -> Result<(), UpError> {
    if folder.exists() {
        return Ok(());
    }
    let building = folder.with_extension("new");
    let _ = fs::remove_dir_all(&building);
    let write = |name: &str, text: &str| {
        let path = building.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&building))
            .map_err(file_error("create", &path))?;
        fs::write(&path, text).map_err(file_error("write", &path))
    };
    write("README.md", include_str!("demo/README.md"))?;
    write("hello.py", include_str!("demo/hello.py"))?;
    write("tests/test_hello.py", include_str!("demo/test_hello.py"))?;
    let git = |args: &[&str]| {
        Command::new("git")
            .args(args)
            .current_dir(&building)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .envs([
                ("GIT_CONFIG_NOSYSTEM", "1"),
                ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ])
            .envs([
                ("GIT_AUTHOR_NAME", "Demo"),
                ("GIT_AUTHOR_EMAIL", "demo@localhost"),
            ])
            .envs([
                ("GIT_COMMITTER_NAME", "Demo"),
                ("GIT_COMMITTER_EMAIL", "demo@localhost"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    // Without git the folder is still one that tasks can work on.
    let _ = git(&["init", "-q", "-b", "main"])
        && git(&["add", "."])
        && git(&["commit", "-q", "-m", "A small program"]);
    fs::rename(&building, folder).map_err(file_error("create", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(given: &[String]) -> Vec<String> {
        let list = allow_list(given, None, DemoMode::Off, Path::new("/nonexistent")).unwrap();
        list.repositories
            .into_iter()
            .map(|repository| repository.name)
            .collect()
    }

    #[test]
    fn names_come_from_folders_and_do_not_clash() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(&path).unwrap();
            path.display().to_string()
        };
        let given = [
            folder("My App!"),
            folder("x/my-app"),
            folder("..."),
            folder("ünïcode"),
            folder(&"l".repeat(100)),
        ];
        assert_eq!(
            names(&given),
            [
                "my-app",
                "my-app-2",
                "repository",
                "n-code",
                &"l".repeat(55)
            ]
        );
        assert_eq!(names(&[format!("api={}", folder("x"))]), ["api"]);
    }

    #[test]
    fn what_is_no_folder_or_too_much_of_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let here = dir.path().display();
        for given in [
            "/no/such/folder".to_owned(),
            file.display().to_string(),
            "/".to_owned(),
            format!("Bad_Name={here}"),
        ] {
            let result = allow_list(
                std::slice::from_ref(&given),
                None,
                DemoMode::Off,
                Path::new("/nonexistent"),
            );
            assert!(
                matches!(result, Err(UpError::Repository { .. })),
                "{given}: {result:?}"
            );
        }
        let twice = [format!("a={here}"), format!("a={here}")];
        assert!(allow_list(&twice, None, DemoMode::Off, Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn without_a_name_the_work_tree_or_the_demo_stands_in() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        let inside = tree.join("src/deep");
        fs::create_dir_all(&inside).unwrap();
        fs::create_dir_all(tree.join(".git")).unwrap();
        let demo = dir.path().join("demo-repository");
        let first = |list: AllowList| list.repositories[0].name.clone();

        let list = allow_list(&[], Some(&inside), DemoMode::Off, &demo).unwrap();
        assert!(
            list.note
                .as_ref()
                .is_some_and(|note| note.contains("work tree"))
        );
        assert_eq!(first(list), "tree");
        assert_eq!(
            first(allow_list(&[], Some(&inside), DemoMode::Fallback, &demo).unwrap()),
            "tree"
        );
        assert!(!demo.exists());
        assert_eq!(
            first(allow_list(&[], Some(&inside), DemoMode::AskedFor, &demo).unwrap()),
            "demo"
        );
        assert!(demo.join("README.md").is_file());
        assert_eq!(
            first(allow_list(&[], Some(dir.path()), DemoMode::Fallback, &demo).unwrap()),
            "demo"
        );
        assert!(matches!(
            allow_list(&[], Some(dir.path()), DemoMode::Off, &demo),
            Err(UpError::NoRepository)
        ));
    }
}
