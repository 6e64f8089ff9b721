//! What a task leaves through the pod-proxy: the record of a long log, and its session.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::time::Duration;

use codex_tasklog::{Artifact, Folder, Frame, FrameHasher, ObjectStore as _, read_spool};
use futures::TryStreamExt as _;
use nix::sys::signal::Signal;
use support::{Answer, Done, Proxy, Received, TOKEN, Task, is_root, wait_until};

/// Some 2 MB of frames, in bursts on both streams and with a line that is longer than a frame.
const LONG: &str = r#"
    for i in $(seq 40); do
        seq -f "burst $i line %g of this long log" 300
        seq -f "burst $i complaint %g" 50 >&2
    done
    head -c 20000 /dev/zero | tr '\0' 'x'; echo
    echo '{"type":"turn.completed","usage":{}}'
"#;

fn stored() -> Answer {
    Answer::Body(b"{}".to_vec())
}

fn long(proxy: &Proxy) -> Task {
    Task::new(LONG)
        .env("CODEX_POD_PROXY_URL", &proxy.url)
        .env("CODEX_LOG_BUDGET_BYTES", "100000")
}

/// The frames of an upload, read as the operator reads them.
fn frames(upload: &Received) -> Vec<Frame> {
    let dir = tempfile::tempdir().unwrap();
    let store = Folder::new(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        let key = Artifact::Frames.key("t1").unwrap();
        let object = upload.body.clone().into();
        store.replace(&key, object).await.unwrap();
        let stream = read_spool(&store, "t1").await.unwrap().unwrap();
        let batches: Vec<_> = stream.try_collect().await.unwrap();
        batches
            .concat()
            .iter()
            .map(|frame| Frame::clone(frame))
            .collect()
    })
}

fn warnings(done: &Done) -> Vec<String> {
    let warnings = done.log.events("runner.warning");
    let text = |event: &serde_json::Value| event["message"].as_str().unwrap().to_owned();
    warnings.iter().map(text).collect()
}

#[test]
fn the_record_of_a_long_log_is_the_log() {
    let proxy = Proxy::start([stored()]);
    let done = long(&proxy).run();
    done.assert_end(Some(0), None);
    assert!(warnings(&done).is_empty());
    let end = done.end();
    assert_eq!(end.spooled, Some(end.last));

    let [upload] = &proxy.received()[..] else {
        panic!("{} requests", proxy.received().len());
    };
    assert_eq!(upload.line, "PUT /artifacts/frames.ndjson.zst HTTP/1.1");
    assert_eq!(upload.authorization, format!("Bearer {TOKEN}"));
    let spooled = frames(upload);
    assert_eq!(spooled.len() as u64, end.last);
    let mut hasher = FrameHasher::default();
    spooled.iter().for_each(|frame| hasher.update(frame));
    assert_eq!(hasher.hex(), end.sha256);
    let (_, before_end) = done.log.frames.split_last().unwrap();
    assert_eq!(spooled, before_end);
    assert!(done.log.frames.len() > 40 * 350);
}

#[test]
fn a_short_log_needs_no_record() {
    let proxy = Proxy::start([stored()]);
    let done = long(&proxy)
        .env("CODEX_LOG_BUDGET_BYTES", "100000000")
        .run();
    assert_eq!(done.end().spooled, None);
    let done = long(&proxy).env("CODEX_SPOOL_BYTES", "0").run();
    assert_eq!(done.end().spooled, None);
    assert!(warnings(&done).is_empty());
    assert!(proxy.received().is_empty());
}

#[test]
fn a_pod_proxy_that_stumbles_is_asked_again() {
    let proxy = Proxy::start([
        Answer::Break,
        Answer::Status(503, "archive_unavailable"),
        stored(),
    ]);
    let done = long(&proxy).run();
    let end = done.end();
    assert_eq!(end.spooled, Some(end.last));
    let received = proxy.received();
    assert_eq!(received.len(), 3);
    assert_eq!(
        received[1].body, received[2].body,
        "each try sends the whole"
    );
    assert_eq!(frames(&received[2]).len() as u64, end.last);
}

