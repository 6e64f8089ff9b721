//! What becomes of tasks in Kubernetes is on record.

use codex_crds::{CodexTaskSpec, meta};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::support::until;
use crate::support::world::World;

fn spec(prompt: &str) -> CodexTaskSpec {
    CodexTaskSpec {
        prompt: prompt.into(),
        ..CodexTaskSpec::default()
    }
}

async fn gone(world: &World, name: &str) {
    until("the CodexTask to be gone", async || {
        world
            .tasks()
            .get_opt(name)
            .await
            .unwrap()
            .is_none()
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_made_with_kubectl_show_up_for_administrators() {
    let world = World::start().await;
    let (admin, ada) = (world.admin().await, world.user("ada").await);
    let made = world.create_by_hand("nightly", spec("by hand")).await;
    let id = made.metadata.uid.unwrap();
    let task = admin.task_in_any(&id).await;
    assert_eq!(
        (task["owner"].as_str(), task["prompt"].as_str()),
        (Some("kubectl"), Some("by hand"))
    );
    assert_eq!(task["resource_name"], "nightly");
    assert_eq!(ada.get(&format!("/api/tasks/{id}")).await.status, 404);
    until("the finalizer", async || {
        let task = world.resource("nightly").await;
        task.metadata
            .finalizers
            .is_some_and(|all| all.contains(&meta::GATEWAY_FINALIZER.to_owned()))
            .then_some(())
    })
    .await;

    world
        .set_status(
            "nightly",
            json!({
                "phase": "completed", "exitCode": 0, "reason": "Completed", "finishedAt": "2026-01-02T03:04:05Z",
                "usage": { "inputTokens": 5, "cachedInputTokens": 1, "outputTokens": 2, "reasoningOutputTokens": 0 },
                "threadId": "t-1", "repository": "app", "lastFrame": 9
            }),
        )
        .await;
    let task = admin.task_in(&id, "completed").await;
    assert_eq!(task["usage"]["input_tokens"], 5);
    assert_eq!(
        (task["thread_id"].as_str(), task["last_frame"].as_i64()),
        (Some("t-1"), Some(9))
    );
    assert_eq!(task["finished_at"], "2026-01-02T03:04:05.000Z");

    // The same name again is another task.
    world.delete("nightly").await;
    gone(&world, "nightly").await;
    let again = world
        .create_by_hand("nightly", spec("again"))
        .await
        .metadata
        .uid
        .unwrap();
    assert_eq!(admin.task_in_any(&again).await["prompt"], "again");
    assert_eq!(admin.task(&id).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_stays_until_its_end_is_on_record() {
    let mut world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    let operator = json!({ "metadata": { "finalizers": [meta::GATEWAY_FINALIZER, meta::OPERATOR_FINALIZER] } });
    world
        .tasks()
        .patch(&id, &PatchParams::default(), &Patch::Merge(operator))
        .await
        .unwrap();
    world.set_status(&id, json!({ "phase": "running" })).await;
    world.delete(&id).await;
    admin.task_in(&id, "running").await;

    // No gateway is there when the operator finishes and lets go.
    world.gateway.take().unwrap().kill();
    world.set_status(&id, json!({ "phase": "error", "exitCode": 1, "reason": "ExitCode", "message": "broken", "finishedAt": "2026-01-02T03:04:05Z" })).await;
    let released = json!({ "metadata": { "finalizers": [meta::GATEWAY_FINALIZER] } });
    world
        .tasks()
        .patch(&id, &PatchParams::default(), &Patch::Merge(released))
        .await
        .unwrap();
    assert!(world.tasks().get_opt(&id).await.unwrap().is_some());

    world.gateway = Some(crate::support::process::Gateway::start(world.setup.clone()).await);
    gone(&world, &id).await;
    let task = admin.at(&world.gateway().url).task(&id).await;
    assert_eq!(
        (
            task["status"].as_str(),
            task["reason"].as_str(),
            task["exit_code"].as_i64()
        ),
        (Some("error"), Some("ExitCode"), Some(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_deleted_before_anybody_took_it_on_ends() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    world.delete(&id).await;
    let task = admin.task_in(&id, "error").await;
    assert_eq!(task["reason"], "TaskDeleted");
    gone(&world, &id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_vanished_while_nobody_looked_ends_in_error() {
    let mut world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    world.set_status(&id, json!({ "phase": "running" })).await;
    admin.task_in(&id, "running").await;
    world.gateway.take().unwrap().kill();
    let forced = json!({ "metadata": { "finalizers": null } });
    world
        .tasks()
        .patch(&id, &PatchParams::default(), &Patch::Merge(forced))
        .await
        .unwrap();
    world.delete(&id).await;
    gone(&world, &id).await;
    world.gateway = Some(crate::support::process::Gateway::start(world.setup.clone()).await);
    let task = admin.at(&world.gateway().url).task_in(&id, "error").await;
    assert_eq!(task["reason"], "TaskDeleted");
    assert!(
        task["message"].as_str().unwrap().contains("deleted"),
        "{task}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn states_never_go_back() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    world
        .set_status(
            &id,
            json!({ "phase": "completed", "exitCode": 0, "finishedAt": "2026-01-02T03:04:05Z" }),
        )
        .await;
    admin.task_in(&id, "completed").await;
    world
        .set_status(&id, json!({ "phase": "running", "threadId": "late" }))
        .await;
    // A second task shows when the recorder has been past the first.
    let next = world.submitted(&admin).await;
    world.set_status(&next, json!({ "phase": "running" })).await;
    admin.task_in(&next, "running").await;
    let task = admin.task(&id).await;
    assert_eq!(
        (task["status"].as_str(), task["thread_id"].as_str()),
        (Some("completed"), None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn places_in_the_queue_are_told() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    for position in [3, 1] {
        world
            .set_status(
                &id,
                json!({ "phase": "queued", "queuePosition": position, "reason": "UserLimit" }),
            )
            .await;
        until("the place in the queue", async || {
            (admin.task(&id).await["queue_position"] == position).then_some(())
        })
        .await;
    }
    world
        .set_status(
            &id,
            json!({ "phase": "running", "queuePosition": null, "reason": null }),
        )
        .await;
    let task = admin.task_in(&id, "running").await;
    assert!(
        task.get("queue_position").is_none() && task["reason"].is_null(),
        "{task}"
    );
}
