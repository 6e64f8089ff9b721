//! Limits, places and turns.

use codex_crds::{CodexTask, Phase, conditions};
use serde_json::json;

use crate::support::{World, condition};

fn place(task: &CodexTask) -> Option<i64> {
    task.status.as_ref()?.queue_position
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_wait_for_their_turn_and_say_their_place() {
    let mut world = World::new().await;
    world.setup.flag("--max-running-per-user=1");
    let _operator = world.start();
    let spec = json!({"prompt": "Hello", "user": "ada"});
    let first = world.submit(spec.clone()).await;
    let mut runner = world.run_pod(&first).await;
    let second = world.submit(spec.clone()).await;
    world
        .until(&second, "first place", |task| place(task) == Some(1))
        .await;
    let third = world.submit(spec).await;
    let task = world
        .until(&third, "second place", |task| place(task) == Some(2))
        .await;
    let status = task.status.unwrap();
    assert_eq!(status.phase, Some(Phase::Queued));
    let admitted = condition(&status, conditions::ADMITTED).unwrap();
    assert_eq!(
        (admitted.status.as_str(), admitted.reason.as_str()),
        ("False", "UserLimit")
    );

    // Another user does not wait for ada.
    let other = world
        .submit(json!({"prompt": "Hello", "user": "bob"}))
        .await;
    world.run_pod(&other).await;

    runner.exit(0);
    world.until_phase(&first, Phase::Completed).await;
    let mut runner = world.run_pod(&second).await;
    world.until_phase(&second, Phase::Running).await;
    world
        .until(&third, "first place", |task| place(task) == Some(1))
        .await;
    runner.exit(0);
    let mut runner = world.run_pod(&third).await;
    runner.exit(0);
    let status = world.until_phase(&third, Phase::Completed).await;
    assert_eq!(status.queue_position, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_operator_counts_what_runs() {
    let mut world = World::new().await;
    world.setup.flag("--max-running=1");
    let operator = world.start();
    let first = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&first).await;
    world.until_phase(&first, Phase::Running).await;
    operator.kill();
    let second = world.submit(json!({"prompt": "Hello"})).await;
    let _operator = world.start();
    let waiting = world
        .until(&second, "a place", |task| place(task) == Some(1))
        .await;
    let status = waiting.status.unwrap();
    assert_eq!(
        condition(&status, conditions::ADMITTED).unwrap().reason,
        "GlobalLimit"
    );
    runner.exit(0);
    world.run_pod(&second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_of_several_users_all_run_within_the_limits() {
    let mut world = World::new().await;
    world.setup.flag("--max-running=4");
    world.setup.flag("--max-running-per-user=2");
    let _operator = world.start();
    let mut ids = Vec::new();
    for number in 0..18 {
        let user = format!("user-{}", number % 3);
        ids.push(world.submit(json!({"prompt": "Hello", "user": user})).await);
    }
    let pods = world.node.pods();
    let mut done = std::collections::HashSet::new();
    while done.len() < ids.len() {
        let next = crate::support::eventually(async || {
            let list = pods.list(&Default::default()).await.unwrap();
            let tasks = world.tasks.list(&Default::default()).await.unwrap();
            let busy = tasks
                .items
                .iter()
                .filter(|task| {
                    task.status
                        .as_ref()
                        .is_some_and(|status| status.pod_name.is_some())
                })
                .filter(|task| !task.phase().is_final())
                .count();
            assert!(busy <= 4, "{busy} tasks have their turn");
            list.items
                .into_iter()
                .filter_map(|pod| pod.metadata.labels?.get("codexrunner.io/task").cloned())
                .find(|id| !done.contains(id))
        })
        .await
        .expect("a task gets its turn");
        let mut runner = world.run_pod(&next).await;
        runner.exit(0);
        world.until_phase(&next, Phase::Completed).await;
        done.insert(next);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_goes_on_after_an_outage_of_the_api() {
    let mut world = World::new().await;
    world.setup.flag("--max-running=1");
    let _operator = world.start();
    let first = world.submit(json!({"prompt": "Hello"})).await;
    world.node.until_bound(&format!("codex-{first}")).await;
    let second = world.submit(json!({"prompt": "Hello"})).await;
    world
        .until(&second, "first place", |task| place(task) == Some(1))
        .await;
    world.restart_api().await;
    world.cancel(&first).await;
    let is_deleting =
        |pod: &k8s_openapi::api::core::v1::Pod| pod.metadata.deletion_timestamp.is_some();
    let name = format!("codex-{first}");
    world.node.until(&name, "deleted", is_deleting).await;
    world.node.confirm_deletion(&name).await;
    world.until_phase(&first, Phase::Canceled).await;
    world.node.until_bound(&format!("codex-{second}")).await;
}
