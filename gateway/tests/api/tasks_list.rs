//! `GET /api/tasks` and `GET /api/tasks/{id}`.

use serde_json::{Value, json};

use crate::support::world::World;

fn ids(list: &Value) -> Vec<&str> {
    let tasks = list["tasks"].as_array().unwrap();
    tasks
        .iter()
        .map(|task| task["task_id"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_filters() {
    let world = World::start().await;
    let admin = world.admin().await;
    let mut submitted = Vec::new();
    for prompt in ["fix 100%", "fix 1000", "a_b", "axb", "long "] {
        let prompt = if prompt == "long " {
            "long ".repeat(100)
        } else {
            prompt.to_owned()
        };
        submitted.push(admin.submit(&json!({ "prompt": prompt })).await);
    }
    submitted.reverse();
    let list = admin.get("/api/tasks").await.body;
    assert_eq!(ids(&list), submitted, "newest first");
    assert_eq!(list["total"], 5);
    assert_eq!(list["tasks"][0]["prompt"].as_str().unwrap().len(), 280);
    assert_eq!(list["tasks"][0]["prompt_truncated"], true);
    assert_eq!(
        admin.task(&submitted[0]).await["prompt"]
            .as_str()
            .unwrap()
            .len(),
        500
    );

    let page = admin.get("/api/tasks?offset=1&limit=2").await.body;
    assert_eq!(ids(&page), submitted[1..3]);
    assert_eq!(
        (
            page["total"].as_i64(),
            page["offset"].as_i64(),
            page["limit"].as_i64()
        ),
        (Some(5), Some(1), Some(2))
    );

    for (query, found) in [
        ("100%25", 1),
        ("FIX", 2),
        ("a_b", 1),
        ("\\", 0),
        (submitted[2].as_str(), 1),
        ("app", 5),
    ] {
        let list = admin.get(&format!("/api/tasks?q={query}")).await.body;
        assert_eq!(list["total"], found, "{query}: {list}");
    }
    world.resource(&submitted[0]).await;
    world
        .set_status(&submitted[0], json!({ "phase": "running" }))
        .await;
    admin.task_in(&submitted[0], "running").await;
    assert_eq!(
        ids(&admin.get("/api/tasks?status=running").await.body),
        submitted[..1]
    );
    assert_eq!(admin.get("/api/tasks?status=queued").await.body["total"], 4);

    for query in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "offset=-1",
        "status=Running",
        "q=%00",
    ] {
        let answer = admin.get(&format!("/api/tasks?{query}")).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_request"),
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_peoples_tasks_do_not_exist() {
    let world = World::start().await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let id = world.submitted(&ada).await;
    for path in ["", "/stream", "/log", "/patch"] {
        let answer = bob.get(&format!("/api/tasks/{id}{path}")).await;
        let nothing = bob
            .get(&format!(
                "/api/tasks/0190d9f5-0000-7000-8000-000000000001{path}"
            ))
            .await;
        assert_eq!(
            (answer.status, answer.error()),
            (404, "not_found"),
            "{path}"
        );
        assert_eq!(
            answer.body["error"]["message"],
            nothing.body["error"]["message"]
        );
    }
    assert_eq!(bob.delete(&format!("/api/tasks/{id}")).await.status, 404);
    assert_eq!(bob.get("/api/tasks").await.body["total"], 0);
    assert_eq!(ada.get("/api/tasks").await.body["total"], 1);
    assert_eq!(
        world.admin().await.task(&id).await["owner"],
        "ada@example.test"
    );
    // Another spelling of the same id is no id.
    assert_eq!(
        ada.get(&format!("/api/tasks/{}", id.to_uppercase()))
            .await
            .status,
        404
    );
}
