//! However a task ends, it ends whole: the end frame says how, and nothing is left behind.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::time::Duration;

use nix::sys::signal::Signal;
use support::{Task, is_alive, is_root};

#[test]
fn exit_codes_are_passed_on() {
    let done = Task::new("exit 3").run();
    done.assert_exit(3);
    done.assert_end(Some(3), Some("ExitCode"));
    assert!(
        done.end()
            .message
            .as_deref()
            .unwrap()
            .contains("exit code 3")
    );
}

#[test]
fn the_message_is_that_of_the_failed_turn() {
    let done = Task::new(
        r#"echo '{"type":"error","message":"Reconnecting"}'
           echo '{"type":"turn.failed","error":{"message":"no quota"}}'
           echo 'a complaint' >&2; exit 1"#,
    )
    .run();
    assert_eq!(done.end().message.as_deref(), Some("no quota"));
    let done = Task::new("echo 'a complaint' >&2; echo >&2; exit 2").run();
    assert_eq!(done.end().message.as_deref(), Some("a complaint"));
}

#[test]
fn a_crash_is_told_from_an_exit() {
    for (signal, name) in [(11, "SIGSEGV"), (9, "SIGKILL"), (34, "34")] {
        let done = Task::new(format!("echo before; kill -{signal} $$; sleep 10")).run();
        done.assert_exit(128 + signal);
        done.assert_end(None, Some("CodexCrashed"));
        let message = done.end().message.clone().unwrap();
        assert!(message.contains(name), "{message}");
        assert_eq!(done.log.stdout(), ["before"]);
    }
}

#[test]
fn without_codex_the_end_says_so() {
    let done = Task::new("").env("CODEX_BIN", "/nonexistent/codex").run();
    done.assert_exit(1);
    done.assert_end(None, Some("CodexMissing"));
    assert!(
        done.end()
            .message
            .as_deref()
            .unwrap()
            .contains("/nonexistent/codex")
    );
}

#[test]
fn what_is_not_configured_is_named_without_frames() {
    for name in ["CODEX_FRAME_NONCE", "CODEX_TASK_TOKEN", "CODEX_TASK_CWD"] {
        let done = Task::new("").without(name).run();
        done.assert_exit(64);
        assert!(done.log.frames.is_empty());
        assert!(done.stderr.contains(name), "{}", done.stderr);
    }
}

#[test]
fn a_prompt_that_is_not_there_ends_the_task() {
    let done = Task::new("")
        .env("CODEX_TASK_PROMPT_FILE", "/nonexistent/prompt")
        .run();
    done.assert_exit(1);
    done.assert_end(None, Some("Workspace"));
}

/// Leaves an orphan, a child in a session of its own, and one that ignores SIGTERM; all hold the pipes open.
const LEFTOVERS: &str = r#"
    (sleep 300 & echo $!)
    setsid sleep 300 & echo $!
    setsid sh -c 'trap "" TERM INT HUP; echo $$; while :; do sleep 300; done' &
    sleep 0.5
"#;

#[test]
fn nothing_outlives_codex() {
    let done = Task::new(LEFTOVERS).run();
    done.assert_end(Some(0), None);
    let left = done.log.stdout();
    assert_eq!(left.len(), 3, "{left:?}");
    for pid in left {
        assert!(!is_alive(pid), "{pid} is still there");
    }
    assert!(done.took < Duration::from_secs(10), "{:?}", done.took);
}

#[test]
fn nothing_outlives_codex_as_pid_1() {
    if !is_root() {
        eprintln!("skipped: a PID namespace needs root here");
        return;
    }
    // The numbers are those of the namespace: what is alive in it would keep it, and unshare, alive.
    let done = Task::new(LEFTOVERS).with_pid_1().run();
    done.assert_exit(0);
    done.assert_end(Some(0), None);
    assert_eq!(done.log.stdout().len(), 3);
    assert!(done.took < Duration::from_secs(10), "{:?}", done.took);
}

#[test]
fn output_until_the_end_is_kept() {
    let script = "(sleep 0.1; echo from an orphan; sleep 300) & echo last; exit 0";
    let done = Task::new(format!("trap '' TERM; {script}")).run();
    // The orphan ignores SIGTERM and has half a second more.
    assert_eq!(done.log.stdout(), ["last", "from an orphan"]);
}

#[test]
fn a_signal_interrupts_codex() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut running =
            Task::new("trap 'echo interrupted; exit 1' INT; echo > new; echo ready; while :; do sleep 0.02; done").start();
        running.wait_for_line("ready");
        running.signal(signal);
        let done = running.finish();
        done.assert_exit(1);
        done.assert_end(Some(1), Some("Canceled"));
        assert_eq!(done.log.stdout(), ["ready", "interrupted"]);
        assert_eq!(done.patch()["files"], 1);
        assert!(done.took < Duration::from_secs(5), "{:?}", done.took);
    }
}

#[test]
fn whoever_finishes_in_spite_of_the_signal_has_finished() {
    let mut running =
        Task::new("trap 'exit 0' INT; echo ready; while :; do sleep 0.02; done").start();
    running.wait_for_line("ready");
    running.signal(Signal::SIGTERM);
    let done = running.finish();
    done.assert_exit(0);
    done.assert_end(Some(0), None);
}

#[test]
fn the_ladder_ends_what_ignores_signals_within_the_grace() {
    for (trap, code) in [("trap '' INT", 143), ("trap '' INT TERM", 137)] {
        let script = format!(
            "{trap}; setsid sh -c \"{trap}; echo child \\$\\$; while :; do sleep 1; done\" & echo a > new; echo ready; while :; do sleep 1; done"
        );
        let mut running = Task::new(script).env("CODEX_GRACE_SECONDS", "3").start();
        running.wait_for_line("ready");
        let asked = std::time::Instant::now();
        running.signal(Signal::SIGTERM);
        let done = running.finish();
        assert!(
            asked.elapsed() < Duration::from_secs(3),
            "{trap}: {:?}",
            asked.elapsed()
        );
        done.assert_exit(code);
        done.assert_end(None, Some("Canceled"));
        assert_eq!(done.patch()["files"], 1);
        let child = done
            .log
            .stdout()
            .into_iter()
            .find_map(|line| line.strip_prefix("child "))
            .unwrap();
        assert!(!is_alive(child));
    }
}

#[test]
fn a_signal_stops_the_preparation() {
    let task = Task::new("");
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/slow-version");
    let signs = task.dir.path().join("home");
    let path = format!("/usr/bin:/bin:{}", signs.display());
    let running = task.env("CODEX_BIN", fixture).env("PATH", path).start();
    support::wait_until(|| signs.join("asked").exists());
    running.signal(Signal::SIGTERM);
    let done = running.finish();
    done.assert_exit(143);
    done.assert_end(None, Some("Canceled"));
    assert!(done.log.events("runner.started").is_empty());
}
