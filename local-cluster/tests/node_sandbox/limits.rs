//! How much a container may take, and how many run beside each other.

use codex_local_cluster::node::plan::objects::Objects;
use codex_local_cluster::node::shim::state::Outcome;
use serde_json::json;

use crate::node_support::{Bench, config, exited, pod};

#[tokio::test]
async fn memory_is_limited() {
    let bench = Bench::new(config());
    if !bench.runtime.found().cgroups.limits_memory() {
        println!(
            "skipped: no memory control group on this machine: {:?}",
            bench.runtime.found().cgroups
        );
        return;
    }
    let limits = json!({"containers": [{"resources": {"limits": {"memory": "64Mi"}}}]});
    // The process that takes the memory is not the first one, which would go on and hide it.
    let script = "python3 -c 'x = bytearray(256 << 20); print(len(x))'; echo survived; sleep 60";
    let (outcome, output) = bench.run(&pod(script, limits), &Objects::default()).await;
    assert_eq!(
        outcome,
        Outcome::Exited {
            code: 137,
            out_of_memory: true
        },
        "{output}"
    );
}

#[tokio::test]
async fn processes_are_limited() {
    let mut config = config();
    config.pod_pids_limit = 20;
    let bench = Bench::new(config);
    let script = "python3 -c '
import os, time
children = 0
try:
    while children < 100:
        if os.fork() == 0: time.sleep(30); os._exit(0)
        children += 1
except BlockingIOError: pass
print(5 < children < 20, flush=True)
os._exit(0)'";
    let (_, output) = bench
        .run(&pod(script, json!({})), &Objects::default())
        .await;
    assert_eq!(output, "True\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_pods_at_once() {
    let bench = std::sync::Arc::new(Bench::new(config()));
    let runs = (0..50).map(|number| {
        let bench = bench.clone();
        tokio::spawn(async move {
            bench
                .run(
                    &pod(&format!("echo {number}; sleep 0.5"), json!({})),
                    &Objects::default(),
                )
                .await
        })
    });
    for (number, run) in runs.collect::<Vec<_>>().into_iter().enumerate() {
        let (outcome, output) = run.await.unwrap();
        assert_eq!((outcome, output), (exited(0), format!("{number}\n")));
    }
}
