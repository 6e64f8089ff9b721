//! The outbox: an accepted task reaches Kubernetes once, whatever fails in between.

use codex_crds::{CodexTask, CodexTaskSpec};
use kube::api::{ListParams, PostParams};
use serde_json::json;

use crate::support::until;
use crate::support::world::World;

async fn settled(world: &World) {
    let unsettled =
        "SELECT count(*) FROM tasks WHERE outbox_at IS NOT NULL OR cr_created_at IS NULL";
    until("the outbox to be empty", async || {
        let count: i64 = sqlx::query_scalar(unsettled)
            .fetch_one(&world.pool)
            .await
            .unwrap();
        (count == 0).then_some(())
    })
    .await;
}

/// Leases are for crashes; a test does not wait for them.
async fn expire_leases(world: &World) {
    sqlx::query("UPDATE tasks SET outbox_at = now() WHERE outbox_at IS NOT NULL")
        .execute(&world.pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_tasks_wait_for_kubernetes() {
    let world = World::start().await;
    let admin = world.admin().await;
    admin.get("/api/repositories").await;
    world.gateway().faults.set_away(true);
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(
            admin
                .submit(&json!({ "prompt": format!("task {number}") }))
                .await,
        );
    }
    until("attempts to fail", async || {
        let attempts: Option<i64> = sqlx::query_scalar("SELECT sum(outbox_attempts) FROM tasks")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        (attempts > Some(3)).then_some(())
    })
    .await;
    assert_eq!(admin.task(&ids[0]).await["status"], "queued");
    world.gateway().faults.set_away(false);
    settled(&world).await;
    let all = world.tasks().list(&ListParams::default()).await.unwrap();
    let mut names: Vec<_> = all
        .items
        .into_iter()
        .filter_map(|task| task.metadata.name)
        .collect();
    names.sort();
    assert_eq!(names, ids);
}

/// The gateway dies between the commit and the creation.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_before_it_creates_leaves_the_task_to_the_next() {
    let mut world = World::start().await;
    let admin = world.admin().await;
    admin.get("/api/repositories").await;
    world.gateway().faults.set_away(true);
    let id = admin.submit(&json!({ "prompt": "x" })).await;
    world.replace_gateway().await;
    world.resource(&id).await;
    settled(&world).await;
}

