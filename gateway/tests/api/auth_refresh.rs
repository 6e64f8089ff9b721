//! `/auth/refresh` and `/auth/logout`: sessions go on, and end when they should.

use codex_gateway::http::client_address::TrustedProxies;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::until;
use crate::support::world::{ADMIN, PASSWORD, World};

async fn log_in(client: &Client) -> Value {
    let login = json!({ "email": ADMIN, "password": PASSWORD });
    let answer = client.post("/auth/login", &login).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

async fn renew(client: &Client, session: &Value) -> Answer {
    let body = json!({ "refresh_token": session["refresh_token"] });
    client.post("/auth/refresh", &body).await
}

/// What `/api/me` answers to the access token of a session.
async fn me(world: &World, session: &Value) -> u16 {
    let client = world.bearer(session["access_token"].as_str().unwrap());
    client.get("/api/me").await.status
}

/// As if all that happened so far had happened a minute ago.
async fn a_minute_later(world: &World) {
    sqlx::query("UPDATE refresh_tokens SET used_at = used_at - interval '1 minute'")
        .execute(&world.pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_good_once() {
    let world = World::start().await;
    let stranger = world.stranger();
    let first = log_in(&stranger).await;
    let second = renew(&stranger, &first).await;
    assert_eq!(second.status, 200, "{}", second.body);
    assert_ne!(first["refresh_token"], second.body["refresh_token"]);
    assert_eq!(me(&world, &second.body).await, 200);
    let other = log_in(&stranger).await;

    // Whoever uses a token twice betrays a copy: all that came from the login is out, and nothing else.
    a_minute_later(&world).await;
    let reused = renew(&stranger, &first).await;
    assert_eq!((reused.status, reused.error()), (401, "unauthenticated"));
    assert_eq!(renew(&stranger, &second.body).await.status, 401);
    assert_eq!(me(&world, &second.body).await, 401, "access tokens too");
    assert_eq!(me(&world, &other).await, 200);
    let (actor, ip): (String, Option<String>) =
        sqlx::query_as("SELECT actor, ip FROM audit WHERE action = 'auth.refresh_reused'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!((actor.as_str(), ip.as_deref()), (ADMIN, Some("127.0.0.1")));

    let unknown = json!({ "refresh_token": "unknown" });
    assert_eq!(renew(&stranger, &unknown).await.status, 401);
    let text = other["refresh_token"].as_str().unwrap();
    let stored: i64 =
        sqlx::query_scalar("SELECT count(*) FROM refresh_tokens WHERE token_hash = $1")
            .bind(text.as_bytes())
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(stored, 0, "only hashes are stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_that_refresh_at_once_stay_logged_in() {
    let world = World::start().await;
    let stranger = world.stranger();
    let first = log_in(&stranger).await;
    let answers = join_all((0..8).map(|_| renew(&stranger, &first))).await;
    let mut next = Vec::new();
    for answer in answers {
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(me(&world, &answer.body).await, 200);
        next.push(answer.body["refresh_token"].clone());
    }
    assert!(
        next.iter().all(|token| *token == next[0]),
        "one line of tokens"
    );

    // From the moment that the successor is used, the first one is a copy.
    let successor = json!({ "refresh_token": next[0] });
    let third = renew(&stranger, &successor).await;
    assert_eq!(third.status, 200);
    assert_eq!(renew(&stranger, &first).await.status, 401);
    assert_eq!(renew(&stranger, &third.body).await.status, 401);
    assert_eq!(me(&world, &third.body).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thief_and_the_owner_do_not_both_go_on() {
    let world = World::start().await;
    let stranger = world.stranger();
    let stolen = log_in(&stranger).await;
    // The thief is first; the owner follows within moments, and both have the same successor.
    let thief = renew(&stranger, &stolen).await.body;
    let owner = renew(&stranger, &stolen).await.body;
    assert_eq!(thief["refresh_token"], owner["refresh_token"]);
    assert_eq!(renew(&stranger, &thief).await.status, 200);
    a_minute_later(&world).await;
    assert_eq!(renew(&stranger, &owner).await.status, 401);
    assert_eq!(me(&world, &thief).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_ends_the_session_and_its_streams() {
    let world = World::start().await;
    let stranger = world.stranger();
    let (leaving, staying) = (log_in(&stranger).await, log_in(&stranger).await);
    let client = world.bearer(leaving["access_token"].as_str().unwrap());
    let id = world.submitted(&client).await;
    let mut stream = client.stream(&id, "", None).await;
    assert_eq!(stream.next().await.unwrap().name, "status");
    let body = json!({ "refresh_token": leaving["refresh_token"] });
    assert_eq!(stranger.post("/auth/logout", &body).await.status, 204);
    assert_eq!(me(&world, &leaving).await, 401);
    assert_eq!(renew(&stranger, &leaving).await.status, 401);
    assert!(stream.rest().await.iter().all(|event| event.name != "done"));
    assert_eq!(me(&world, &staying).await, 200);
    until("the logout to be on record", async || {
        let found: Option<String> =
            sqlx::query_scalar("SELECT actor FROM audit WHERE action = 'auth.logout'")
                .fetch_optional(&world.pool)
                .await
                .unwrap();
        found.filter(|actor| actor == ADMIN)
    })
    .await;
    // Unknown tokens are none to end.
    let body = json!({ "refresh_token": "unknown" });
    assert_eq!(stranger.post("/auth/logout", &body).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_tells_what_became_of_a_session() {
    let world =
        World::start_with(|setup| setup.settings.trusted_proxies = TrustedProxies::Hops(1)).await;
    let from = |address: &str| world.stranger().from(address);
    let (here, there) = (from("192.0.2.1"), from("198.51.100.7"));
    let first = log_in(&here).await;
    let second = renew(&here, &first).await.body;
    let third = renew(&there, &second).await.body;
    let fourth = renew(&there, &third).await.body;
    a_minute_later(&world).await;
    assert_eq!(renew(&here, &second).await.status, 401, "used twice");
    assert_eq!(renew(&there, &fourth).await.status, 401, "ended with it");
    let other = log_in(&here).await;
    let body = json!({ "refresh_token": other["refresh_token"] });
    assert_eq!(here.post("/auth/logout", &body).await.status, 204);

    let page = from("192.0.2.9").login(ADMIN, PASSWORD).await;
    let page = page.get("/api/audit?actor=admin@example.test").await.body;
    // Without the login that reads this, and without the first of all rows, which made the user.
    let told: Vec<_> = page["entries"]
        .as_array()
        .unwrap()
        .iter()
        .skip(1)
        .filter(|entry| entry["action"] != "user.bootstrap")
        .map(|entry| ["action", "ip", "target", "credential"].map(|key| &entry[key]))
        .collect();
    let [last, first] = [told[0][3], told[2][3]];
    assert_ne!(first, last);
    let none = &Value::Null;
    let expected = [
        ("auth.logout", "192.0.2.1", last, last),
        ("auth.login", "192.0.2.1", none, last),
        ("auth.refresh_reused", "192.0.2.1", first, first),
        // An ordinary refresh is no act. That the session goes on elsewhere is.
        ("auth.session_moved", "198.51.100.7", none, first),
        ("auth.login", "192.0.2.1", none, first),
    ];
    assert_eq!(told.len(), expected.len(), "{page}");
    for ([was, ip, target, credential], (action, address, ended, session)) in
        told.into_iter().zip(expected)
    {
        assert_eq!((was, ip), (&json!(action), &json!(address)), "{page}");
        assert_eq!((target, credential), (ended, session), "{page}");
    }
}
