//! The sandbox, seen from inside.

use std::time::Instant;

use codex_local_cluster::node::plan::objects::Objects;
use codex_local_cluster::node::shim::state::Outcome;
use serde_json::json;

mod node_support;
use node_support::{Bench, config, pod};

fn exited(code: i32) -> Outcome {
    Outcome::Exited { code, out_of_memory: false }
}

#[tokio::test]
async fn exit_codes_and_output_come_out() {
    let bench = Bench::new(config());
    let (outcome, output) = bench.run(&pod("echo out; echo err >&2; exit 7", json!({})), &Objects::default()).await;
    assert_eq!(outcome, exited(7), "{output}");
    assert!(output.contains("out\n") && output.contains("err\n"), "{output}");
    let (outcome, _) = bench.run(&pod("kill -KILL $$; bash -c 'kill -9 $$'; exit $?", json!({})), &Objects::default()).await;
    assert_eq!(outcome, exited(137));
    let start = Instant::now();
    let (outcome, output) = bench.run(&pod("exit 0", json!({})), &Objects::default()).await;
    println!("{output} {:?}", start.elapsed());
    assert_eq!(outcome, exited(0));
}
