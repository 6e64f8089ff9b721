//! Frames that the container's log lost, from the record that the runner uploads.

use codex_crds::{Phase, conditions};
use codex_tasklog::{Artifact, LiveLog as _, SpoolLimits, SpoolWriter};
use serde_json::json;

use crate::support::node::Writer;
use crate::support::operator::Operator;
use crate::support::{World, condition, eventually, lines, whole};

/// Uploads what the runner has kept, as it does before its end frame.
fn upload(world: &World, id: &str, runner: &mut Writer) {
    let mut record = SpoolWriter::new(Vec::new(), SpoolLimits::default()).unwrap();
    record.write(&runner.take_record()).unwrap();
    let (object, _) = record.finish().unwrap();
    let path = world
        .setup
        .archive()
        .join(Artifact::Frames.key(id).unwrap());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, object).unwrap();
}

async fn finished_whole(world: &World, operator: &Operator, id: &str, repaired: u64) {
    let status = world.until_phase(id, Phase::Completed).await;
    let archived = condition(&status, conditions::ARCHIVED).unwrap();
    assert_eq!(archived.reason, "Archived", "{}", archived.message);
    let metrics = operator.metrics().await;
    let line = format!("codex_operator_repaired_frames_total {repaired}\n");
    assert!(metrics.contains(&line), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_frames_come_from_the_record_of_the_runner() {
    let world = World::new().await;
    let operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("1");
    runner.lose("2");
    runner.lose("3");
    runner.line("4");
    // Whoever watches is told at once that something is missing.
    let live = world.setup.live();
    let reached = eventually(async || (live.last(&id).await.ok()? >= 4).then_some(())).await;
    assert!(reached.is_some());
    upload(&world, &id, &mut runner);
    runner.exit(0);
    finished_whole(&world, &operator, &id, 2).await;
    let frames = world.archived(&id).await;
    whole(&frames);
    assert_eq!(lines(&frames), ["1", "2", "3", "4"]);
}

/// The file was rotated between two readings.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_log_is_repaired() {
    let world = World::new().await;
    let first = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    world.node.until_bound(&format!("codex-{id}")).await;
    first.kill();
    let mut runner = world.run_pod(&id).await;
    let expected: Vec<_> = (1..=200).map(|number: u32| number.to_string()).collect();
    for line in &expected {
        runner.line(line);
    }
    upload(&world, &id, &mut runner);
    runner.exit(0);
    runner.rotate(150);
    runner.terminate(0).await;
    let operator = world.start();
    finished_whole(&world, &operator, &id, 150).await;
    let frames = world.archived(&id).await;
    whole(&frames);
    assert_eq!(lines(&frames), expected);
}

/// A record of another log changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_does_not_fit_leaves_the_gap() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("1");
    let short = runner.take_record();
    runner.lose("2");
    runner.line("3");
    runner.take_record();
    let mut record = SpoolWriter::new(Vec::new(), SpoolLimits::default()).unwrap();
    record.write(&short).unwrap();
    let path = world
        .setup
        .archive()
        .join(Artifact::Frames.key(&id).unwrap());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, record.finish().unwrap().0).unwrap();
    runner.exit(0);
    let status = world.until_phase(&id, Phase::Completed).await;
    let archived = condition(&status, conditions::ARCHIVED).unwrap();
    assert_eq!(archived.reason, "LogIncomplete");
    assert_eq!(lines(&world.archived(&id).await), ["1", "3"]);
}
