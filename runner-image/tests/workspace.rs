//! The task's own copy, and the patch of what it did there.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use support::{Task, git, is_root};

/// What an agent may do to a repository.
const WORK: &str = r#"
    set -e
    echo changed >> text
    rm gone
    mv moved 'renamed "file" ü'
    chmod +x script
    printf '\000\001\377' > binary
    printf 'k\344se\n' >> latin
    ln -s text link
    mkdir -p new/deep && echo new > new/deep/file
    echo ignored > x.log
    head -c 1000 /dev/zero | tr '\0' 'é' > lines
"#;

fn repository_for_work(task: &Task) {
    task.write("text", "one\ntwo\n");
    task.write("gone", "gone\n");
    task.write("moved", "a line\n".repeat(50));
    task.write("script", "#!/bin/sh\n");
    task.write("binary", [0, 1, 2, 3]);
    task.write("latin", b"stra\xdfe\n");
    task.write(".gitignore", "*.log\n");
    task.write("a/b/c", "c\n");
}

/// Applies the patch to a fresh copy and compares all files but those of git and the ignored ones.
fn assert_patch_applies(done: &support::Done, fresh: &Path) {
    done.apply_patch(fresh);
    let output = Command::new("diff")
        .args([
            "--recursive",
            "--no-dereference",
            "--exclude=.git",
            "--exclude=*.log",
        ])
        .args([fresh, &done.dir.join("workspace")])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let mode = fs::metadata(fresh.join("script"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o100, 0o100);
}

#[test]
fn the_patch_of_a_git_repository_has_everything() {
    let task = Task::new(format!(
        "{WORK}git add text; git commit -qm 'by the agent'; git rm -q --cached a/b/c; git status --short >&2"
    ));
    repository_for_work(&task);
    task.commit_all();
    let commit = task.git(&["rev-parse", "HEAD"]);
    let fresh = task.dir.path().join("fresh");
    git(
        task.dir.path(),
        &["clone", "--quiet", "repository", "fresh"],
    );
    let done = task.run();
    done.assert_end(Some(0), None);
    let started = done.log.events("runner.started").remove(0);
    assert_eq!(
        (started["commit"].as_str(), started["branch"].as_str()),
        (Some(commit.as_str()), Some("trunk"))
    );
    let patch = done.patch();
    assert_eq!(patch["truncated"], false);
    assert_eq!(patch["files"], 9, "{patch}");
    assert!(
        patch["patch"]
            .as_str()
            .unwrap()
            .contains("rename from moved")
    );
    assert_patch_applies(&done, &fresh);
    // The original is as it was.
    assert_eq!(
        git(&done.dir.join("repository"), &["status", "--short"]),
        ""
    );
}

#[test]
fn the_patch_of_a_folder_has_everything() {
    let task = Task::new(format!("{WORK}rm -r a; ln -s /etc a"));
    repository_for_work(&task);
    let fresh = task.dir.path().join("fresh");
    assert!(
        Command::new("cp")
            .args(["-a"])
            .arg(task.repository())
            .arg(&fresh)
            .status()
            .unwrap()
            .success()
    );
    let done = task.run();
    done.assert_end(Some(0), None);
    assert_eq!(done.log.events("runner.started")[0].get("commit"), None);
    assert_eq!(done.patch()["truncated"], false);
    assert_patch_applies(&done, &fresh);
}

#[test]
fn without_changes_there_is_no_patch() {
    for is_git in [true, false] {
        let task = Task::new("cat text; touch text; echo x > y.log");
        repository_for_work(&task);
        if is_git {
            task.commit_all();
        }
        let done = task.run();
        done.assert_end(Some(0), None);
        assert!(done.log.events("runner.patch").is_empty());
        assert!(done.log.events("runner.warning").is_empty());
    }
}

#[test]
fn a_file_of_the_same_size_and_second_is_seen_as_changed() {
    let task = Task::new("printf 'two\\ntwo\\n' > text");
    repository_for_work(&task);
    task.commit_all();
    let done = task.run();
    assert!(
        done.patch()["patch"]
            .as_str()
            .unwrap()
            .contains("\n-one\n+two\n")
    );
}

#[test]
fn a_patch_that_is_too_long_keeps_whole_files() {
    for is_git in [true, false] {
        let task =
            Task::new("echo small > a; seq 1 2000000 > b; seq 1 3000000 > c; echo small > d");
        task.write("old", "old\n");
        if is_git {
            task.commit_all();
        }
        let fresh = task.dir.path().join("fresh");
        fs::create_dir(&fresh).unwrap();
        let done = task.run();
        let patch = done.patch();
        assert_eq!(patch["truncated"], true);
        done.apply_patch(&fresh);
        assert_eq!(fs::read_to_string(fresh.join("a")).unwrap(), "small\n");
    }
}

#[test]
fn a_failed_task_leaves_a_patch_too() {
    let task = Task::new("echo half > new; exit 1");
    task.write("text", "one\n");
    task.commit_all();
    let done = task.run();
    done.assert_end(Some(1), Some("ExitCode"));
    assert_eq!(done.patch()["files"], 1);
}

#[test]
fn what_the_agent_does_to_git_runs_nothing_and_hides_nothing() {
    let task = Task::new(
        r#"
        echo new > new
        evil="touch $TMPDIR/evil; exit 1"
        git config core.fsmonitor "sh -c '$evil'"
        git config core.hooksPath "$PWD/hooks"; mkdir hooks
        for hook in post-index-change pre-commit post-checkout; do
            printf '#!/bin/sh\n%s\n' "$evil" > hooks/$hook; chmod +x hooks/$hook
        done
        git config filter.evil.clean "sh -c '$evil'"; git config filter.evil.smudge "sh -c '$evil'"
        git config diff.evil.textconv "sh -c '$evil'"; git config diff.external "sh -c '$evil'"
        printf '* filter=evil diff=evil\n' > .gitattributes
        echo new > .git/info/exclude 2> /dev/null || { mkdir -p .git/info; echo '*' > .git/info/exclude; }
        rm -f "$TMPDIR/evil"
        "#,
    );
    task.write("text", "one\n");
    task.commit_all();
    let done = task.run();
    done.assert_end(Some(0), None);
    assert!(!done.dir.join("tmp/evil").exists());
    assert!(done.patch()["patch"].as_str().unwrap().contains("b/new"));
}

#[test]
fn a_workspace_without_its_git_folder_still_has_a_patch() {
    let task = Task::new("rm -rf .git; echo new > new");
    task.write("text", "one\n");
    task.commit_all();
    // The objects of the original are enough.
    assert_eq!(task.run().patch()["files"], 1);
}

#[test]
fn nested_repositories_do_not_hide_the_rest() {
    let task = Task::new(
        "git init -q empty; git init -q full; (cd full; echo x > x; git add x; git commit -qm x); echo new > new",
    );
    task.write("text", "one\n");
    task.commit_all();
    let done = task.run();
    done.assert_end(Some(0), None);
    assert!(
        done.patch()["patch"].as_str().unwrap().contains("b/new"),
        "{:?}",
        done.log.pieces
    );
}

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

#[test]
fn a_cwd_that_leads_out_is_refused() {
    for cwd in ["..", "link", "absolute", "loop", "missing", "text"] {
        let task = Task::new("echo never");
        task.write("text", "one\n");
        symlink("..", task.repository().join("link")).unwrap();
        symlink("/etc", task.repository().join("absolute")).unwrap();
        symlink("loop", task.repository().join("loop")).unwrap();
        task.commit_all();
        let done = task.cwd(cwd).run();
        done.assert_exit(1);
        done.assert_end(None, Some("InvalidCwd"));
        assert!(done.log.stdout().is_empty());
    }
}

#[test]
fn a_link_in_the_copy_that_leads_out_is_refused() {
    // What is committed is a link, and what is in the work tree is a folder.
    let task = Task::new("echo never");
    symlink("/etc", task.repository().join("place")).unwrap();
    task.commit_all();
    fs::remove_file(task.repository().join("place")).unwrap();
    fs::create_dir(task.repository().join("place")).unwrap();
    task.cwd("place").run().assert_end(None, Some("InvalidCwd"));
}

#[test]
fn a_repository_that_is_not_there_is_told() {
    let task = Task::new("");
    let missing = task.dir.path().join("missing");
    let done = task
        .env("CODEX_REPOSITORY_PATH", &missing)
        .env("CODEX_TASK_CWD", &missing)
        .run();
    done.assert_exit(1);
    done.assert_end(None, Some("Workspace"));
}

#[test]
fn a_workspace_that_is_not_empty_is_told() {
    let task = Task::new("");
    task.write("text", "one\n");
    task.commit_all();
    fs::write(task.workspace().join("something"), "").unwrap();
    let done = task.run();
    done.assert_end(None, Some("Workspace"));
    assert!(
        done.end()
            .message
            .as_deref()
            .unwrap()
            .contains("not an empty directory")
    );
}
