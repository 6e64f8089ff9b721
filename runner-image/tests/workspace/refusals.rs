//! Folders that a task does not start in.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::Task;

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
