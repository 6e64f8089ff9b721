//! PostgreSQL's programs, where their user can run them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::super::{
    account::Account,
    error::{UpError, file_error},
    progress::Progress,
};

/// The programs, where the account can run them and with the links that npm leaves out of packages.
///
/// The package brings a list of symbolic links and a script to make them after the installation. npm need not run that script, and
/// the folder need not be ours; so they are made here, in a copy if it must be.
///
/// # Errors
/// When they can neither be used nor copied.
pub fn usable(
    bin: &Path,
    base: &Path,
    account: Option<&Account>,
    progress: Progress,
) -> Result<PathBuf, UpError> {
    let native = bin.parent().unwrap_or(bin);
    let reachable = account.is_none_or(|account| account.barrier(bin).is_none());
    let links = links_of(native)?;
    if reachable && make_links(native, &links).is_ok() {
        return Ok(bin.to_owned());
    }
    if links.is_empty() {
        let name = account
            .map(|account| account.name.as_str())
            .unwrap_or_default();
        return Err(UpError::Postgres(format!(
            "user {name} cannot reach the programs in {}. Name others with --postgres-bin",
            bin.display()
        )));
    }
    let version = fs::read_to_string(native.with_file_name("package.json"))
        .ok()
        .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
        .and_then(|package| package["version"].as_str().map(str::to_owned))
        .unwrap_or_else(|| "copy".to_owned());
    let copy = base.join(format!("programs-{version}"));
    if !copy.exists() {
        progress.line(format!(
            "copying PostgreSQL's programs to {}",
            copy.display()
        ));
        let building = base.join("programs.new");
        if building.exists() {
            fs::remove_dir_all(&building).map_err(file_error("remove", &building))?;
        }
        copy_tree(native, &building)?;
        make_links(&building, &links)?;
        fs::rename(&building, &copy).map_err(file_error("create", &copy))?;
    }
    Ok(copy.join("bin"))
}

#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

fn links_of(native: &Path) -> Result<Vec<Link>, UpError> {
    let list = native.join("pg-symlinks.json");
    match fs::read(&list) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| {
            UpError::Postgres(format!(
                "{} is broken ({error}): run `npm ci` again",
                list.display()
            ))
        }),
        // Not the npm package.
        Err(_) => Ok(Vec::new()),
    }
}

fn make_links(native: &Path, links: &[Link]) -> Result<(), UpError> {
    for link in links {
        let (Ok(source), Ok(target)) = (
            link.source.strip_prefix("native"),
            link.target.strip_prefix("native"),
        ) else {
            return Err(UpError::Postgres(
                "its list of links points out of the package: run `npm ci` again".into(),
            ));
        };
        let path = native.join(target);
        if path.symlink_metadata().is_ok() {
            continue;
        }
        // Both are in one folder, as the package's own script assumes too.
        let name = source.file_name().unwrap_or_default();
        match std::os::unix::fs::symlink(name, &path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(file_error("create", path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), UpError> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    // The copy is for another user too, whatever our umask is.
    fs::DirBuilder::new()
        .mode(0o755)
        .create(to)
        .map_err(file_error("create", to))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))
        .map_err(file_error("set the permissions of", to))?;
    for entry in fs::read_dir(from).map_err(file_error("read", from))? {
        let entry = entry.map_err(file_error("read", from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(file_error("look at", &path))?;
        if kind.is_dir() {
            copy_tree(&path, &target)?;
        } else if kind.is_file() && path.extension().is_none_or(|extension| extension != "a") {
            fs::copy(&path, &target).map_err(file_error("copy", &path))?;
            let mode = if path
                .metadata()
                .is_ok_and(|found| found.permissions().mode() & 0o111 != 0)
            {
                0o755
            } else {
                0o644
            };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode))
                .map_err(file_error("set the permissions of", &target))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_links_are_made_once_and_only_inside_the_package() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lib")).unwrap();
        fs::write(dir.path().join("lib/libpq.so.5.17"), "x").unwrap();
        let list = r#"[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"}]"#;
        fs::write(dir.path().join("pg-symlinks.json"), list).unwrap();
        let links = links_of(dir.path()).unwrap();
        make_links(dir.path(), &links).unwrap();
        make_links(dir.path(), &links).unwrap();
        assert_eq!(fs::read(dir.path().join("lib/libpq.so.5")).unwrap(), b"x");
        let outside = [Link {
            source: "/etc/passwd".into(),
            target: "/tmp/passwd".into(),
        }];
        assert!(make_links(dir.path(), &outside).is_err());
    }

    #[test]
    fn copies_are_readable_by_others_and_keep_their_execute_bits() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        fs::create_dir_all(from.join("bin")).unwrap();
        fs::write(from.join("bin/postgres"), "p").unwrap();
        fs::set_permissions(from.join("bin/postgres"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(from.join("static.a"), "a").unwrap();
        let to = dir.path().join("to");
        copy_tree(&from, &to).unwrap();
        assert_eq!(
            fs::metadata(to.join("bin/postgres"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o755
        );
        assert!(!to.join("static.a").exists());
    }
}
