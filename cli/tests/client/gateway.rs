//! A gateway that plays what a test tells it.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, RawQuery, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

pub const TOKEN: &str = "the-token";
/// A token that was good until a moment ago.
pub const ENDED_TOKEN: &str = "the-ended-token";
pub const TASK: &str = "01a20366-2529-7062-a3a5-8a816e714059";

/// What one connection to the stream gets.
pub struct Connection {
    pub events: Vec<String>,
    pub ending: Ending,
}

#[derive(Clone, Copy)]
pub enum Ending {
    /// The connection breaks.
    Break,
    /// The response ends as if all were said.
    End,
    /// Nothing comes until the task is canceled; then it is done.
    UntilCanceled,
    /// Nothing comes at all, whatever happens.
    Never,
    /// The stream is refused.
    Refuse(StatusCode),
}

/// What the gateway was asked.
#[derive(Default)]
pub struct Seen {
    pub logins: Vec<Value>,
    pub refreshes: Vec<Value>,
    pub tasks: Vec<(String, Value)>,
    pub streams: Vec<(Option<String>, Option<String>)>,
    pub lists: Vec<Option<String>>,
    pub canceled: Vec<String>,
}

pub struct Gateway {
    pub address: SocketAddr,
    pub state: Arc<Played>,
}

pub struct Played {
    connections: Mutex<VecDeque<Connection>>,
    /// How many times creating a task fails with 503 before it works.
    pub refusals: Mutex<u32>,
    pub seen: Mutex<Seen>,
    canceled: watch::Sender<bool>,
}

impl Gateway {
    pub async fn start(connections: Vec<Connection>) -> Self {
        let state = Arc::new(Played {
            connections: Mutex::new(connections.into()),
            refusals: Mutex::default(),
            seen: Mutex::default(),
            canceled: watch::Sender::new(false),
        });
        let private = Router::new()
            .route("/api/tasks", post(create_task).get(list_tasks))
            .route("/api/tasks/{id}", delete(cancel_task))
            .route("/api/tasks/{id}/stream", get(stream_task))
            .route("/api/repositories", get(list_repositories))
            .layer(from_fn(authenticate));
        let router = Router::new()
            .route("/auth/login", post(login))
            .route("/auth/refresh", post(refresh))
            .merge(private)
            .with_state(Arc::clone(&state));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen<T>(&self, read: impl FnOnce(&Seen) -> T) -> T {
        read(&self.state.seen.lock().unwrap())
    }
}

/// The text of an event.
pub fn event(name: &str, id: Option<u64>, data: &Value) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n")
}

pub fn status(state: &str) -> String {
    event(
        "status",
        None,
        &json!({"state": state, "ts": "2026-01-01T00:00:00Z"}),
    )
}

pub fn log(id: u64) -> String {
    let line = format!("line {id}");
    event(
        "log",
        Some(id),
        &json!({"line": line, "ts": "2026-01-01T00:00:00Z", "stream": "stdout"}),
    )
}

pub fn done(state: &str, exit_code: Option<i32>) -> String {
    event(
        "done",
        None,
        &json!({"exit_code": exit_code, "state": state}),
    )
}

async fn authenticate(request: Request, next: Next) -> Response {
    let expected = format!("Bearer {TOKEN}");
    match request.headers().get(header::AUTHORIZATION) {
        Some(value) if value.as_bytes() == expected.as_bytes() => next.run(request).await,
        _ => refusal(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "the token has expired",
        ),
    }
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    (
        status,
        Json(json!({"error": {"code": code, "message": message, "request_id": "r-1"}})),
    )
        .into_response()
}

async fn login(State(state): State<Arc<Played>>, Json(body): Json<Value>) -> Response {
    let right = body["password"] == "open sesame";
    state.seen.lock().unwrap().logins.push(body);
    if !right {
        return refusal(
            StatusCode::UNAUTHORIZED,
            "bad_credentials",
            "email or password is wrong",
        );
    }
    Json(json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 900, "refresh_token": "refresh"}))
        .into_response()
}

/// Each refresh token is good once.
async fn refresh(State(state): State<Arc<Played>>, Json(body): Json<Value>) -> Response {
    let mut seen = state.seen.lock().unwrap();
    let right = body["refresh_token"] == "refresh" && seen.refreshes.is_empty();
    seen.refreshes.push(body);
    if !right {
        return refusal(StatusCode::UNAUTHORIZED, "refresh_refused", "log in again");
    }
    Json(json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 900, "refresh_token": "next"}))
        .into_response()
}

async fn create_task(
    State(state): State<Arc<Played>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    let invalid = body["cwd"] == "/etc";
    state.seen.lock().unwrap().tasks.push((key, body));
    if invalid {
        return refusal(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_cwd",
            "/etc is in no repository",
        );
    }
    let mut refusals = state.refusals.lock().unwrap();
    if *refusals > 0 {
        *refusals -= 1;
        return refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "the database is away",
        );
    }
    (
        StatusCode::CREATED,
        Json(json!({"task_id": TASK, "status": "queued"})),
    )
        .into_response()
}

async fn list_tasks(State(state): State<Arc<Played>>, RawQuery(query): RawQuery) -> Response {
    state.seen.lock().unwrap().lists.push(query);
    let task = json!({"task_id": TASK, "status": "running", "created_at": "2026-01-01T00:00:00Z",
        "prompt": "Tidy up\u{1b}[2J\nand more"});
    Json(json!({"total": 1, "tasks": [task]})).into_response()
}

async fn list_repositories() -> Response {
    let demo = json!({"name": "demo", "path": "/srv/repos/demo", "description": "Begin here", "default": true});
    let other =
        json!({"name": "other", "path": "/srv/repos/other", "description": null, "default": false});
    Json(json!({"repositories": [demo, other]})).into_response()
}

async fn cancel_task(State(state): State<Arc<Played>>, Path(id): Path<String>) -> Response {
    if id != TASK {
        return refusal(StatusCode::NOT_FOUND, "not_found", "there is no such task");
    }
    state.seen.lock().unwrap().canceled.push(id);
    state.canceled.send_replace(true);
    StatusCode::ACCEPTED.into_response()
}

async fn stream_task(
    State(state): State<Arc<Played>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let after = headers
        .get("last-event-id")
        .map(|value| value.to_str().unwrap().to_owned());
    state.seen.lock().unwrap().streams.push((after, query));
    let Some(Connection { events, ending }) = state.connections.lock().unwrap().pop_front() else {
        return refusal(StatusCode::NOT_FOUND, "not_found", "there is no such task");
    };
    if let Ending::Refuse(status) = ending {
        return refusal(status, "refused", "not now");
    }
    let mut canceled = state.canceled.subscribe();
    let last = stream::once(async move {
        match ending {
            Ending::Break => {
                // Lets the server send what it has before the connection breaks.
                tokio::time::sleep(Duration::from_millis(5)).await;
                Some(Err(io::Error::from(io::ErrorKind::ConnectionReset)))
            }
            Ending::UntilCanceled => {
                canceled.wait_for(|canceled| *canceled).await.unwrap();
                Some(Ok(Bytes::from(done("canceled", None))))
            }
            Ending::Never => std::future::pending().await,
            Ending::End | Ending::Refuse(_) => None,
        }
    });
    let events = stream::iter(events).map(|event| Ok(Bytes::from(event)));
    let body = Body::from_stream(events.chain(last.filter_map(std::future::ready)));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}
