//! Every error has the same form, whoever made it.

use reqwest::Method;
use serde_json::json;

use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn every_error_has_the_envelope() {
    let world = World::start_with(|setup| setup.settings.max_body = 10_000).await;
    let admin = world.admin().await;
    let post = |body: &str| {
        admin
            .request(Method::POST, "/api/tasks")
            .body(body.to_owned())
    };
    let json_post = |body: &str| post(body).header("content-type", "application/json");
    let large = json!({ "prompt": "x".repeat(20_000) }).to_string();
    let cases = [
        (admin.request(Method::GET, "/api/nothing"), 404, "not_found"),
        (admin.request(Method::GET, "/nothing"), 404, "not_found"),
        (
            admin.request(Method::GET, "/api/tasks/not-an-id"),
            404,
            "not_found",
        ),
        (
            admin.request(Method::GET, "/api/tasks/%00"),
            404,
            "not_found",
        ),
        (
            admin.request(Method::PUT, "/api/tasks"),
            405,
            "method_not_allowed",
        ),
        (
            admin.request(Method::GET, "/auth/login"),
            405,
            "method_not_allowed",
        ),
        (json_post(&large), 413, "body_too_large"),
        (post("prompt=x"), 415, "unsupported_media_type"),
        (json_post("{"), 400, "bad_request"),
        (json_post("[]"), 422, "wrong_shape"),
        (
            json_post(r#"{"prompt":"x","unknown":1}"#),
            422,
            "wrong_shape",
        ),
        (json_post(r#"{"prompt":1}"#), 422, "wrong_shape"),
        (json_post("{}"), 422, "wrong_shape"),
        (
            admin.request(Method::GET, "/api/tasks?limit=x"),
            400,
            "bad_request",
        ),
    ];
    for (request, status, code) in cases {
        let what = format!("{request:?}");
        let answer = admin.send(request).await;
        assert_eq!(
            (answer.status, answer.error()),
            (status, code),
            "{what}: {}",
            answer.body
        );
    }
    let allowed = admin.send(admin.request(Method::PUT, "/api/tasks")).await;
    assert!(allowed.headers["allow"].to_str().unwrap().contains("POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn request_ids_are_taken_over_when_they_are_harmless() {
    let world = World::start().await;
    let stranger = world.stranger();
    let with_id = |id: &str| {
        stranger
            .request(Method::GET, "/api/tasks")
            .header("x-request-id", id)
    };
    let answer = stranger.send(with_id("abc-1")).await;
    assert_eq!(answer.body["error"]["request_id"], "abc-1");
    let answer = stranger.send(with_id("a b\"")).await;
    assert_eq!(answer.error(), "unauthenticated");
    assert_ne!(answer.body["error"]["request_id"], "a b\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_database_is_told_as_such() {
    let world = World::start().await;
    let admin = world.admin().await;
    // The name of the database goes away, and with it every connection of the gateway.
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    world.pool.close().await;
    let maintenance = world.setup.database_url.replace(&name, "postgres");
    let pool = sqlx::PgPool::connect(&maintenance).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "DROP DATABASE {name} WITH (FORCE)"
    )))
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let answer = admin.get("/readyz").await;
    assert_eq!((answer.status, answer.error()), (503, "unavailable"));
    assert_eq!(answer.body["error"]["details"]["store"], "database");
}
