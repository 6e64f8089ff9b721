//! Who may do what: every route, asked by everybody. A route that is in the OpenAPI document and not in this table fails the test.

use std::collections::BTreeSet;

use codex_tasklog::Body;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::forge;
use crate::support::world::World;

/// Whoever asks, in the order of the columns.
const WHO: [&str; 8] = [
    "nobody",
    "an expired token",
    "another user",
    "the owner",
    "an administrator",
    "a token of the owner, tasks:read",
    "a token of the owner, tasks:write",
    "a token of the administrator, admin",
];

/// What a route answers to each of [`WHO`].
struct Row {
    method: &'static str,
    route: &'static str,
    answers: [u16; 8],
}

const fn row(method: &'static str, route: &'static str, answers: [u16; 8]) -> Row {
    Row {
        method,
        route,
        answers,
    }
}

/// The same for everybody.
const fn open(method: &'static str, route: &'static str, answer: u16) -> Row {
    row(method, route, [answer; 8])
}

// `{id}` is a task, a token or a user of the owner's, `{name}` the patch; answers in the order of WHO.
const TABLE: &[Row] = &[
    open("GET", "/healthz", 200),
    open("GET", "/readyz", 200),
    open("GET", "/metrics", 200),
    open("GET", "/.well-known/jwks.json", 200),
    // No app is configured.
    open("GET", "/.well-known/apple-app-site-association", 404),
    open("GET", "/.well-known/assetlinks.json", 404),
    open("GET", "/api/openapi.json", 200),
    open("GET", "/api/docs", 200),
    open("GET", "/api/docs/style.css", 200),
    open("GET", "/auth/methods", 200),
    // The bodies are empty, and the provider is not configured: that is noticed, and nothing else.
    open("POST", "/auth/login", 422),
    open("POST", "/auth/refresh", 422),
    open("POST", "/auth/logout", 422),
    open("GET", "/auth/oidc/login", 400),
    open("GET", "/auth/oidc/callback", 404),
    open("POST", "/auth/oidc/exchange", 422),
    row("GET", "/api/me", [401, 401, 200, 200, 200, 200, 200, 200]),
    // The present password is wrong.
    row(
        "POST",
        "/api/me/password",
        [401, 401, 400, 400, 400, 403, 403, 403],
    ),
    row(
        "GET",
        "/api/repositories",
        [401, 401, 200, 200, 200, 200, 403, 403],
    ),
    row(
        "GET",
        "/api/tasks",
        [401, 401, 200, 200, 200, 200, 403, 403],
    ),
    row(
        "POST",
        "/api/tasks",
        [401, 401, 201, 201, 201, 403, 201, 403],
    ),
    row(
        "GET",
        "/api/tasks/{id}",
        [401, 401, 404, 200, 200, 200, 403, 403],
    ),
    row(
        "DELETE",
        "/api/tasks/{id}",
        [401, 401, 404, 202, 202, 403, 202, 403],
    ),
    row(
        "GET",
        "/api/tasks/{id}/stream",
        [401, 401, 404, 200, 200, 200, 403, 403],
    ),
    row(
        "GET",
        "/api/tasks/{id}/ws",
        [401, 401, 404, 101, 101, 101, 403, 403],
    ),
    row(
        "GET",
        "/api/tasks/{id}/log",
        [401, 401, 404, 200, 200, 200, 403, 403],
    ),
    row(
        "GET",
        "/api/tasks/{id}/patch",
        [401, 401, 404, 200, 200, 200, 403, 403],
    ),
    row(
        "GET",
        "/api/tasks/{id}/artifacts",
        [401, 401, 404, 200, 200, 200, 403, 403],
    ),
    row(
        "GET",
        "/api/tasks/{id}/artifacts/{name}",
        [401, 401, 404, 200, 200, 200, 403, 403],
    ),
    row(
        "GET",
        "/api/tokens",
        [401, 401, 200, 200, 200, 403, 403, 403],
    ),
    row(
        "POST",
        "/api/tokens",
        [401, 401, 201, 201, 201, 403, 403, 403],
    ),
    row(
        "DELETE",
        "/api/tokens/{id}",
        [401, 401, 404, 204, 204, 403, 403, 403],
    ),
    row(
        "GET",
        "/api/users",
        [401, 401, 403, 403, 200, 403, 403, 200],
    ),
    row(
        "POST",
        "/api/users",
        [401, 401, 403, 403, 201, 403, 403, 201],
    ),
    row(
        "GET",
        "/api/users/{id}",
        [401, 401, 403, 403, 200, 403, 403, 200],
    ),
    row(
        "PATCH",
        "/api/users/{id}",
        [401, 401, 403, 403, 200, 403, 403, 200],
    ),
    row(
        "DELETE",
        "/api/users/{id}",
        [401, 401, 403, 403, 204, 403, 403, 204],
    ),
    row(
        "GET",
        "/api/audit",
        [401, 401, 403, 403, 200, 403, 403, 200],
    ),
    row(
        "GET",
        "/api/audit/export",
        [401, 401, 403, 403, 200, 403, 403, 200],
    ),
];

