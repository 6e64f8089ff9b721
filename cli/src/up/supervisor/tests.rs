use std::path::Path;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    super::{
        process::{Listen, Readiness, Via},
        state::RunState,
    },
    *,
};

fn supervisor(dir: &Path) -> Supervisor {
    Supervisor::new(Arc::new(Shared {
        board: Board::new(dir.join("run.json"), Progress),
        ports: Mutex::new(Ports::open(dir.join("ports.json"))),
        progress: Progress,
        kill: CancellationToken::new(),
    }))
}

fn shell(script: &str) -> ProcessSpec {
    ProcessSpec {
        name: "part",
        title: "the part",
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        env: vec![("PATH", "/usr/bin:/bin".into())],
        listens: vec![Listen {
            via: Via::Env("LISTEN"),
            address: ([127, 0, 0, 1], 0).into(),
            field: "url",
        }],
        account: None,
        readiness: Readiness::Line,
        ready_timeout: Duration::from_secs(20),
        stop_signal: Signal::SIGTERM,
        stop_timeout: Duration::from_secs(10),
    }
}

fn state(dir: &Path) -> RunState {
    serde_json::from_slice(&std::fs::read(dir.join("run.json")).unwrap()).unwrap()
}

async fn until(dir: &Path, condition: impl Fn(&RunState) -> bool) -> RunState {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let state = state(dir);
        if condition(&state) {
            return state;
        }
        assert!(Instant::now() < deadline, "{state:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_part_that_dies_comes_back_at_the_same_address() {
    let dir = tempfile::tempdir().unwrap();
    let supervisor = supervisor(dir.path());
    // Says where it was told to listen; port 0 stands for 4711.
    let spec = shell(
        r#"echo "told $LISTEN" >&2; echo '{"ready":true,"url":"http://127.0.0.1:4711"}'; exec sleep 1000"#,
    );
    let log = dir.path().join("part.log");
    let line = supervisor.start(spec, log.clone()).await.unwrap();
    assert_eq!(line["url"], "http://127.0.0.1:4711");
    let first = until(dir.path(), |state| state.processes["part"].ready)
        .await
        .processes["part"]
        .clone();
    assert_eq!(first.url.as_deref(), Some("http://127.0.0.1:4711"));

    kill(Pid::from_raw(first.pid.cast_signed()), Signal::SIGKILL).unwrap();
    let second = until(dir.path(), |state| {
        state.processes["part"].ready && state.processes["part"].pid != first.pid
    })
    .await;
    assert_eq!(second.processes["part"].restarts, 1);
    let told = std::fs::read_to_string(log).unwrap();
    assert_eq!(told, "told 127.0.0.1:0\ntold 127.0.0.1:4711\n");

    supervisor.stop().await;
    assert_eq!(
        start_ticks(second.processes["part"].pid),
        None,
        "it still runs"
    );
    assert_eq!(
        Ports::open(dir.path().join("ports.json"))
            .address("part.url")
            .port(),
        4711
    );
}

#[tokio::test]
async fn a_part_that_never_gets_ready_fails_the_start_with_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let supervisor = supervisor(dir.path());
    let result = supervisor
        .start(
            shell("echo 'no such database' >&2; exit 1"),
            dir.path().join("log"),
        )
        .await;
    let text = result.unwrap_err().to_string();
    assert!(
        text.contains("exit code 1") && text.contains("no such database"),
        "{text}"
    );
    supervisor.stop().await;
}

#[tokio::test]
async fn what_ignores_the_stop_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let supervisor = supervisor(dir.path());
    let mut spec = shell(
        r#"trap '' TERM; sleep 1000 & echo "{\"ready\":true,\"child\":$!}"; while :; do wait; done"#,
    );
    spec.stop_timeout = Duration::from_millis(50);
    let line = supervisor
        .start(spec, dir.path().join("log"))
        .await
        .unwrap();
    let child = u32::try_from(line["child"].as_u64().unwrap()).unwrap();
    assert!(start_ticks(child).is_some());
    supervisor.stop().await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while start_ticks(child).is_some() {
        assert!(
            Instant::now() < deadline,
            "the child of a killed part lives on"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
