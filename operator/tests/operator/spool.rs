//! Stores that stall never reach the container's log, and what waits for them outlives the operator.

use codex_crds::{CodexTask, Phase, conditions, meta};
use codex_tasklog::LiveLog as _;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::archive::long_lines;
use crate::support::{World, condition, eventually, lines, whole};

/// How many bytes wait in files.
fn spooled(world: &World) -> u64 {
    let folders = std::fs::read_dir(world.setup.path("spool"))
        .into_iter()
        .flatten()
        .flatten();
    let files = folders.filter_map(|folder| std::fs::read_dir(folder.path()).ok());
    let sizes = files
        .flatten()
        .flatten()
        .filter_map(|file| file.metadata().ok());
    sizes.map(|metadata| metadata.len()).sum()
}

/// Waits until so many frames, the last one among them, are in files.
async fn until_spooled(world: &World, frames: usize) {
    let count = || {
        let folders = std::fs::read_dir(world.setup.path("spool")).ok()?;
        let files = folders
            .flatten()
            .flat_map(|folder| std::fs::read_dir(folder.path()));
        let texts = files
            .flatten()
            .flatten()
            .flat_map(|file| std::fs::read(file.path()));
        Some(texts.flatten().filter(|byte| *byte == b'\n').count())
    };
    let reached = eventually(async || (count()? >= frames).then_some(())).await;
    assert!(reached.is_some(), "the spool has only {:?} frames", count());
}

async fn ends_whole(world: &World, id: &str, written: &[String]) {
    let status = world.until_phase(id, Phase::Completed).await;
    let archived = condition(&status, conditions::ARCHIVED).unwrap();
    assert_eq!(archived.reason, "Archived", "{}", archived.message);
    let frames = world.archived(id).await;
    whole(&frames);
    assert!(lines(&frames) == written, "the log is not what was written");
    let emptied = eventually(async || (spooled(world) == 0).then_some(())).await;
    assert!(emptied.is_some(), "the spool keeps what is archived");
}

/// The live log is full, and the node rotates the container's log meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_log_that_takes_nothing_does_not_hold_up_the_reading() {
    let mut world = World::new().await;
    world.setup.flag("--live-task-bytes=1572864");
    world.setup.archive_away();
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    let mut written = long_lines();
    for line in &written {
        runner.line(line);
    }
    until_spooled(&world, written.len()).await;
    let last = world.setup.live().last(&id).await.unwrap();
    assert!(last < 400, "the live log took {last} frames");
    runner.rotate(runner.lines());
    runner.line("after");
    written.push("after".into());
    world.setup.archive_back();
    runner.exit(0);
    ends_whole(&world, &id, &written).await;
}

/// With the operator dies the live log; what neither store had is in the spool.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_stores_outlives_the_operator() {
    let world = World::new().await;
    world.setup.archive_away();
    let operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    let mut written = long_lines();
    for line in &written {
        runner.line(line);
    }
    until_spooled(&world, written.len()).await;
    operator.kill();
    runner.rotate(runner.lines());
    world.setup.archive_back();
    let operator = world.start();
    runner.line("after");
    written.push("after".into());
    // Whoever watches sees no gap either.
    let live = world.setup.live();
    let reached = eventually(async || (live.last(&id).await.ok()? >= 401).then_some(())).await;
    assert!(reached.is_some());
    let metrics = operator.metrics().await;
    assert!(
        metrics.contains("codex_operator_lost_frames_total 0\n"),
        "{metrics}"
    );
    runner.exit(0);
    ends_whole(&world, &id, &written).await;
}

/// The Pod was deleted too, while no operator was there.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_stores_outlives_the_pod() {
    let world = World::new().await;
    world.setup.archive_away();
    let operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let name = format!("codex-{id}");
    let mut runner = world.run_pod(&id).await;
    world.until_phase(&id, Phase::Running).await;
    let written = long_lines();
    for line in &written {
        runner.line(line);
    }
    until_spooled(&world, written.len()).await;
    operator.kill();
    world.setup.archive_back();
    let patch = json!({"metadata": {"finalizers": null}});
    let pods = world.node.pods();
    pods.patch(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    pods.delete(&name, &kube::api::DeleteParams::default())
        .await
        .unwrap();
    world.node.confirm_deletion(&name).await;
    world.node.lose_log(&name);
    world.until_pod_gone(&id).await;
    let _operator = world.start();
    world.until_phase(&id, Phase::Error).await;
    let frames = world.archived(&id).await;
    whole(&frames);
    assert!(lines(&frames) == written, "the log is not what was written");
}

fn says(task: &CodexTask, kind: &str, reason: &str) -> bool {
    let status = task.status.as_ref();
    let found = status.and_then(|status| condition(status, kind));
    found.is_some_and(|condition| condition.reason == reason)
}

/// A spool that is full stops the reading, nobody is started, and everything goes on when the archive is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_holds_back_new_tasks_and_loses_nothing() {
    let mut world = World::new().await;
    world.setup.flag("--live-task-bytes=1572864");
    world.setup.flag("--spool-total-bytes=131072");
    world.setup.archive_away();
    let operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    let mut written = Vec::new();
    for round in 0..4 {
        for line in long_lines() {
            let line = format!("{round} {line}");
            runner.line(&line);
            written.push(line);
        }
    }
    runner.exit(0);
    let stalled = eventually(async || {
        let metrics = operator.metrics().await;
        (!metrics.contains("codex_operator_spool_stalls_total 0\n")).then_some(())
    })
    .await;
    assert!(stalled.is_some(), "the spool takes more than it may");
    assert!(spooled(&world) <= 131_072);
    let next = world.submit(json!({"prompt": "Next"})).await;
    world
        .until(&next, "held back", |task| {
            says(task, conditions::ADMITTED, "StoragePressure")
        })
        .await;
    world.setup.archive_back();
    ends_whole(&world, &id, &written).await;
    let mut runner = world.run_pod(&next).await;
    runner.exit(0);
    world.until_phase(&next, Phase::Completed).await;
}

/// The stores never come back, and the log of an ended Pod cannot be read to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_behind_a_full_spool_can_be_forced_to_finish() {
    let mut world = World::new().await;
    world.setup.flag("--live-task-bytes=1572864");
    world.setup.flag("--spool-total-bytes=131072");
    world.setup.archive_away();
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    for _ in 0..4 {
        for line in long_lines() {
            runner.line(&line);
        }
    }
    runner.exit(0);
    runner.terminate(0).await;
    world
        .until(&id, "unavailable", |task| {
            says(task, conditions::ARCHIVED, "StorageUnavailable")
        })
        .await;
    world.delete(&id).await;
    let patch = json!({"metadata": {"annotations": {meta::FORCE_FINISH_ANNOTATION: "true"}}});
    world
        .tasks
        .patch(&id, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    world.until_gone(&id).await;
}

/// A finished task leaves nothing, also when the operator died before it could clean up.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_finished_tasks_is_removed() {
    let world = World::new().await;
    let operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("1");
    runner.exit(0);
    runner.terminate(0).await;
    world.until_phase(&id, Phase::Completed).await;
    operator.kill();
    let left = world.setup.path(&format!("spool/{id}_a-pod-that-was"));
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join(format!("{:020}.ndjson", 1)), "{}\n").unwrap();
    let _operator = world.start();
    let removed = eventually(async || (!left.exists()).then_some(())).await;
    assert!(removed.is_some());
}
