//! Frames that the container's log lost, from the record that the runner uploads.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use codex_crds::{Phase, conditions};
use codex_operator::follow::MOST_REPAIRS;
use codex_tasklog::{Artifact, LiveLog as _, SpoolLimits, SpoolWriter};
use serde_json::json;

use crate::support::node::Writer;
use crate::support::operator::Operator;
use crate::support::{World, condition, eventually, lines, whole};

/// Uploads what the runner has kept, as it does before its end frame.
fn upload(world: &World, id: &str, runner: &mut Writer) -> PathBuf {
    let mut record = SpoolWriter::new(Vec::new(), SpoolLimits::default()).unwrap();
    record.write(&runner.take_record()).unwrap();
    let (object, _) = record.finish().unwrap();
    let path = world
        .setup
        .archive()
        .join(Artifact::Frames.key(id).unwrap());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, object).unwrap();
    path
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

/// A record that whoever reads it waits for.
struct Pipe {
    path: PathBuf,
    record: Vec<u8>,
}

impl Pipe {
    fn instead_of(path: PathBuf) -> Self {
        let record = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let pipe = Self { path, record };
        pipe.make();
        pipe
    }

    fn make(&self) {
        let made = std::process::Command::new("mkfifo")
            .arg(&self.path)
            .status();
        assert!(made.unwrap().success());
    }

    /// The end for writing, if somebody reads. Until it is closed the reader waits.
    fn writer(&self) -> Option<std::fs::File> {
        std::fs::File::options()
            .write(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(&self.path)
            .ok()
    }

    /// Lets the reader have the record. Whoever reads it next gets a pipe of its own.
    fn feed(&self, mut writer: std::fs::File) {
        std::fs::remove_file(&self.path).unwrap();
        self.make();
        writer.write_all(&self.record).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_logs_are_repaired_at_once_and_all_of_them_in_the_end() {
    let mut world = World::new().await;
    let all = MOST_REPAIRS + 2;
    world
        .setup
        .flags
        .push(format!("--max-running-per-user={all}"));
    let operator = world.start();
    let mut pipes = BTreeMap::new();
    for _ in 0..all {
        let id = world.submit(json!({"prompt": "Hello"})).await;
        let mut runner = world.run_pod(&id).await;
        runner.line("1");
        runner.lose("2");
        runner.line("3");
        let path = upload(&world, &id, &mut runner);
        pipes.insert(id, Pipe::instead_of(path));
        runner.exit(0);
    }
    let mut reading = BTreeMap::new();
    let is_full = eventually(async || {
        for (id, pipe) in &pipes {
            if !reading.contains_key(id)
                && let Some(writer) = pipe.writer()
            {
                reading.insert(id.clone(), writer);
            }
        }
        let metrics = operator.metrics().await;
        let others_wait = metrics.contains("\ncodex_operator_waiting_repairs 2\n");
        (others_wait && reading.len() >= MOST_REPAIRS).then_some(())
    });
    assert!(is_full.await.is_some(), "{}", operator.metrics().await);
    assert_eq!(reading.len(), MOST_REPAIRS);

    for (id, writer) in reading {
        pipes[&id].feed(writer);
    }
    let expected = format!("\ncodex_operator_repaired_frames_total {}\n", pipes.len());
    let is_done = eventually(async || {
        // Each is read more than once.
        for pipe in pipes.values() {
            if let Some(writer) = pipe.writer() {
                pipe.feed(writer);
            }
        }
        operator.metrics().await.contains(&expected).then_some(())
    });
    assert!(is_done.await.is_some(), "{}", operator.metrics().await);
    for id in pipes.keys() {
        world.until_phase(id, Phase::Completed).await;
        assert_eq!(lines(&world.archived(id).await), ["1", "2", "3"]);
    }
}
