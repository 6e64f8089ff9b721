//! `POST /api/tasks`.

use codex_crds::meta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{ADMIN, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_task_becomes_a_resource() {
    let world = World::start().await;
    let admin = world.admin().await;
    let body = json!({
        "prompt": "say \"hi\"\n— ä",
        "cwd": "/srv/repos/web//src/../lib/",
        "env": { "BUILD": "1 2" },
        "model": "gpt-5.5",
        "timeout_seconds": 60,
    });
    let answer = admin.post("/api/tasks", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let id = answer.body["task_id"].as_str().unwrap();
    assert_eq!(answer.headers["location"], format!("/api/tasks/{id}"));

    let resource = world.resource(id).await;
    let spec = &resource.spec;
    assert_eq!(spec.prompt, "say \"hi\"\n— ä");
    assert_eq!(spec.cwd.as_deref(), Some("/srv/repos/web/lib"));
    assert_eq!(spec.env["BUILD"], "1 2");
    assert_eq!(
        (spec.model.as_deref(), spec.timeout_seconds),
        (Some("gpt-5.5"), Some(60))
    );
    assert_eq!((spec.user.as_deref(), spec.cancel), (Some(ADMIN), false));
    assert_eq!(
        resource.metadata.finalizers.unwrap(),
        [meta::GATEWAY_FINALIZER]
    );
    assert_eq!(resource.metadata.labels.unwrap()[meta::TASK_LABEL], id);

    let task = admin.task(id).await;
    assert_eq!(
        (task["repository"].as_str(), task["owner"].as_str()),
        (Some("web"), Some(ADMIN))
    );
    assert_eq!(task["env"]["BUILD"], "1 2");
    let actions: Vec<String> =
        sqlx::query_scalar("SELECT action FROM audit WHERE task_id = $1::uuid")
            .bind(id)
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(actions, ["task.create"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_cwd_the_default_repository_is_taken() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = admin.submit(&json!({ "prompt": "x" })).await;
    assert_eq!(admin.task(&id).await["cwd"], "/srv/repos/app");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_rule_is_refused_and_leaves_nothing() {
    let world = World::start().await;
    let admin = world.admin().await;
    let many: serde_json::Map<String, Value> =
        (0..65).map(|n| (format!("A{n}"), json!(""))).collect();
    let cases = [
        (json!({ "prompt": "" }), "prompt"),
        (json!({ "prompt": " \n\t" }), "prompt"),
        (json!({ "prompt": "a\0b" }), "prompt"),
        (json!({ "prompt": "x".repeat(256 * 1024 + 1) }), "prompt"),
        (json!({ "prompt": "x", "cwd": "" }), "cwd"),
        (json!({ "prompt": "x", "cwd": "app" }), "cwd"),
        (json!({ "prompt": "x", "cwd": "/etc" }), "cwd"),
        (
            json!({ "prompt": "x", "cwd": "/srv/repos/app/../../.." }),
            "cwd",
        ),
        (json!({ "prompt": "x", "cwd": "/srv/repos/apple" }), "cwd"),
        (json!({ "prompt": "x", "cwd": "/srv/repos/app\0" }), "cwd"),
        (
            json!({ "prompt": "x", "env": { "LD_PRELOAD": "/x" } }),
            "env",
        ),
        (json!({ "prompt": "x", "env": { "GIT_DIR": "/x" } }), "env"),
        (json!({ "prompt": "x", "env": { "PATH": "/x" } }), "env"),
        (json!({ "prompt": "x", "env": { "A=B": "" } }), "env"),
        (json!({ "prompt": "x", "env": { "A": "\0" } }), "env"),
        (json!({ "prompt": "x", "env": many }), "env"),
        (json!({ "prompt": "x", "model": "" }), "model"),
        (json!({ "prompt": "x", "model": "-x" }), "model"),
        (json!({ "prompt": "x", "model": "a b" }), "model"),
        (json!({ "prompt": "x", "model": "x".repeat(129) }), "model"),
        (
            json!({ "prompt": "x", "timeout_seconds": 0 }),
            "timeout_seconds",
        ),
        (
            json!({ "prompt": "x", "timeout_seconds": -1 }),
            "timeout_seconds",
        ),
        (
            json!({ "prompt": "x", "timeout_seconds": 86_401 }),
            "timeout_seconds",
        ),
    ];
    for (body, field) in cases {
        let answer = admin.post("/api/tasks", &body).await;
        let what = body.to_string().chars().take(80).collect::<String>();
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_request"),
            "{what}: {}",
            answer.body
        );
        assert_eq!(answer.body["error"]["details"]["field"], field, "{what}");
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM tasks")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(rows, 0);

    // The longest prompt, every character of which is long in JSON, goes all the way.
    let id = admin
        .submit(&json!({ "prompt": "\u{1}".repeat(256 * 1024) }))
        .await;
    assert_eq!(world.resource(&id).await.spec.prompt.len(), 256 * 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_one_task() {
    let world = World::start().await;
    let (admin, ada) = (world.admin().await, world.user("ada").await);
    let send = |client: &crate::support::client::Client, key: &str, body: &str| {
        let request = client
            .request(Method::POST, "/api/tasks")
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(body.to_owned());
        let client = client.clone();
        async move { client.send(request).await }
    };
    let same = r#"{"prompt":"x","env":{"A":"1","B":"2"}}"#;
    // All at once: whoever comes second waits for the first.
    let answers = futures::future::join_all((0..8).map(|_| send(&admin, "k1", same))).await;
    let ids: std::collections::HashSet<_> = answers
        .iter()
        .map(|answer| answer.body["task_id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!(
        answers
            .iter()
            .filter(|answer| answer.headers.contains_key("idempotency-replayed"))
            .count(),
        7
    );
    let reordered = send(
        &admin,
        "k1",
        r#"{ "env": {"B":"2","A":"1"}, "prompt":"x" }"#,
    )
    .await;
    assert_eq!(
        reordered.body["task_id"].to_string(),
        *ids.iter().next().unwrap()
    );

    let other = send(&admin, "k1", r#"{"prompt":"y"}"#).await;
    assert_eq!(
        (other.status, other.error()),
        (409, "idempotency_key_reused")
    );
    let of_ada = send(&ada, "k1", same).await;
    assert_eq!(of_ada.status, 201);
    assert!(
        !ids.contains(&of_ada.body["task_id"].to_string()),
        "keys belong to users"
    );
    assert_eq!(send(&admin, "", same).await.error(), "invalid_request");
    let audited: i64 =
        sqlx::query_scalar("SELECT count(*) FROM audit WHERE action = 'task.create'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(audited, 2);
}
