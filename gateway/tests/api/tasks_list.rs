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
async fn cursors_lead_through_everything_once() {
    let world = World::start().await;
    let admin = world.admin().await;
    let mut submitted = Vec::new();
    for number in 0..7 {
        submitted.push(admin.submit(&json!({ "prompt": number.to_string() })).await);
    }
    submitted.reverse();
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = admin
            .get(&format!("/api/tasks?limit=3&cursor={cursor}"))
            .await
            .body;
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        // What comes in between is on no later page, and moves none.
        admin.submit(&json!({ "prompt": "new" })).await;
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(seen, submitted);
    for query in [
        "cursor=x",
        "cursor=00",
        "cursor=&offset=-1",
        "status=",
        "from=",
        "to=",
    ] {
        let answer = admin.get(&format!("/api/tasks?{query}")).await;
        assert_eq!(answer.error(), "invalid_request", "{query}");
    }
    let both = admin
        .get(&format!("/api/tasks?offset=1&cursor={cursor}"))
        .await;
    assert_eq!(both.body["error"]["details"]["field"], "cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_found_by_repository_and_time() {
    let world = World::start().await;
    let admin = world.admin().await;
    let app = admin.submit(&json!({ "prompt": "x" })).await;
    let web = admin
        .submit(&json!({ "prompt": "x", "cwd": "/srv/repos/web" }))
        .await;
    let found = async |query: &str| {
        let answer = admin.get(&format!("/api/tasks?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        ids(&answer.body).join(" ")
    };
    assert_eq!(found("repository=web").await, web);
    assert_eq!(found("repository=we").await, "");
    assert_eq!(found(&format!("q={}", &app[..23])).await, app);
    sqlx::query("UPDATE tasks SET created_at = '2026-01-02T03:04:05Z' WHERE id = $1::uuid")
        .bind(&app)
        .execute(&world.pool)
        .await
        .unwrap();
    assert_eq!(found("to=2026-02-01T00:00:00Z").await, app);
    assert_eq!(found("from=2026-02-01T00:00:00Z").await, web);
    // The lower end belongs to it, the upper does not; zones are understood.
    assert_eq!(
        found("from=2026-01-02T03:04:05Z").await,
        format!("{web} {app}")
    );
    assert_eq!(found("to=2026-01-02T04:04:05%2B01:00").await, "");
    for query in [
        "from=yesterday",
        "to=2026-13-01T00:00:00Z",
        "from=-0001-01-01T00:00:00Z",
    ] {
        let answer = admin.get(&format!("/api/tasks?{query}")).await;
        assert_eq!(answer.error(), "invalid_request", "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_changed_is_not_sent_again() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    // What the recorder first hears of a task changes the record at a moment that nobody knows.
    world.set_status(&id, json!({ "phase": "running" })).await;
    admin.task_in(&id, "running").await;
    let path = format!("/api/tasks/{id}");
    let known = async |tag: &str| {
        let request = admin.request(reqwest::Method::GET, &path);
        admin.send(request.header("if-none-match", tag)).await
    };
    let first = admin.get(&path).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    for same in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"x\", {tag}"),
        "*".into(),
    ] {
        let answer = known(&same).await;
        assert_eq!(answer.status, 304, "{same}");
        assert_eq!(answer.headers["etag"], tag);
        assert_eq!(answer.body, "");
    }
    assert_eq!(known("\"x\"").await.status, 200);
    let end = json!({ "phase": "completed", "exitCode": 0, "finishedAt": "2026-01-02T03:04:06Z" });
    world.set_status(&id, end).await;
    admin.task_in(&id, "completed").await;
    let changed = known(&tag).await;
    assert_eq!(
        (changed.status, &changed.body["status"]),
        (200, &json!("completed"))
    );
    assert_ne!(changed.headers["etag"], tag);
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
