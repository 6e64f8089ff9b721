//! `/api/audit`: who did what.

use codex_gateway::http::client_address::TrustedProxies;
use serde_json::{Value, json};

use crate::support::until;
use crate::support::world::{ADMIN, PASSWORD, World};

fn actions(page: &Value) -> Vec<&str> {
    let entries = page["entries"].as_array().unwrap();
    let actions = entries.iter().map(|entry| entry["action"].as_str());
    actions.collect::<Option<_>>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_is_on_record_and_found() {
    let world = World::start().await;
    let (admin, ada) = (world.admin().await, world.user("ada").await);
    let id = world.submitted(&ada).await;
    ada.delete(&format!("/api/tasks/{id}")).await;

    let page = admin.get("/api/audit?actor=ADA@example.test").await.body;
    assert_eq!(
        actions(&page),
        ["task.cancel", "task.create", "auth.login"],
        "newest first"
    );
    let created = &page["entries"][1];
    assert_eq!(created["target"], format!("task:{id}"));
    assert_eq!(created["ip"], "127.0.0.1");
    assert!(
        created["request_id"]
            .as_str()
            .is_some_and(|id| id.len() == 36),
        "{created}"
    );
    assert!(created["user_id"].is_string() && created["at"].is_string());

    let of_task = admin
        .get(&format!("/api/audit?target=task:{id}"))
        .await
        .body;
    assert_eq!(actions(&of_task), ["task.cancel", "task.create"]);
    let logins = admin
        .get("/api/audit?action=auth.login&actor=ada@example.test")
        .await
        .body;
    assert_eq!(actions(&logins), ["auth.login"]);
    let at = created["at"].as_str().unwrap();
    assert!(
        actions(&admin.get(&format!("/api/audit?from={at}")).await.body).contains(&"task.create")
    );
    assert!(
        !actions(&admin.get(&format!("/api/audit?to={at}")).await.body).contains(&"task.cancel")
    );
    assert_eq!(
        actions(&admin.get("/api/audit?target=user:nobody").await.body),
        Vec::<&str>::new()
    );

    let refused = ada.get("/api/audit").await;
    assert_eq!((refused.status, refused.error()), (403, "forbidden"));
    assert_eq!(ada.get("/api/audit/export").await.status, 403);
    assert_eq!(world.stranger().get("/api/audit").await.status, 401);
    for query in [
        "limit=0",
        "limit=1001",
        "from=now",
        "target=task:x",
        "cursor=x",
        "actor=%00",
    ] {
        let answer = admin.get(&format!("/api/audit?{query}")).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_request"),
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_the_export_have_every_entry_once() {
    let world = World::start().await;
    let admin = world.admin().await;
    // Rows of one transaction have one time: the id has to tell them apart. More than the export reads at once.
    sqlx::query(
        "INSERT INTO audit (actor, action) SELECT 'many', 'test.act' FROM generate_series(1, 2500)",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let query = format!("/api/audit?actor=many&limit=700&cursor={cursor}");
        let page = admin.get(&query).await.body;
        let entries = page["entries"].as_array().unwrap();
        ids.extend(entries.iter().map(|entry| entry["id"].as_i64().unwrap()));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(ids.len(), 2500);
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]));

    let export = admin.get("/api/audit/export?actor=many").await;
    assert_eq!(export.headers["content-type"], "application/x-ndjson");
    let lines = export.body.as_str().unwrap().lines();
    let exported: Vec<i64> = lines
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["id"]
                .as_i64()
                .unwrap()
        })
        .collect();
    assert_eq!(exported, ids);
    let page = admin.get("/api/audit?action=audit.export").await.body;
    assert_eq!(page["entries"][0]["actor"], ADMIN);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_what_is_on_record() {
    let world = World::start().await;
    world.submitted(&world.admin().await).await;
    let statements = [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        // Not even with the setting of the job that forgets what is old.
        "SET codex.audit_expiry = 'on'; DELETE FROM audit",
    ];
    for statement in statements {
        let error = sqlx::raw_sql(statement)
            .execute(&world.pool)
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("append-only"),
            "{statement}: {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_is_not_on_record_does_not_happen() {
    let world = World::start().await;
    let admin = world.admin().await;
    sqlx::query(
        "ALTER TABLE audit ADD CONSTRAINT broken CHECK (action <> 'task.create') NOT VALID",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let answer = admin.post("/api/tasks", &json!({ "prompt": "x" })).await;
    assert_eq!((answer.status, answer.error()), (500, "internal"));
    assert_eq!(admin.get("/api/tasks").await.body["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_its_time_is_forgotten() {
    let mut world = World::start_with(|setup| setup.settings.audit_days = 90).await;
    let admin = world.admin().await;
    sqlx::query(
        "INSERT INTO audit (actor, action, at) SELECT 'old', 'test.act', now() - make_interval(days => days) \
         FROM unnest(ARRAY[31, 89, 91, 400]) AS days, generate_series(1, 900)",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let id = world.submitted(&admin).await;
    sqlx::query("UPDATE tasks SET created_at = now() - interval '25 hours', idempotency_key = 'k', request_hash = '' WHERE id = $1::uuid")
        .bind(&id)
        .execute(&world.pool)
        .await
        .unwrap();
    // The next gateway looks for it when it starts.
    world.replace_gateway().await;
    until("the old rows to be gone", async || {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM audit WHERE actor = 'old'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        (left == 1800).then_some(())
    })
    .await;
    until("the key to be gone", async || {
        let keys: i64 = sqlx::query_scalar("SELECT count(idempotency_key) FROM tasks")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        (keys == 0).then_some(())
    })
    .await;
    let page = world
        .admin()
        .await
        .get("/api/audit?action=audit.expire")
        .await
        .body;
    assert_eq!(page["entries"][0]["actor"], "gateway");
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_name_the_credential_that_they_were_done_with() {
    let world = World::start().await;
    let (admin, ada) = (world.admin().await, world.user("ada").await);
    let new = json!({ "name": "nightly build", "scopes": ["tasks:read", "tasks:write"] });
    let made = ada.post("/api/tokens", &new).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let (id, secret) = (&made.body["id"], made.body["secret"].as_str().unwrap());
    let program = world.bearer(secret);
    let task = program.submit(&json!({ "prompt": "by a program" })).await;
    // What it was called then, whatever becomes of it.
    let gone = ada
        .delete(&format!("/api/tokens/{}", id.as_str().unwrap()))
        .await;
    assert_eq!(gone.status, 204);

    let page = admin.get("/api/audit?actor=ada@example.test").await.body;
    assert_eq!(
        actions(&page),
        [
            "api_token.revoke",
            "task.create",
            "api_token.create",
            "auth.login"
        ]
    );
    let entry = |number: usize| &page["entries"][number];
    let token = format!("api_token:{}", id.as_str().unwrap());
    assert_eq!(entry(1)["credential"], token);
    assert_eq!(entry(1)["credential_name"], "nightly build");
    assert_eq!(entry(1)["target"], format!("task:{task}"));
    let session = entry(3)["credential"].as_str().unwrap();
    assert!(session.starts_with("session:"), "{page}");
    for number in [0, 2] {
        assert_eq!(entry(number)["credential"], session, "{page}");
        assert_eq!(entry(number)["credential_name"], Value::Null);
    }
    assert!(
        !page.to_string().contains(secret),
        "the secret is nobody's business"
    );

    // Everything that was done with a token that got lost.
    let by_token = admin
        .get(&format!("/api/audit?credential={token}"))
        .await
        .body;
    assert_eq!(actions(&by_token), ["task.create"]);
    let by_session = format!("/api/audit/export?credential={session}");
    let exported = admin.get(&by_session).await;
    let exported = exported.body.as_str().unwrap();
    assert_eq!(exported.lines().count(), 3, "{exported}");
    assert!(exported.lines().all(|line| line.contains(session)));
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_believed_from_trusted_proxies_only() {
    for (network, recorded) in [("127.0.0.0/8", "192.0.2.1"), ("10.0.0.0/8", "127.0.0.1")] {
        let network = network.parse().unwrap();
        let world = World::start_with(|setup| {
            setup.settings.trusted_proxies = TrustedProxies::Networks(vec![network]);
        })
        .await;
        // What the client made up stands before what the proxy saw.
        let admin = world.stranger().from("6.6.6.6, 192.0.2.1");
        let admin = admin.login(ADMIN, PASSWORD).await;
        let page = admin.get("/api/audit?action=auth.login").await.body;
        assert_eq!(page["entries"][0]["ip"], recorded, "{page}");
    }
}
