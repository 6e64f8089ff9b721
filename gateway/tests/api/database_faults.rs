//! A database that is there, but does not answer in time.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use sqlx::Connection as _;

use crate::support::client::Answer;
use crate::support::until;
use crate::support::world::World;

/// How many connections one gateway has.
const CONNECTIONS: i64 = 16;

fn assert_away(answer: &Answer) {
    assert_eq!((answer.status, answer.error()), (503, "unavailable"));
    assert_eq!(answer.body["error"]["details"]["store"], "database");
    assert!(answer.headers.contains_key("retry-after"));
}

/// How many statements of this database hang.
async fn hanging(world: &World) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_hang_are_canceled_and_nobody_waits_for_their_connections() {
    let world = World::start().await;
    let admin = world.admin().await;
    world.submitted(&admin).await;
    // From here on whoever reads a task waits for a minute, as behind a plan that went wrong.
    sqlx::raw_sql(
        "ALTER TABLE tasks RENAME TO tasks_kept; \
         CREATE VIEW tasks AS SELECT tasks_kept.* FROM tasks_kept, pg_sleep(60)",
    )
    .execute(&world.pool)
    .await
    .unwrap();

    // More than there are connections: some have their statement canceled, others get no connection. All hear so.
    let requests = join_all((0..CONNECTIONS + 8).map(|_| admin.get("/api/tasks")));
    let watch = async {
        let mut most = 0;
        loop {
            most = most.max(hanging(&world).await);
            if most >= CONNECTIONS - 4 {
                break most;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (answers, most) = tokio::join!(requests, async {
        let most = tokio::time::timeout(crate::support::DEADLINE, watch)
            .await
            .expect("the statements to hang");
        // What needs no database is answered meanwhile.
        assert_eq!(world.stranger().get("/healthz").await.status, 200);
        most
    });
    assert!(most <= CONNECTIONS, "{most} connections");
    answers.iter().for_each(assert_away);

    // The server has given up, too, long before the minute is over, and the connections are good again.
    sqlx::raw_sql("DROP VIEW tasks; ALTER TABLE tasks_kept RENAME TO tasks")
        .execute(&world.pool)
        .await
        .unwrap();
    until("the statements to be canceled", async || {
        (hanging(&world).await == 0).then_some(())
    })
    .await;
    let answers = join_all((0..CONNECTIONS + 8).map(|_| admin.get("/api/tasks"))).await;
    for answer in answers {
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.body["total"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_not_waited_for_for_ever() {
    let world = World::start().await;
    let admin = world.admin().await;
    let mut other = sqlx::PgConnection::connect(&world.setup.database_url)
        .await
        .unwrap();
    let mut transaction = other.begin().await.unwrap();
    sqlx::query("LOCK TABLE audit IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let task = json!({ "prompt": "x" });
    let refused = admin.post("/api/tasks", &task).await;
    assert_away(&refused);
    transaction.rollback().await.unwrap();
    other.close().await.unwrap();
    // The task was written before its row in the audit log; neither is there.
    assert_eq!(admin.get("/api/tasks").await.body["total"], 0);
    admin.submit(&task).await;
    assert_eq!(admin.get("/api/tasks").await.body["total"], 1);
}
