//! What the processes of a task cannot see or touch.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use support::{NONCE, TOKEN, Task, is_root};

/// A user that root can become; for anybody else the tests run as they are.
fn unprivileged(task: Task) -> Task {
    if is_root() { task.user(65_534) } else { task }
}

#[test]
fn the_agent_can_neither_look_into_the_runner_nor_write_its_frames() {
    let done = unprivileged(Task::new(
        r#"
        for file in environ mem maps cwd/x fd/1 fd/2; do
            if cat /proc/$PPID/$file > /dev/null 2>&1; then echo "$file can be read"; fi
        done
        if ls /proc/$PPID/fd/ > /dev/null 2>&1; then echo "the files can be listed"; fi
        if (echo forged > /proc/$PPID/fd/1) 2> /dev/null; then echo "a frame was forged"; fi
        cat /proc/$PPID/status | grep -c Name
        "#,
    ))
    .run();
    done.assert_end(Some(0), None);
    // The last line shows that the questions reached the runner.
    assert_eq!(done.log.stdout(), ["1"]);
}

#[test]
fn the_secrets_are_gone_from_the_memory_of_the_environment() {
    let mut running = Task::new("echo ready; sleep 30").start();
    running.wait_for_line("ready");
    // Root may look, and so may this test: nothing is left to be seen.
    let environ = std::fs::read(format!("/proc/{}/environ", running.pid()));
    let environ = match environ {
        Ok(environ) => environ,
        Err(error) => {
            assert!(!is_root(), "{error}");
            return;
        }
    };
    let environ = String::from_utf8(environ).unwrap();
    assert!(environ.contains("CODEX_TASK_ID=t1"));
    assert!(
        !environ.contains(TOKEN) && !environ.contains(NONCE),
        "{environ}"
    );
}

#[test]
fn codex_gets_its_own_environment_and_nothing_else() {
    let task = Task::new("env | sort; ulimit -c; pwd")
        .env("CODEX_ENV_CI", "yes")
        .env("CODEX_ENV_PATH", "/evil")
        .env("CODEX_ENV_CODEX_HOME", "/evil")
        .env("SECRET_OF_THE_IMAGE", "x");
    let home = task.dir.path().join("home").display().to_string();
    let tmp = task.dir.path().join("tmp").display().to_string();
    let workspace = task.workspace().display().to_string();
    let done = task.run();
    let bash = if std::path::Path::new("/bin/bash").exists() {
        "/bin/bash"
    } else {
        "/bin/sh"
    };
    // The shell adds PWD.
    let wanted = [
        "CI=yes".to_owned(),
        format!("CODEX_HOME={home}"),
        format!("HOME={home}"),
        "LANG=C.UTF-8".to_owned(),
        "PATH=/usr/local/bin:/usr/bin:/bin".to_owned(),
        format!("PWD={workspace}"),
        format!("SHELL={bash}"),
        "TERM=dumb".to_owned(),
        format!("TMPDIR={tmp}"),
        "USER=codex".to_owned(),
        "0".to_owned(),
        workspace,
    ];
    let found = done.log.stdout();
    let found: Vec<_> = found
        .into_iter()
        .filter(|line| !line.starts_with("_=") && !line.starts_with("OLDPWD="))
        .collect();
    assert_eq!(found, wanted);
}

#[test]
fn codex_gets_the_arguments_that_it_needs() {
    let task = Task::new(r#"printf '%s\n' "$@""#).env("CODEX_MODEL", "gpt-5.5");
    let workspace = task.workspace().display().to_string();
    let done = task.run();
    let wanted = [
        "exec",
        "--json",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
        "-m",
        "gpt-5.5",
        "-C",
        &workspace,
        "-",
    ];
    assert_eq!(done.log.stdout(), wanted);
}

#[test]
fn no_file_of_codex_holds_a_credential() {
    let done = Task::new("ls -A \"$CODEX_HOME\"; cat \"$CODEX_HOME\"/* \"$CODEX_HOME\"/.gitconfig")
        .env(
            "CODEX_MCP_SERVERS",
            r#"{"docs":{"command":"docs","args":["-q"]}}"#,
        )
        .run();
    let text = done.log.stdout().join("\n");
    assert!(
        text.contains("base_url = \"http://127.0.0.1:") && text.contains("[mcp_servers.docs]"),
        "{text}"
    );
    assert!(!text.contains(TOKEN) && !text.contains(NONCE));
}
