//! Where the programs are that the scenarios use.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The folder with the programs of this project: that of the running test, unless `CODEX_E2E_BIN_DIR` names another.
///
/// # Errors
/// When the path of the running program is unknown.
pub fn bin_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("CODEX_E2E_BIN_DIR") {
        return Ok(dir.into());
    }
    let program = std::env::current_exe()?;
    let dir = program.parent().context("a program is in a folder")?;
    if dir.ends_with("deps") {
        return Ok(dir.parent().context("deps is in a folder")?.to_owned());
    }
    Ok(dir.to_owned())
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The real codex binary: `CODEX_BIN`, or the one that `make deps` installed.
///
/// # Errors
/// When it is not installed.
pub fn codex_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("CODEX_BIN") {
        return Ok(path.into());
    }
    let packages = root().join("node_modules/@openai");
    let vendor = std::fs::read_dir(&packages)
        .with_context(|| format!("{} is missing; run make deps", packages.display()))?
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("vendor"))
        .find(|path| path.is_dir())
        .context("the codex package holds no binary for this platform; run make deps")?;
    std::fs::read_dir(vendor)?
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("bin/codex"))
        .find(|path| path.is_file())
        .context("the codex package holds no binary; run make deps")
}

/// The real kubectl: `KUBECTL`, the one on the path, or the one that `make test-tools` built.
///
/// # Errors
/// When there is none.
pub fn kubectl_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("KUBECTL") {
        return Ok(path.into());
    }
    let built = root().join("target/tools/kubectl");
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .map(|dir| dir.join("kubectl"));
    on_path
        .chain([built])
        .find(|path| path.is_file())
        .context("kubectl is missing; run make test-tools")
}
