//! What `POST /api/tasks` costs the database.

use serde_json::json;

use crate::support::relay::Relay;
use crate::support::until;
use crate::support::world::World;

/// One look at who asks, one statement that writes the task and its audit row; after each, beside the request, the pool asks once whether
/// the connection is still good.
const ROUND_TRIPS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_accepted_in_two_statements() {
    let mut relay = None;
    let world = World::start_with(|setup| {
        let (started, address) = Relay::to(&setup.database_url);
        setup.database_url = address;
        relay = Some(started);
    })
    .await;
    let relay = relay.unwrap();
    let admin = world.admin().await;
    admin.get("/api/repositories").await;
    // So that the dispatcher has nothing to do with the tasks that are submitted.
    world.gateway().faults.set_away(true);
    let mut least = usize::MAX;
    // Connections prepare a statement when they first see it, and other parts of the gateway look at the database now and then: most of
    // the many requests are not met by either.
    for _ in 0..150 {
        let before = relay.round_trips();
        admin.submit(&json!({ "prompt": "x" })).await;
        least = least.min(relay.round_trips() - before);
    }
    assert!(
        (2..=ROUND_TRIPS).contains(&least),
        "{least} round trips for a task"
    );
    // None of them is lost by that.
    world.gateway().faults.set_away(false);
    until("all to be created", async || {
        let waiting: i64 =
            sqlx::query_scalar("SELECT count(*) FROM tasks WHERE cr_created_at IS NULL")
                .fetch_one(&world.pool)
                .await
                .unwrap();
        (waiting == 0).then_some(())
    })
    .await;
}

/// The database goes and comes back between two requests, and nobody has looked at the connections.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_died_are_no_mistake_of_the_gateway() {
    let world = World::start().await;
    let admin = world.admin().await;
    for _ in 0..5 {
        admin.submit(&json!({ "prompt": "x" })).await;
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = 'codex-gateway'",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        until("a task to be accepted", async || {
            let answer = admin.post("/api/tasks", &json!({ "prompt": "x" })).await;
            // Whoever comes at that very moment is told to come again.
            assert!([201, 503].contains(&answer.status), "{}", answer.body);
            (answer.status == 201).then_some(())
        })
        .await;
    }
}
