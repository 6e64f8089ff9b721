//! `DELETE /api/tasks/{id}`.

use serde_json::json;

use crate::support::until;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_running_task_is_told_to_end() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let id = world.submitted(&ada).await;
    world
        .set_status(
            &id,
            json!({ "phase": "running", "startedAt": "2026-01-01T00:00:00Z" }),
        )
        .await;
    ada.task_in(&id, "running").await;
    let path = format!("/api/tasks/{id}");
    let answer = ada.delete(&path).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.body["cancel_requested"], true);
    assert_eq!(
        ada.delete(&path).await.status,
        202,
        "asking twice changes nothing"
    );
    until("the CodexTask to be canceled", async || {
        world.resource(&id).await.spec.cancel.then_some(())
    })
    .await;

    world.set_status(&id, json!({ "phase": "canceled", "reason": "Canceled", "finishedAt": "2026-01-01T00:00:01Z" })).await;
    let task = ada.task_in(&id, "canceled").await;
    assert!(task["cancel_requested_at"].is_string(), "{task}");
    let answer = ada.delete(&path).await;
    assert_eq!(
        (answer.status, answer.error()),
        (409, "task_already_finished")
    );
    let audited: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM audit WHERE action = 'task.cancel' AND actor = 'ada@example.test'",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(audited, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_kubernetes_never_heard_of_ends_at_once() {
    let world = World::start().await;
    let admin = world.admin().await;
    admin.get("/api/repositories").await;
    world.gateway().faults.set_away(true);
    let id = admin.submit(&json!({ "prompt": "x" })).await;
    let answer = admin.delete(&format!("/api/tasks/{id}")).await;
    assert_eq!(
        (answer.status, answer.body["status"].as_str()),
        (200, Some("canceled")),
        "{}",
        answer.body
    );

    // Its stream has no log to wait for.
    let events = admin.stream(&id, "", None).await.rest().await;
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["status", "done"]);
    assert_eq!(events[1].data["state"], "canceled");

    world.gateway().faults.set_away(false);
    let settled = "SELECT count(*) FROM tasks WHERE outbox_at IS NULL";
    until("the outbox to be empty", async || {
        let count: i64 = sqlx::query_scalar(settled)
            .fetch_one(&world.pool)
            .await
            .unwrap();
        (count == 1).then_some(())
    })
    .await;
    assert!(
        world.tasks().get_opt(&id).await.unwrap().is_none(),
        "it never comes to be"
    );
}
