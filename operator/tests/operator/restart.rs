//! An operator that is killed at any point, and the next one that goes on.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use codex_crds::{Phase, conditions};
use codex_operator::checkpoint::Checkpoint;
use codex_tasklog::LiveLog as _;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::json;

use crate::support::operator::Operator;
use crate::support::{PATIENCE, World, condition, eventually, lines, whole};

/// Notes the UID of every Pod that there ever is, until it is dropped.
struct PodCount {
    seen: Arc<Mutex<HashSet<String>>>,
    _watch: tokio_util::task::AbortOnDropHandle<()>,
}

impl PodCount {
    fn get(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn count_pods(world: &World) -> PodCount {
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let api: Api<Pod> = world.node.pods();
    let noted = Arc::clone(&seen);
    let watch = tokio::spawn(async move {
        let mut pods = watcher(api, watcher::Config::default())
            .default_backoff()
            .touched_objects()
            .boxed();
        while let Some(pod) = pods.next().await {
            if let Ok(pod) = pod {
                noted.lock().unwrap().extend(pod.metadata.uid);
            }
        }
    });
    PodCount {
        seen,
        _watch: tokio_util::task::AbortOnDropHandle::new(watch),
    }
}

async fn dies_at(point: Checkpoint) {
    let world = World::new().await;
    let pods = count_pods(&world);
    let (operator, mut reached) = Operator::start_until(&world.setup, point);
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let name = format!("codex-{id}");

    // The node does its part while the first operator lives, as far as that one gets.
    let task = world.tasks.get(&id).await.unwrap();
    let nonce = world.nonce(&task);
    let node = world.node.clone();
    let pod = name.clone();
    let running = async move {
        let mut runner = node.start(&pod, &nonce).await;
        runner.line("one");
        runner.line("two");
        runner.exit(0);
        runner.terminate(0).await;
    };
    let restarting = async {
        tokio::time::timeout(PATIENCE, reached.recv())
            .await
            .unwrap_or_else(|_| panic!("the operator never came to {point:?}"));
        operator.kill();

        world.start()
    };
    let ((), _operator) = tokio::join!(running, restarting);
    let status = world.until_phase(&id, Phase::Completed).await;
    assert_eq!(status.exit_code, Some(0), "{point:?}");
    assert_eq!(status.last_frame, Some(3), "{point:?}");
    let archived = condition(&status, conditions::ARCHIVED).unwrap();
    assert_eq!(
        archived.reason, "Archived",
        "{point:?}: {}",
        archived.message
    );
    let frames = world.archived(&id).await;
    whole(&frames);
    assert_eq!(lines(&frames), ["one", "two"], "{point:?}");
    world.node.until_deleted(&name).await;
    world.until_pod_gone(&id).await;
    assert_eq!(pods.get(), 1, "{point:?}: a second Pod");
    world.delete(&id).await;
    world.until_gone(&id).await;
}

macro_rules! deaths {
    ($($name:ident: $point:ident,)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            dies_at(Checkpoint::$point).await;
        })*

        #[test]
        fn every_point_is_tried() {
            assert_eq!(Checkpoint::ALL, [$(Checkpoint::$point),*]);
        }
    };
}

deaths! {
    after_the_finalizer: FinalizerAdded,
    after_the_admission: AdmissionRecorded,
    after_the_secret: SecretApplied,
    after_the_pod: PodCreated,
    after_the_start: StartRecorded,
    after_the_spool: Spooled,
    after_the_live_log: Appended,
    after_the_end_of_the_log: Concluded,
    after_a_chunk: ChunkUploaded,
    after_the_manifest: ManifestWritten,
    after_the_archive: Archived,
    after_the_final_state: FinalRecorded,
    after_the_clean_up: CleanedUp,
}

/// The Pod ran and was deleted while no operator watched: its finalizer kept it, so no second one is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_deleted_behind_the_operators_back_is_not_made_again() {
    let world = World::new().await;
    let pods = count_pods(&world);
    let (operator, mut reached) = Operator::start_until(&world.setup, Checkpoint::PodCreated);
    let id = world.submit(json!({"prompt": "Hello"})).await;
    tokio::time::timeout(PATIENCE, reached.recv())
        .await
        .unwrap();
    operator.kill();
    let name = format!("codex-{id}");
    let mut runner = world.run_pod(&id).await;
    runner.line("ran");
    world
        .node
        .pods()
        .delete(&name, &kube::api::DeleteParams::default())
        .await
        .unwrap();
    runner.terminate(143).await;
    world.node.confirm_deletion(&name).await;
    world.node.lose_log(&name);

    let _operator = world.start();
    let status = world.until_phase(&id, Phase::Error).await;
    assert_eq!(status.reason.as_deref(), Some("PodDeleted"));
    world.until_pod_gone(&id).await;
    assert_eq!(pods.get(), 1);
}

/// The log can no longer be read, but an earlier operator had archived it already.
#[tokio::test(flavor = "multi_thread")]
async fn a_complete_archive_is_not_replaced_by_an_empty_one() {
    let world = World::new().await;
    let (operator, mut reached) = Operator::start_until(&world.setup, Checkpoint::Archived);
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let name = format!("codex-{id}");
    let mut runner = world.run_pod(&id).await;
    runner.line("kept");
    runner.exit(0);
    runner.terminate(0).await;
    tokio::time::timeout(PATIENCE, reached.recv())
        .await
        .unwrap();
    operator.kill();
    world.node.lose_log(&name);
    let _operator = world.start();
    world
        .until(&id, "an end", |task| task.phase().is_final())
        .await;
    assert_eq!(lines(&world.archived(&id).await), ["kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn running_tasks_go_on_through_a_clean_restart() {
    let world = World::new().await;
    let operator = world.start();
    let mut runners = Vec::new();
    for _ in 0..3 {
        let id = world.submit(json!({"prompt": "Hello"})).await;
        let mut runner = world.run_pod(&id).await;
        runner.line("before");
        world.until_phase(&id, Phase::Running).await;
        runners.push((id, runner));
    }
    operator.stop();
    for (_, runner) in &mut runners {
        runner.line("meanwhile");
    }
    let _operator = world.start();
    for (id, runner) in &mut runners {
        // Whoever watches finds everything in the new live log.
        let live = world.setup.live();
        let there = eventually(async || (live.last(id).await.ok()? >= 2).then_some(())).await;
        assert!(there.is_some());
        runner.line("after");
        runner.exit(0);
        world.until_phase(id, Phase::Completed).await;
        assert_eq!(
            lines(&world.archived(id).await),
            ["before", "meanwhile", "after"]
        );
    }
}