#[test]
fn every_route_is_in_the_table() {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            documented.insert((method.to_uppercase(), path.clone()));
        }
    }
    let listed: BTreeSet<_> = TABLE
        .iter()
        .map(|row| (row.method.to_owned(), row.route.to_owned()))
        .collect();
    assert_eq!(listed.len(), TABLE.len(), "a route is in the table twice");
    let missing: Vec<_> = documented.difference(&listed).collect();
    assert!(missing.is_empty(), "say who may do this: {missing:?}");
    let gone: Vec<_> = listed.difference(&documented).collect();
    assert!(gone.is_empty(), "there is no such route: {gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_do_what_the_table_says() {
    let stage = Stage::set().await;
    let mut wrong = Vec::new();
    for row in TABLE {
        for ((who, client), expected) in WHO.iter().zip(&stage.clients).zip(row.answers) {
            let (path, body) = stage.request(row).await;
            let method = Method::from_bytes(row.method.as_bytes()).unwrap();
            let mut request = client.request(method, &path);
            if row.route.ends_with("/ws") {
                request = request
                    .header("connection", "upgrade")
                    .header("upgrade", "websocket")
                    .header("sec-websocket-version", "13")
                    .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
            }
            if let Some(body) = body {
                request = request.json(&body);
            }
            // Streams do not end, so the body is left alone.
            let status = request.send().await.unwrap().status().as_u16();
            if status != expected {
                let Row { method, route, .. } = row;
                wrong.push(format!("{method} {route}, {who}: {status}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everybody, and something to ask for.
struct Stage {
    world: World,
    clients: Vec<Client>,
    owner: Client,
    owner_id: Uuid,
    task: String,
}

impl Stage {
    async fn set() -> Self {
        let world = World::start().await;
        let admin = world.admin().await;
        let owner = world.user("owner").await;
        let other = world.user("other").await;
        let expired = forge::Token::of(&owner).claim("exp", forge::now() - 60);
        let clients = vec![
            world.stranger(),
            world.bearer(&expired.signed(&world.setup.key)),
            other,
            owner.clone(),
            admin.clone(),
            world.bearer(&owner.api_token(&["tasks:read"]).await),
            world.bearer(&owner.api_token(&["tasks:write"]).await),
            world.bearer(&admin.api_token(&["admin"]).await),
        ];
        let task = world.submitted(&owner).await;
        let patch = json!({ "type": "runner.patch", "patch": "--- a", "truncated": false });
        let body = Body::Event {
            json: patch.to_string(),
            more: false,
        };
        world.write(&task, 1, body).await;
        let owner_id = owner.get("/api/me").await.body["id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        Self {
            world,
            clients,
            owner,
            owner_id,
            task,
        }
    }

    /// The path and the body of a request that only the asker's rights can make fail. What goes away by it is made anew each time.
    async fn request(&self, row: &Row) -> (String, Option<Value>) {
        let fresh = Uuid::now_v7();
        let id = match (row.method, row.route) {
            ("DELETE", "/api/tasks/{id}") => self.world.submitted(&self.owner).await,
            (_, route) if route.starts_with("/api/tasks/") => self.task.clone(),
            (_, route) if route.starts_with("/api/tokens/") => {
                sqlx::query(
                    "INSERT INTO api_tokens (id, user_id, name, token_hash, scopes, expires_at) \
                     VALUES ($1, $2, $3, $4, ARRAY['tasks:read'], now() + interval '1 day')",
                )
                .bind(fresh)
                .bind(self.owner_id)
                .bind(fresh.to_string())
                .bind(&fresh.as_bytes()[..])
                .execute(&self.world.pool)
                .await
                .unwrap();
                fresh.to_string()
            }
            (_, route) if route.starts_with("/api/users/") => {
                sqlx::query("INSERT INTO users (id, email, role) VALUES ($1, $2, 'user')")
                    .bind(fresh)
                    .bind(format!("{fresh}@example.test"))
                    .execute(&self.world.pool)
                    .await
                    .unwrap();
                fresh.to_string()
            }
            _ => String::new(),
        };
        let body = match (row.method, row.route) {
            ("POST", "/api/tasks") => Some(json!({ "prompt": "do it" })),
            ("POST", "/api/tokens") => {
                Some(json!({ "name": fresh.to_string(), "scopes": ["tasks:read"] }))
            }
            ("POST", "/api/users") => {
                Some(json!({ "email": format!("{fresh}@example.test"), "password": "long enough" }))
            }
            ("POST", "/api/me/password") => {
                Some(json!({ "current_password": "wrong one", "new_password": "long enough" }))
            }
            ("POST" | "PATCH", _) => Some(json!({})),
            _ => None,
        };
        let path = row
            .route
            .replace("{id}", &id)
            .replace("{name}", "patch.diff");
        (path, body)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_spellings_of_a_path_open_nothing() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let read = world.bearer(&ada.api_token(&["tasks:read"]).await);
    for path in [
        "//api/users",
        "/api//users",
        "/api/users/",
        "/API/users",
        "/api/./users",
        "/api/tasks/../users",
        "/api/tasks/%2e%2e/users",
        "/api/tasks/..%2fusers",
        "/api/users%00",
        "/api/users;x=1",
        "/api/%75sers",
    ] {
        for client in [&ada, &read] {
            // The client library would tidy the path up, so the bytes are written by hand.
            let status = raw_get(client, path).await;
            assert!(
                [400, 401, 403, 404].contains(&status),
                "{path} answers {status}"
            );
        }
    }
}

/// The status of a request whose path is sent as it is.
async fn raw_get(client: &Client, path: &str) -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let host = client.base().strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(host).await.unwrap();
    let token = client.token.as_deref().unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
