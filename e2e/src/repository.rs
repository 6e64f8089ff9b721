//! Repositories that tasks work on.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

/// Makes a small git repository with a README, a program and a symbolic link that leaves it.
///
/// # Errors
/// When git fails.
pub fn demo_repository(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path.join("src"))?;
    std::fs::write(
        path.join("README.md"),
        "# Demo\n\nA repository for the scenarios.\n",
    )?;
    std::fs::write(path.join("src/hello.sh"), "#!/bin/sh\necho hello\n")?;
    std::os::unix::fs::symlink("/etc", path.join("outside"))?;
    git(path, &["init", "-q", "-b", "main"])?;
    git(path, &["add", "-A"])?;
    git(
        path,
        &[
            "-c",
            "user.name=Demo",
            "-c",
            "user.email=demo@example.com",
            "commit",
            "-q",
            "-m",
            "Start",
        ],
    )?;
    Ok(())
}

/// Runs git in a folder and answers with its output.
///
/// # Errors
/// When git fails.
pub fn git(path: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .args(["-c", "safe.directory=*"])
        .args(arguments)
        .current_dir(path)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()?;
    ensure!(
        output.status.success(),
        "git {arguments:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
