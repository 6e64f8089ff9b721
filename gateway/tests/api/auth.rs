//! `/auth/login`: logins, and the throttle on them.

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
    for _ in 0..5 {
        assert_eq!(
            world.stranger().post("/auth/login", &wrong).await.status,
            401
        );
    }
    world.as_if_guessed_on().await;
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

#[tokio::test(flavor = "multi_thread")]
async fn all_gateways_count_together() {
    let world = World::start().await;
    let second = crate::support::process::Gateway::start(world.setup.clone()).await;
    let there = world.stranger().at(&second.url);
    let wrong = json!({ "email": ADMIN, "password": "guess" });
    let mut statuses = Vec::new();
    for turn in 0..6 {
        if turn == 5 {
            world.as_if_guessed_on().await;
        }
        let client = if turn % 2 == 0 {
            &there
        } else {
            &world.stranger()
        };
        statuses.push(client.post("/auth/login", &wrong).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
    // Nobody else is locked out by that, and whoever comes from elsewhere is not either.
    let other = json!({ "email": "nobody@example.test", "password": "guess" });
    assert_eq!(there.post("/auth/login", &other).await.status, 401);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_do_not_help_to_guess() {
    let world = World::start().await;
    let stranger = world.stranger();
    let wrong = json!({ "email": ADMIN, "password": "guess" });
    let mut statuses = Vec::new();
    for turn in 0..6 {
        if turn == 5 {
            world.as_if_guessed_on().await;
        }
        // No proxy is configured, so what clients say about themselves is not believed.
        let request = stranger
            .request(Method::POST, "/auth/login")
            .header("x-forwarded-for", format!("192.0.2.{turn}"))
            .header("forwarded", format!("for=192.0.2.{turn}"))
            .header("x-real-ip", format!("192.0.2.{turn}"))
            .json(&wrong);
        statuses.push(stranger.send(request).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
    let addresses: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT ip FROM audit WHERE ip IS NOT NULL")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(addresses, ["127.0.0.1"]);
}

/// How long one login takes, in milliseconds.
async fn time_login(client: &crate::support::client::Client, email: &str) -> f64 {
    let body = json!({ "email": email, "password": "not the password" });
    let before = std::time::Instant::now();
    let status = client.post("/auth/login", &body).await.status;
    assert_eq!(status, 401);
    before.elapsed().as_secs_f64() * 1000.0
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_users_cost_as_much_as_known_ones() {
    let world = World::start().await;
    let stranger = world.stranger();
    let verified = async || {
        let metrics = stranger.get("/metrics").await.body;
        let metrics = metrics.as_str().unwrap().to_owned();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("codex_gateway_passwords_verified_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    sqlx::query("INSERT INTO users (id, email, role) VALUES (gen_random_uuid(), 'sso@example.test', 'user')")
        .execute(&world.pool)
        .await
        .unwrap();
    // Each costs one hash, whatever is wrong.
    let long = "x".repeat(5000);
    for (email, password) in [
        (ADMIN, "not the password"),
        ("nobody@example.test", "not the password"),
        ("sso@example.test", ""),
        (ADMIN, &long),
    ] {
        let before = verified().await;
        let body = json!({ "email": email, "password": password });
        assert_eq!(stranger.post("/auth/login", &body).await.status, 401);
        assert_eq!(verified().await, before + 1, "{email}");
    }
    // The clock agrees. Other work of the machine only ever slows a login down, so the fastest of each kind come together after some
    // time; if unknown users cost no hash, they never would.
    let mut fastest = [f64::MAX; 2];
    let mut alike = false;
    for turn in 0..60 {
        sqlx::query("DELETE FROM login_attempts")
            .execute(&world.pool)
            .await
            .unwrap();
        let unknown = format!("nobody-{turn}@example.test");
        fastest[0] = fastest[0].min(time_login(&stranger, ADMIN).await);
        fastest[1] = fastest[1].min(time_login(&stranger, &unknown).await);
        if turn >= 5 && (0.7..1.4).contains(&(fastest[0] / fastest[1])) {
            alike = true;
            break;
        }
    }
    assert!(alike, "known {fastest:?} unknown");
}
