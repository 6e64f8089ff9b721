//! How a container's process begins and ends, up to Codex itself.

use std::time::Duration;

use codex_local_cluster::node::config::ImageBind;
use codex_local_cluster::node::plan::objects::Objects;
use codex_local_cluster::node::shim::state::Outcome;
use serde_json::json;

use crate::node_support::{Bench, config, exited, pod, poll};

#[tokio::test]
async fn exit_codes_and_output_come_out() {
    let bench = Bench::new(config());
    let (outcome, output) = bench
        .run(
            &pod("echo out; echo err >&2; exit 7", json!({})),
            &Objects::default(),
        )
        .await;
    assert_eq!(outcome, exited(7), "{output}");
    assert!(
        output.contains("out\n") && output.contains("err\n"),
        "{output}"
    );
    let killed = "bash -c 'kill -9 $BASHPID'; exit $?";
    assert_eq!(
        bench
            .run(&pod(killed, json!({})), &Objects::default())
            .await
            .0,
        exited(137)
    );
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_said() {
    let bench = Bench::new(config());
    let mut pod = pod("", json!({}));
    pod.spec.as_mut().unwrap().containers[0].command = Some(vec!["/no/such/program".to_owned()]);
    let (outcome, _) = bench.run(&pod, &Objects::default()).await;
    let Outcome::CannotRun { message } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(message.contains("/no/such/program"), "{message}");
}

#[tokio::test]
async fn a_stop_is_asked_for_first_and_forced_after() {
    let bench = Bench::new(config());
    let polite = pod(
        "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done",
        json!({}),
    );
    let mut run = bench.start_first(&polite, &Objects::default()).await;
    run.started().await;
    run.wait_for_output("ready").await;
    run.handle.stopper().stop(Duration::from_secs(20)).unwrap();
    assert_eq!(run.exit().await.outcome, exited(3));
    run.wait_for_output("bye").await;

    let deaf = pod("trap '' TERM; echo ready; sleep 60", json!({}));
    let mut run = bench.start_first(&deaf, &Objects::default()).await;
    run.started().await;
    run.wait_for_output("ready").await;
    run.handle.stopper().stop(Duration::from_secs(600)).unwrap();
    // Asking again shortens the time.
    run.handle
        .stopper()
        .stop(Duration::from_millis(100))
        .unwrap();
    assert_eq!(run.exit().await.outcome, exited(137));
}

#[tokio::test]
async fn a_container_dies_with_its_shim() {
    let bench = Bench::new(config());
    let pod = pod("echo ready; sleep 60", json!({}));
    let mut run = bench.start_first(&pod, &Objects::default()).await;
    let started = run.started().await;
    run.wait_for_output("ready").await;
    let shim = run.handle.dir().shim().unwrap();
    shim.signal(rustix::process::Signal::KILL).unwrap();
    assert_eq!(run.exit().await.outcome, Outcome::Lost);
    poll(|| !started.process.is_alive(), "the container to die").await;
}

#[tokio::test]
async fn codex_itself_runs() {
    let config = config();
    let Some(bwrap) = codex_local_cluster::node::preflight::find_bwrap(&config) else {
        panic!("no bubblewrap")
    };
    let package = bwrap
        .parent()
        .and_then(|folder| folder.parent())
        .unwrap()
        .to_owned();
    if !package.join("bin/codex").is_file() {
        println!(
            "skipped: bubblewrap at {} isn't the one of the codex package",
            bwrap.display()
        );
        return;
    }
    let mut config = config;
    config.images.get_mut("test").unwrap().binds = vec![ImageBind {
        source: package,
        target: "/opt/codex".to_owned(),
    }];
    let bench = Bench::new(config);
    let script = "/opt/codex/bin/codex --version && /opt/codex/codex-path/rg --version | head -1";
    let (outcome, output) = bench
        .run(&pod(script, json!({})), &Objects::default())
        .await;
    assert_eq!(outcome, exited(0), "{output}");
    assert!(
        output.contains("codex-cli ") && output.contains("ripgrep"),
        "{output}"
    );
}
