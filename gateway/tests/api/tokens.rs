//! `/api/tokens`, and what API tokens may do. Who may call which route with one is in `authorization`.

use serde_json::{Value, json};

use crate::support::until;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_told_once_and_works_until_it_is_revoked() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let body = json!({ "name": " CI ", "scopes": ["tasks:write", "tasks:read", "tasks:read"], "expires_in_days": 7 });
    let made = ada.post("/api/tokens", &body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let secret = made.body["secret"].as_str().unwrap();
    let id = made.body["id"].as_str().unwrap();
    assert!(secret.starts_with("crr_") && secret.len() == 50, "{secret}");
    assert_eq!(made.body["name"], "CI");
    assert_eq!(made.body["scopes"], json!(["tasks:read", "tasks:write"]));
    assert_eq!(made.body["last_used_at"], Value::Null);

    let listed = ada.get("/api/tokens").await.body;
    assert_eq!(listed["tokens"][0]["id"], id);
    assert!(!listed.to_string().contains(&secret[4..]));
    let columns: String = sqlx::query_scalar(
        "SELECT string_agg(api_tokens::text || encode(token_hash, 'escape'), '') FROM api_tokens",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert!(!columns.contains(&secret[4..]), "only a hash is stored");

    let program = world.bearer(secret);
    let task = program.submit(&json!({ "prompt": "do it" })).await;
    assert_eq!(program.task(&task).await["owner"], "ada@example.test");
    let me = program.get("/api/me").await.body;
    assert_eq!(me["scopes"], json!(["tasks:read", "tasks:write"]));
    let used = until("the use to be noted", async || {
        let list = ada.get("/api/tokens").await.body;
        list["tokens"][0]["last_used_at"]
            .as_str()
            .map(str::to_owned)
    })
    .await;
    program.get("/api/me").await;
    let list = ada.get("/api/tokens").await.body;
    assert_eq!(
        list["tokens"][0]["last_used_at"], used,
        "noted once a minute"
    );

    // What lacks a scope says which.
    let reader = world.bearer(&ada.api_token(&["tasks:read"]).await);
    let refused = reader.post("/api/tasks", &json!({ "prompt": "x" })).await;
    assert_eq!(
        (refused.status, refused.error()),
        (403, "insufficient_scope")
    );
    assert_eq!(refused.body["error"]["details"]["scope"], "tasks:write");
    assert_eq!(reader.get("/api/tokens").await.error(), "session_required");

    // Revoking ends what is open, too.
    let mut stream = program.stream(&task, "", None).await;
    assert_eq!(stream.next().await.unwrap().name, "status");
    assert_eq!(ada.delete(&format!("/api/tokens/{id}")).await.status, 204);
    assert!(stream.rest().await.iter().all(|event| event.name != "done"));
    let refused = program.get("/api/me").await;
    assert_eq!((refused.status, refused.error()), (401, "unauthenticated"));
    assert_eq!(ada.delete(&format!("/api/tokens/{id}")).await.status, 404);
    let acts = world.acts(&format!("api_token:{id}")).await;
    assert_eq!(acts, ["api_token.create", "api_token.revoke"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_none_are_refused() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let good = ada.api_token(&["tasks:read"]).await;
    assert_eq!(world.bearer(&good).get("/api/me").await.status, 200);
    let swapped = |at: usize| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        String::from_utf8(bytes).unwrap()
    };
    for bad in [
        "crr_".to_owned(),
        good[..49].to_owned(),
        swapped(10),
        swapped(49),
        format!("{good}a"),
    ] {
        assert_eq!(world.bearer(&bad).get("/api/me").await.status, 401, "{bad}");
    }
    sqlx::query("UPDATE api_tokens SET expires_at = now() - interval '1 second'")
        .execute(&world.pool)
        .await
        .unwrap();
    assert_eq!(
        world.bearer(&good).get("/api/me").await.status,
        401,
        "expired"
    );
    assert_eq!(
        ada.get("/api/tokens").await.body["tokens"][0]["expired"],
        true
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_runs_out_ends_its_streams() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let task = world.submitted(&ada).await;
    let program = world.bearer(&ada.api_token(&["tasks:read"]).await);
    let mut stream = program.stream(&task, "", None).await;
    assert_eq!(stream.next().await.unwrap().name, "status");
    // Nobody is told of the time that passes, so this is what the regular look has to find.
    sqlx::query("UPDATE api_tokens SET expires_at = now()")
        .execute(&world.pool)
        .await
        .unwrap();
    assert!(stream.rest().await.iter().all(|event| event.name != "done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_tokens_are_checked() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let admin = world.admin().await;
    let cases = [
        (
            json!({ "name": "", "scopes": ["tasks:read"] }),
            400,
            "invalid_request",
        ),
        (
            json!({ "name": "x".repeat(101), "scopes": ["tasks:read"] }),
            400,
            "invalid_request",
        ),
        (
            json!({ "name": "a\r\nb", "scopes": ["tasks:read"] }),
            400,
            "invalid_request",
        ),
        (
            json!({ "name": "a\0b", "scopes": ["tasks:read"] }),
            400,
            "invalid_request",
        ),
        (json!({ "name": "a", "scopes": [] }), 400, "invalid_request"),
        (
            json!({ "name": "a", "scopes": ["tasks:delete"] }),
            422,
            "wrong_shape",
        ),
        (
            json!({ "name": "a", "scopes": ["tasks:read"], "expires_in_days": 0 }),
            400,
            "invalid_request",
        ),
        (
            json!({ "name": "a", "scopes": ["tasks:read"], "expires_in_days": 367 }),
            400,
            "invalid_request",
        ),
        (
            json!({ "name": "a", "scopes": ["tasks:read"], "expires_in_days": 18_446_744_073_709_551_615_u64 }),
            400,
            "invalid_request",
        ),
        (
            json!({ "name": "a", "scopes": ["tasks:read"], "user_id": "x" }),
            422,
            "wrong_shape",
        ),
        (
            json!({ "name": "a", "scopes": ["admin"] }),
            403,
            "forbidden",
        ),
    ];
    for (body, status, code) in cases {
        let answer = ada.post("/api/tokens", &body).await;
        assert_eq!((answer.status, answer.error()), (status, code), "{body}");
    }
    let body = json!({ "name": "Laptop", "scopes": ["tasks:read"] });
    assert_eq!(ada.post("/api/tokens", &body).await.status, 201);
    let again = ada
        .post(
            "/api/tokens",
            &json!({ "name": "laptop", "scopes": ["tasks:read"] }),
        )
        .await;
    assert_eq!((again.status, again.error()), (409, "name_taken"));
    assert_eq!(
        admin.post("/api/tokens", &body).await.status,
        201,
        "names are one's own"
    );

    // Administrators see and revoke everybody's.
    let id = ada.user_id().await;
    let theirs = admin.get(&format!("/api/tokens?user_id={id}")).await.body;
    let token = theirs["tokens"][0]["id"].as_str().unwrap();
    let admin_id = admin.user_id().await;
    let refused = ada.get(&format!("/api/tokens?user_id={admin_id}")).await;
    assert_eq!(refused.error(), "forbidden");
    assert_eq!(
        admin.delete(&format!("/api/tokens/{token}")).await.status,
        204
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_tokens_is_limited() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let id = ada.user_id().await;
    sqlx::query(
        "INSERT INTO api_tokens (id, user_id, name, token_hash, scopes, expires_at) \
         SELECT gen_random_uuid(), $1, n::text, sha256(n::text::bytea), ARRAY['tasks:read'], now() + interval '1 day' \
         FROM generate_series(1, 99) n",
    )
    .bind(id.parse::<uuid::Uuid>().unwrap())
    .execute(&world.pool)
    .await
    .unwrap();
    // Two at once for one place that is left.
    let body = |name: &str| json!({ "name": name, "scopes": ["tasks:read"] });
    let (one, other) = (body("one"), body("other"));
    let (one, other) = tokio::join!(
        ada.post("/api/tokens", &one),
        ada.post("/api/tokens", &other)
    );
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_an_administrator_is_none_without_the_scope() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let task = ada.submit(&json!({ "prompt": "do it" })).await;
    let admin = world.admin().await;
    let path = format!("/api/tasks/{task}");
    let plain = world.bearer(&admin.api_token(&["tasks:read"]).await);
    assert_eq!(plain.get(&path).await.status, 404);
    let full = admin.api_token(&["tasks:read", "admin"]).await;
    let full = world.bearer(&full);
    assert_eq!(full.get(&path).await.status, 200);

    // Whoever is administrator no more takes the token along.
    let body = json!({ "role": "admin" });
    let ada_id = ada.user_id().await;
    assert_eq!(
        full.patch(&format!("/api/users/{ada_id}"), &body)
            .await
            .status,
        200
    );
    let admin_id = admin.user_id().await;
    let body = json!({ "role": "user" });
    assert_eq!(
        ada.patch(&format!("/api/users/{admin_id}"), &body)
            .await
            .status,
        200
    );
    assert_eq!(full.get("/api/users").await.status, 403);
    assert_eq!(full.get(&path).await.status, 404);
}
