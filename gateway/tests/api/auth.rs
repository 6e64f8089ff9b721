//! `/auth` and `/api/users`.

use reqwest::Method;
use serde_json::json;

use crate::support::world::{ADMIN, PASSWORD, World};

#[tokio::test(flavor = "multi_thread")]
async fn logins_answer_tokens_that_work() {
    let world = World::start().await;
    let stranger = world.stranger();
    let answer = stranger
        .post(
            "/auth/login",
            &json!({ "email": ADMIN.to_uppercase(), "password": PASSWORD }),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["token_type"], "Bearer");
    assert_eq!(answer.body["expires_in"], 600);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let mut client = stranger.clone();
    client.token = answer.body["access_token"].as_str().map(str::to_owned);
    assert_eq!(client.get("/api/tasks").await.status, 200);

    for (email, password) in [
        (ADMIN, "wrong password"),
        ("nobody@example.test", PASSWORD),
        ("a\0b", "\0"),
    ] {
        let answer = stranger
            .post(
                "/auth/login",
                &json!({ "email": email, "password": password }),
            )
            .await;
        assert_eq!(
            (answer.status, answer.error()),
            (401, "unauthenticated"),
            "{email:?}"
        );
    }
    let audited: i64 =
        sqlx::query_scalar("SELECT count(*) FROM audit WHERE action = 'auth.login_refused'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(audited, 3);
    let changed = sqlx::query("UPDATE audit SET actor = 'somebody'")
        .execute(&world.pool)
        .await;
    assert!(changed.unwrap_err().to_string().contains("append-only"));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_a_good_token_are_refused() {
    let world = World::start().await;
    let mut client = world.stranger();
    let answer = client.get("/api/tasks").await;
    assert_eq!((answer.status, answer.error()), (401, "unauthenticated"));
    assert!(
        answer.headers["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Bearer")
    );

    let good = world.admin().await.token.unwrap();
    let (rest, signature) = good.rsplit_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let payload = good.split('.').nth(1).unwrap();
    for token in [
        String::new(),
        "x".into(),
        format!("{rest}."),
        format!("{rest}.{}", &signature[1..]),
        format!("{none}.{payload}."),
    ] {
        client.token = Some(token.clone());
        assert_eq!(client.get("/api/repositories").await.status, 401, "{token}");
    }

    // A token in the URL is none.
    client.token = None;
    assert_eq!(
        client
            .get(&format!("/api/tasks?access_token={good}"))
            .await
            .status,
        401
    );

    sqlx::query("UPDATE users SET disabled = true")
        .execute(&world.pool)
        .await
        .unwrap();
    client.token = Some(good);
    assert_eq!(
        client.get("/api/tasks").await.status,
        401,
        "a disabled user is out at once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down() {
    let world = World::start().await;
    let wrong = json!({ "email": ADMIN, "password": "guess" });
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(world.stranger().post("/auth/login", &wrong).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
    let right = json!({ "email": ADMIN, "password": PASSWORD });
    let answer = world.stranger().post("/auth/login", &right).await;
    assert_eq!((answer.status, answer.error()), (429, "too_many_requests"));
    let wait: u64 = answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_are_good_once() {
    let world = World::start().await;
    let stranger = world.stranger();
    let login = json!({ "email": ADMIN, "password": PASSWORD });
    let first = stranger.post("/auth/login", &login).await.body["refresh_token"].clone();
    let renew = async |token: &serde_json::Value| {
        stranger
            .post("/auth/refresh", &json!({ "refresh_token": token }))
            .await
    };
    let answer = renew(&first).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let second = answer.body["refresh_token"].clone();
    assert_ne!(first, second);

    // Whoever uses a token twice betrays a copy: both of them are out.
    assert_eq!(renew(&first).await.status, 401);
    assert_eq!(renew(&second).await.status, 401);
    assert_eq!(renew(&json!("unknown")).await.status, 401);

    let third = stranger.post("/auth/login", &login).await.body["refresh_token"].clone();
    let bye = stranger
        .post("/auth/logout", &json!({ "refresh_token": third }))
        .await;
    assert_eq!(bye.status, 204);
    assert_eq!(renew(&third).await.status, 401);
    let stored: i64 =
        sqlx::query_scalar("SELECT count(*) FROM refresh_tokens WHERE token_hash = $1")
            .bind(third.as_str().unwrap().as_bytes())
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(stored, 0, "only hashes are stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_add_users() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let new = json!({ "email": "bob@example.test", "password": PASSWORD });
    assert_eq!(ada.post("/api/users", &new).await.error(), "forbidden");
    assert_eq!(world.stranger().post("/api/users", &new).await.status, 401);
    let admin = world.admin().await;
    let taken = json!({ "email": "ADA@example.test", "password": PASSWORD });
    let answer = admin.post("/api/users", &taken).await;
    assert_eq!((answer.status, answer.error()), (409, "email_taken"));
    for (email, password) in [("nobody", PASSWORD), ("a b@c", PASSWORD), ("c@d", "short")] {
        let answer = admin
            .post(
                "/api/users",
                &json!({ "email": email, "password": password }),
            )
            .await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_request"),
            "{email}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_origins_may_call_from_a_browser() {
    let world = World::start_with(|setup| {
        setup.settings.cors_origins = vec!["https://app.example".parse().unwrap()];
    })
    .await;
    let preflight = |origin: &'static str| {
        let request = world
            .stranger()
            .request(Method::OPTIONS, "/api/tasks")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,idempotency-key",
            );
        let client = world.stranger();
        async move { client.send(request).await.headers }
    };
    let listed = preflight("https://app.example").await;
    assert_eq!(listed["access-control-allow-origin"], "https://app.example");
    assert!(
        !preflight("https://evil.example")
            .await
            .contains_key("access-control-allow-origin")
    );
}