#[test]
fn without_a_record_the_task_ends_as_it_would() {
    for (answer, word) in [
        (
            Answer::Status(413, "body_too_large"),
            "because of body_too_large",
        ),
        (
            Answer::Status(401, "unauthorized"),
            "because of unauthorized",
        ),
    ] {
        let proxy = Proxy::start([answer]);
        let done = long(&proxy).run();
        done.assert_exit(0);
        done.assert_end(Some(0), None);
        assert_eq!(done.end().spooled, None);
        assert_eq!(proxy.received().len(), 1, "it is not asked again");
        let [warning] = &warnings(&done)[..] else {
            panic!("{:?}", warnings(&done));
        };
        assert!(warning.contains(word), "{warning}");
    }
    // Where nothing is kept, nobody has to be warned.
    let proxy = Proxy::start([Answer::Status(404, "no_archive")]);
    let done = long(&proxy).run();
    assert_eq!((done.end().spooled, warnings(&done).len()), (None, 0));
}

#[test]
fn a_record_that_grows_too_large_is_given_up() {
    let proxy = Proxy::start([stored()]);
    let done = long(&proxy).env("CODEX_SPOOL_BYTES", "2000").run();
    done.assert_end(Some(0), None);
    assert_eq!(done.end().spooled, None);
    let warnings = warnings(&done);
    assert!(
        warnings[0].contains("larger than 2000 bytes"),
        "{warnings:?}"
    );
    assert!(proxy.received().is_empty());
}

#[test]
fn handing_in_fits_into_the_grace_period() {
    let proxy = Proxy::start([Answer::Hang]);
    let grace = Duration::from_secs(4);
    let mut running = Task::new(format!("{LONG}\necho ready; sleep 60"))
        .env("CODEX_POD_PROXY_URL", &proxy.url)
        .env("CODEX_LOG_BUDGET_BYTES", "100000")
        .env("CODEX_GRACE_SECONDS", grace.as_secs().to_string())
        .start();
    running.wait_for_line("ready");
    let told = std::time::Instant::now();
    running.signal(Signal::SIGTERM);
    let done = running.finish();
    assert!(told.elapsed() < grace, "{:?}", told.elapsed());
    done.assert_end(None, Some("Canceled"));
    assert_eq!(done.end().spooled, None);
    assert!(warnings(&done).last().unwrap().contains("had to stop"));
}

#[test]
fn a_canceled_task_leaves_its_record_too() {
    let proxy = Proxy::start([stored()]);
    let mut running = Task::new(format!("{LONG}\necho ready; sleep 60"))
        .env("CODEX_POD_PROXY_URL", &proxy.url)
        .env("CODEX_LOG_BUDGET_BYTES", "100000")
        .start();
    running.wait_for_line("ready");
    running.signal(Signal::SIGTERM);
    let done = running.finish();
    done.assert_end(None, Some("Canceled"));
    assert_eq!(done.end().spooled, Some(done.end().last));
    assert_eq!(frames(&proxy.received()[0]).len() as u64, done.end().last);
}

