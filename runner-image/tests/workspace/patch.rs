//! The patch: everything that the task did, and nothing that an agent makes git do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{Done, Task, git};

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
fn assert_patch_applies(done: &Done, fresh: &Path) {
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
