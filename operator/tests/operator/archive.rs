//! Logs are safe while tasks run, and a store that fails holds up nobody.

use codex_crds::{Phase, conditions, meta};
use codex_tasklog::{Archive as _, DirArchive, LiveLog as _};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::support::{World, condition, eventually, lines, whole};

fn says_unavailable(task: &codex_crds::CodexTask) -> bool {
    task.status
        .as_ref()
        .and_then(|status| condition(status, conditions::ARCHIVED))
        .is_some_and(|archived| {
            archived.status == "False" && archived.reason == "StorageUnavailable"
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_stays_until_its_log_is_archived() {
    let world = World::new().await;
    world.setup.archive_away();
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("kept");
    runner.exit(0);
    runner.terminate(0).await;
    let task = world.until(&id, "unavailable", says_unavailable).await;
    assert_eq!(task.phase(), Phase::Running);
    let pod = world.node.pods().get(&format!("codex-{id}")).await.unwrap();
    assert!(pod.metadata.deletion_timestamp.is_none());

    world.setup.archive_back();
    let status = world.until_phase(&id, Phase::Completed).await;
    assert_eq!(
        condition(&status, conditions::ARCHIVED).unwrap().status,
        "True"
    );
    let frames = world.archived(&id).await;
    whole(&frames);
    assert_eq!(lines(&frames), ["kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_can_give_the_log_up() {
    let world = World::new().await;
    world.setup.archive_away();
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.exit(0);
    world.until(&id, "unavailable", says_unavailable).await;
    world.delete(&id).await;
    let patch = json!({"metadata": {"annotations": {meta::FORCE_FINISH_ANNOTATION: "true"}}});
    world
        .tasks
        .patch(&id, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    world.until_gone(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_with_the_archive_ends() {
    let mut world = World::new().await;
    world.setup.flag("--archive-deadline-seconds=1");
    world.setup.archive_away();
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.exit(0);
    let status = world.until_phase(&id, Phase::Completed).await;
    assert!(status.archive.is_none() && status.archived_at.is_none());
    assert_eq!(
        condition(&status, conditions::ARCHIVED).unwrap().status,
        "False"
    );
}

/// While the task runs; and when the archive is back, that shows too.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_task_says_that_its_archive_is_away() {
    let world = World::new().await;
    world.setup.archive_away();
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("1");
    let task = world.until(&id, "unavailable", says_unavailable).await;
    assert_eq!(task.phase(), Phase::Running);

    world.setup.archive_back();
    world
        .until(&id, "uploading", |task| {
            let status = task.status.as_ref();
            let archived = status.and_then(|status| condition(status, conditions::ARCHIVED));
            archived.is_some_and(|archived| {
                archived.status == "Unknown" && archived.reason == "Uploading"
            })
        })
        .await;
    runner.exit(0);
    let status = world.until_phase(&id, Phase::Completed).await;
    let archived = condition(&status, conditions::ARCHIVED).unwrap();
    assert_eq!((&*archived.status, &*archived.reason), ("True", "Archived"));
}

/// More than a chunk.
pub fn long_lines() -> Vec<String> {
    let line = |number| format!("{number} {}", "x".repeat(5_000));
    (0..400).map(line).collect()
}

/// The container's log was rotated, and the operator that had it in memory was killed: what was uploaded is not lost.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_uploaded_outlives_the_operator_and_the_containers_log() {
    let world = World::new().await;
    let operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    let mut written = long_lines();
    for line in &written {
        runner.line(line);
    }
    let archive = DirArchive::new(world.setup.archive());
    let uploaded = eventually(async || {
        let uploaded = archive.uploaded(&id).await.unwrap();
        (uploaded > 100).then_some(uploaded)
    })
    .await
    .expect("nothing is uploaded while the task runs");
    assert!(archive.manifest(&id).await.unwrap().is_none());
    operator.kill();
    runner.rotate(usize::try_from(uploaded).unwrap() - 10);

    let _operator = world.start();
    runner.line("after");
    written.push("after".into());
    runner.exit(0);
    runner.terminate(0).await;
    let status = world.until_phase(&id, Phase::Completed).await;
    let archived = condition(&status, conditions::ARCHIVED).unwrap();
    assert_eq!(archived.reason, "Archived", "{}", archived.message);
    let frames = world.archived(&id).await;
    whole(&frames);
    assert!(lines(&frames) == written, "the log is not what was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_while_a_task_runs_delays_nothing() {
    let world = World::new().await;
    world.setup.archive_away();
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    let written = long_lines();
    for line in &written {
        runner.line(line);
    }
    let live = world.setup.live();
    let last = u64::try_from(written.len()).unwrap();
    let reached = eventually(async || (live.last(&id).await.ok()? >= last).then_some(())).await;
    assert!(reached.is_some(), "the live log waits for the archive");
    world.setup.archive_back();
    runner.exit(0);
    let status = world.until_phase(&id, Phase::Completed).await;
    let archived = condition(&status, conditions::ARCHIVED).unwrap();
    assert_eq!(archived.reason, "Archived", "{}", archived.message);
    let frames = world.archived(&id).await;
    whole(&frames);
    assert!(lines(&frames) == written, "the log is not what was written");
}
