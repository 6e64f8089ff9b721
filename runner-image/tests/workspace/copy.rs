//! What of a repository is copied, and from what kinds of repository.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::{Task, git, is_root};

#[test]
fn the_copy_belongs_to_the_task_alone() {
    let script = "git rev-parse --abbrev-ref HEAD; git log --format=%an -1; git remote -v; git config user.name; pwd";
    let task = Task::new(script);
    task.write("sub/text", "one\n");
    task.commit_all();
    task.git(&[
        "remote",
        "add",
        "origin",
        "https://secret@example.org/a.git",
    ]);
    let task = task.cwd("sub");
    let done = task.run();
    let workspace = done.dir.join("workspace/sub");
    assert_eq!(
        done.log.stdout(),
        ["trunk", "Somebody", "Codex", workspace.to_str().unwrap()]
    );
}

#[test]
fn a_public_origin_and_the_name_of_the_repository_are_kept() {
    let task = Task::new("git remote get-url origin; git config user.name");
    task.write("text", "one\n");
    task.commit_all();
    task.git(&["remote", "add", "origin", "git@example.org:a.git"]);
    task.git(&["config", "user.name", "The House"]);
    assert_eq!(
        task.run().log.stdout(),
        ["git@example.org:a.git", "The House"]
    );
}

#[test]
fn detached_bare_empty_and_linked_repositories_are_copied() {
    // Detached.
    let task = Task::new("cat text; git rev-parse --abbrev-ref HEAD");
    task.write("text", "one\n");
    task.commit_all();
    task.write("text", "two\n");
    task.commit_all();
    task.git(&["checkout", "--quiet", "--detach", "HEAD~1"]);
    let done = task.run();
    assert_eq!(done.log.stdout(), ["one", "HEAD"]);
    assert_eq!(done.log.events("runner.started")[0].get("branch"), None);

    // Bare, and a folder in it.
    let task = Task::new("cat text; echo two > text");
    task.write("sub/text", "one\n");
    task.commit_all();
    git(
        task.dir.path(),
        &["clone", "--quiet", "--bare", "repository", "bare"],
    );
    let bare = task.dir.path().join("bare");
    let task = task
        .env("CODEX_REPOSITORY_PATH", &bare)
        .env("CODEX_TASK_CWD", bare.join("sub"));
    let done = task.run();
    assert_eq!(done.log.stdout(), ["one"]);
    assert_eq!(done.patch()["files"], 1);

    // No commit yet.
    let task = Task::new("cat text; echo two > text");
    task.write("text", "one\n");
    task.git(&["init", "--quiet"]);
    let done = task.run();
    assert_eq!(done.log.stdout(), ["one"]);
    assert_eq!(done.patch()["files"], 1);

    // A linked work tree whose repository is there.
    let task = Task::new("cat text; git rev-parse --abbrev-ref HEAD");
    task.write("text", "one\n");
    task.commit_all();
    task.git(&["worktree", "add", "--quiet", "-b", "side", "../linked"]);
    let linked = task.dir.path().join("linked");
    let task = task
        .env("CODEX_REPOSITORY_PATH", &linked)
        .env("CODEX_TASK_CWD", &linked);
    assert_eq!(task.run().log.stdout(), ["one", "side"]);

    // And one whose repository is not.
    let task = Task::new("cat text; git status 2>&1 | head -c 5");
    task.write("text", "one\n");
    task.write(".git", "gitdir: /nonexistent/worktrees/a\n");
    let done = task.run();
    assert_eq!(done.log.stdout(), ["one", "fatal"]);
    assert_eq!(done.log.events("runner.warning").len(), 1);
}

#[test]
fn a_folder_inside_of_a_work_tree_is_copied_alone() {
    let task = Task::new("ls -A; echo two > text");
    task.write("sub/text", "one\n");
    task.write("other", "secret\n");
    task.commit_all();
    let sub = task.repository().join("sub");
    let done = task
        .env("CODEX_REPOSITORY_PATH", &sub)
        .env("CODEX_TASK_CWD", &sub)
        .run();
    assert_eq!(done.log.stdout(), ["text"]);
    assert!(
        done.patch()["patch"]
            .as_str()
            .unwrap()
            .contains("a/text b/text")
    );
}

#[test]
fn only_commits_are_copied_and_the_original_stays_dirty() {
    let task = Task::new("cat text; ls");
    task.write("text", "one\n");
    task.commit_all();
    task.write("text", "dirty\n");
    task.write("untracked", "x");
    let done = task.run();
    assert_eq!(done.log.stdout(), ["one", "text"]);
    assert_eq!(
        git(&done.dir.join("repository"), &["status", "--short"]),
        " M text\n?? untracked"
    );
}

#[test]
fn a_dirty_repository_of_somebody_else_is_copied() {
    if !is_root() {
        eprintln!("skipped: only root can give files to another user");
        return;
    }
    let task = Task::new(
        "cat text; git status --short; git log --oneline | wc -l; git -C \"$REPOSITORY\" rev-parse --is-bare-repository",
    );
    task.write("text", "one\n");
    task.write("closed", "x\n");
    task.commit_all();
    task.write("text", "dirty\n");
    let repository = task.repository();
    let task = task.env("CODEX_ENV_REPOSITORY", &repository).user(65_534);
    let mut command = task.command();
    // The command gave everything to the user of the task; the repository goes to a third one.
    assert!(
        Command::new("chown")
            .args(["-R", "1234"])
            .arg(&repository)
            .status()
            .unwrap()
            .success()
    );
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for wanted in [
        r#""line":"one""#,
        r#""line":"1""#,
        r#""line":"false""#,
        r#""exit_code":0"#,
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(!text.contains(r#""line":" M"#), "{text}");
}

#[test]
fn what_cannot_be_read_is_told_and_is_no_change() {
    if !is_root() {
        eprintln!("skipped: only root can hide files from the task");
        return;
    }
    let task = Task::new("ls -A; echo two > text");
    task.write("text", "one\n");
    task.write("hidden/file", "x\n");
    task.write("secret", "x\n");
    let repository = task.repository();
    let task = task.user(65_534);
    let mut command = task.command();
    for path in ["hidden", "secret"] {
        let path = repository.join(path);
        std::os::unix::fs::chown(&path, Some(0), Some(0)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("runner.warning") && text.contains("may not read"),
        "{text}"
    );
    assert!(
        text.contains(r#"\"files\":1"#) && !text.contains("deleted file"),
        "{text}"
    );
}