/// The gateway dies between the creation and the note of it: the answer of the API server never arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_after_it_creates_does_not_create_twice() {
    let mut world = World::start().await;
    let admin = world.admin().await;
    world.gateway().faults.lose_answers_of_creations(true);
    let id = admin.submit(&json!({ "prompt": "x" })).await;
    until("the creation", async || {
        (world.gateway().faults.unanswered() == 1).then_some(())
    })
    .await;
    let uid = world.resource(&id).await.metadata.uid;
    world.replace_gateway().await;
    expire_leases(&world).await;
    settled(&world).await;
    assert_eq!(world.resource(&id).await.metadata.uid, uid);
    assert_eq!(
        world
            .tasks()
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

/// The task is canceled after the creation whose answer is lost: the resource that nobody knows of is told to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_canceled_while_it_is_created_ends() {
    let mut world = World::start().await;
    let admin = world.admin().await;
    world.gateway().faults.lose_answers_of_creations(true);
    let id = admin.submit(&json!({ "prompt": "x" })).await;
    until("the creation", async || {
        (world.gateway().faults.unanswered() == 1).then_some(())
    })
    .await;
    assert!(!world.resource(&id).await.spec.cancel);
    let answer = admin.delete(&format!("/api/tasks/{id}")).await;
    assert!(
        answer.status == 200 || answer.status == 202,
        "{}",
        answer.body
    );
    world.replace_gateway().await;
    expire_leases(&world).await;
    until("the CodexTask to be canceled", async || {
        world.resource(&id).await.spec.cancel.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kubernetes_refuses_for_good_ends_in_error() {
    let world = World::start().await;
    let admin = world.admin().await;
    // Past the validation of the gateway, as an admission policy of the cluster would refuse it.
    let id = "0190d9f5-0000-7000-8000-00000000dead";
    sqlx::query(
        "INSERT INTO tasks (id, name, owner, prompt, model, outbox_at) VALUES ($1::uuid, $1, 'x', 'x', 'not a model!', now())",
    )
    .bind(id)
    .execute(&world.pool)
    .await
    .unwrap();
    let task = admin.task_in(id, "error").await;
    assert_eq!(task["reason"], "TaskRejected");
    assert!(
        task["message"].as_str().unwrap().contains("model"),
        "{task}"
    );
    let events = admin.stream(id, "", None).await.rest().await;
    assert_eq!(events.last().unwrap().data["reason"], "TaskRejected");
}

/// Somebody created a resource with the name before the gateway could.
#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_is_there_already_is_as_good() {
    let world = World::start().await;
    let admin = world.admin().await;
    admin.get("/api/repositories").await;
    world.gateway().faults.set_away(true);
    let id = admin.submit(&json!({ "prompt": "x" })).await;
    let spec = CodexTaskSpec {
        prompt: "x".into(),
        ..CodexTaskSpec::default()
    };
    world
        .tasks()
        .create(&PostParams::default(), &CodexTask::new(&id, spec))
        .await
        .unwrap();
    world.gateway().faults.set_away(false);
    settled(&world).await;
    assert_eq!(admin.task(&id).await["status"], "queued");
}

/// The gateway dies after it settled the row and before it passed the cancel on: the resource shows that it was not told.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_got_lost_is_passed_on_again() {
    let mut world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    settled(&world).await;
    world.gateway.take().unwrap().kill();
    sqlx::query("UPDATE tasks SET cancel_requested_at = now()")
        .execute(&world.pool)
        .await
        .unwrap();
    world.gateway = Some(crate::support::process::Gateway::start(world.setup.clone()).await);
    until("the CodexTask to be canceled", async || {
        world.resource(&id).await.spec.cancel.then_some(())
    })
    .await;
    settled(&world).await;
}

/// More tasks than are worked on at once, straight from their requests and from the outbox: each is created once, and none is left.
#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_at_once_are_created_once_each() {
    let world = World::start_with(|setup| {
        setup.settings.rates.admin_writes = codex_gateway::limits::Rate::UNLIMITED;
        setup.settings.tasks_per_user = 1000;
    })
    .await;
    let admin = world.admin().await;
    let task = json!({ "prompt": "x" });
    let mut ids = futures::future::join_all((0..200).map(|_| admin.submit(&task))).await;
    settled(&world).await;
    let all = world.tasks().list(&ListParams::default()).await.unwrap();
    let mut names: Vec<_> = all
        .items
        .into_iter()
        .filter_map(|task| task.metadata.name)
        .collect();
    names.sort();
    ids.sort();
    assert_eq!(names, ids);
    let repeated: i64 =
        sqlx::query_scalar("SELECT count(*) FROM tasks WHERE outbox_attempts > 0 OR revision > 1")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(repeated, 0, "what is new to nobody is not written");
}

/// The row says that a gateway works on it, and that gateway is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_written_as_claimed_becomes_due_again() {
    let mut world = World::start().await;
    let admin = world.admin().await;
    world.gateway().faults.hold_creations(true);
    let id = admin.submit(&json!({ "prompt": "x" })).await;
    until("the attempt", async || {
        (world.gateway().faults.unanswered() >= 1).then_some(())
    })
    .await;
    let is_claimed: bool = sqlx::query_scalar(
        "SELECT outbox_at > created_at AND outbox_attempts >= 1 AND cr_created_at IS NULL FROM tasks",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert!(is_claimed, "the row is due for everybody");
    assert!(world.tasks().get_opt(&id).await.unwrap().is_none());
    world.replace_gateway().await;
    expire_leases(&world).await;
    world.resource(&id).await;
    settled(&world).await;
}