#[test]
fn the_agent_finds_no_file_to_change() {
    let proxy = Proxy::start([stored()]);
    let script = format!(
        r#"{LONG}
        for file in /proc/$PPID/fd/* /proc/$PPID/map_files/*; do
            (echo forged > "$file") 2> /dev/null && echo "$file was written"
        done
        find "$TMPDIR" -type f -exec sh -c 'grep -q burst "$1" && echo "found $1"' - {{}} \;
        ls -A "$TMPDIR" | grep -v '^codex-\|^git' | head; echo searched"#
    );
    let task = Task::new(script)
        .env("CODEX_POD_PROXY_URL", &proxy.url)
        .env("CODEX_LOG_BUDGET_BYTES", "100000");
    let task = if is_root() { task.user(65_534) } else { task };
    let done = task.run();
    let end = done.end();
    assert_eq!(end.spooled, Some(end.last));
    let after: Vec<_> = done.log.stdout().into_iter().skip(40 * 300 + 1).collect();
    assert_eq!(after, ["searched"], "the file has no name and no open door");
    let spooled = frames(&proxy.received()[0]);
    assert!(
        spooled
            .iter()
            .all(|frame| !frame.to_json(None).contains("forged"))
    );
}

#[test]
fn a_session_is_left_and_gone_on_with() {
    const THREAD: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    let head = format!(
        r#"{{"timestamp":"T","type":"session_meta","payload":{{"id":"{THREAD}","timestamp":"2026-01-02T03:04:05Z"}}}}"#
    );
    let script = format!(
        r#"mkdir -p "$CODEX_HOME/sessions/2026/01/02"
        echo '{head}' > "$CODEX_HOME/sessions/2026/01/02/rollout-x-{THREAD}.jsonl"
        echo '{{"type":"thread.started","thread_id":"{THREAD}"}}'"#
    );
    let proxy = Proxy::start([stored()]);
    let done = Task::new(script)
        .env("CODEX_POD_PROXY_URL", &proxy.url)
        .run();
    done.assert_end(Some(0), None);
    let upload = proxy.received().remove(0);
    assert_eq!(upload.line, "PUT /artifacts/session.jsonl.zst HTTP/1.1");

    let proxy = Proxy::start([Answer::Body(upload.body), stored()]);
    let done =
        Task::new(r#"printf '%s\n' "$@" | tail -4; cat "$CODEX_HOME"/sessions/*/*/*/*.jsonl"#)
            .env("CODEX_POD_PROXY_URL", &proxy.url)
            .env("CODEX_RESUME_FROM", "t0")
            .run();
    assert_eq!(done.log.stdout()[1..4], ["resume", THREAD, "-"]);
    assert_eq!(
        done.log.events("session_meta").len(),
        1,
        "the session is there"
    );
    let asked = &proxy.received()[0];
    assert_eq!(asked.line, "GET /artifacts/session HTTP/1.1");
    assert_eq!(asked.authorization, format!("Bearer {TOKEN}"));
}

#[test]
fn without_the_session_the_task_does_not_begin() {
    for (answer, word) in [
        (Answer::Status(404, "no_session"), "because of no_session"),
        (
            Answer::Body(b"no session".to_vec()),
            "t0 cannot be continued",
        ),
    ] {
        let proxy = Proxy::start([answer]);
        let done = Task::new("echo never")
            .env("CODEX_POD_PROXY_URL", &proxy.url)
            .env("CODEX_RESUME_FROM", "t0")
            .run();
        done.assert_exit(1);
        done.assert_end(None, Some("SessionMissing"));
        let message = done.end().message.clone().unwrap();
        assert!(
            message.contains(word) && message.contains("start a new task"),
            "{message}"
        );
        assert!(done.log.stdout().is_empty());
    }
}

#[test]
fn a_lost_session_is_told_and_costs_nothing_else() {
    const THREAD: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    let proxy = Proxy::start([Answer::Status(409, "artifact_exists")]);
    let done = Task::new(format!(
        r#"mkdir -p "$CODEX_HOME/sessions/1/1/1"; echo x > "$CODEX_HOME/sessions/1/1/1/r-{THREAD}.jsonl"
        echo '{{"type":"thread.started","thread_id":"{THREAD}"}}'"#
    ))
    .env("CODEX_POD_PROXY_URL", &proxy.url)
    .run();
    done.assert_exit(0);
    wait_until(|| !proxy.received().is_empty());
    let warnings = warnings(&done);
    assert!(warnings[0].contains("cannot be continued"), "{warnings:?}");
}
