//! HTTP around the script.

use std::{fmt, io, path::Path, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::{Stream, stream};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    hold::Hold,
    reply::{Chunk, Reply, encode},
    request::Turn,
    script,
};

/// The largest request that is read. Codex sends the whole conversation each time.
const BODY_LIMIT: usize = 64 << 20;

/// How the server behaves.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The key that requests must carry as a bearer token. Without one, any request is answered.
    pub key: Option<ApiKey>,
    /// The time between two pieces of streamed text.
    pub pace: Duration,
    /// What may hold answers back.
    pub hold: Option<Hold>,
}

/// An API key. Its debug form does not show it.
#[derive(Clone)]
pub struct ApiKey(String);

/// Serves until `shutdown` is canceled; streams that are under way are then broken off.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let state = Arc::new(Server {
        options,
        shutdown: shutdown.clone(),
    });
    let app = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/v1/responses", post(create_response))
        .fallback(async || {
            error(
                StatusCode::NOT_FOUND,
                "The demo model serves POST /v1/responses only.",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(state);
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

impl ApiKey {
    /// A key as it stands.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// Reads a key from a file; white space around it does not count.
    ///
    /// # Errors
    /// When the file cannot be read or holds nothing.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        let failed = |kind, why: &dyn fmt::Display| {
            io::Error::new(kind, format!("key file {}: {why}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.kind(), &error))?;
        match text.trim() {
            "" => Err(failed(
                io::ErrorKind::InvalidData,
                &"it is empty; write the API key into it",
            )),
            key => Ok(Self(key.to_owned())),
        }
    }

    fn is_in(&self, headers: &HeaderMap) -> bool {
        headers
            .get(header::AUTHORIZATION)
            .is_some_and(|value| value.as_bytes() == format!("Bearer {}", self.0).as_bytes())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

struct Server {
    options: Options,
    shutdown: CancellationToken,
}

async fn create_response(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if server
        .options
        .key
        .as_ref()
        .is_some_and(|key| !key.is_in(&headers))
    {
        return error(StatusCode::UNAUTHORIZED, "Incorrect API key provided.");
    }
    let turn = match Turn::parse(&body) {
        Ok(turn) => turn,
        Err(reason) => return error(StatusCode::BAD_REQUEST, &reason.to_string()),
    };
    if let Some(hold) = &server.options.hold {
        tokio::select! {
            () = hold.wait(turn.outputs.len()) => {}
            () = server.shutdown.cancelled() => {
                return error(StatusCode::SERVICE_UNAVAILABLE, "The demo model stops.");
            }
        }
    }
    match script::reply(&turn) {
        Reply::Status { status, message } => error(
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            &message,
        ),
        Reply::Stream {
            items,
            pause,
            ending,
        } => {
            let chunks = encode(&turn, &items, ending, pause, server.options.pace);
            let body = Body::from_stream(play(chunks, Arc::clone(&server)));
            (
                [
                    (header::CONTENT_TYPE, "text/event-stream"),
                    (header::CACHE_CONTROL, "no-store"),
                ],
                body,
            )
                .into_response()
        }
    }
}

/// Sends the chunks at their times. An error as the last element makes hyper cut the connection.
fn play(chunks: Vec<Chunk>, server: Arc<Server>) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some((chunks.into_iter(), server)), async |state| {
        let (mut chunks, server) = state?;
        loop {
            let (time, hold) = match chunks.next()? {
                Chunk::Events(events) => return Some((Ok(events), Some((chunks, server)))),
                Chunk::Abort => break,
                Chunk::Wait(time) => (time, None),
                Chunk::Pause { time, items } => {
                    (time, server.options.hold.as_ref().map(|hold| (hold, items)))
                }
            };
            let pause = async {
                tokio::time::sleep(time).await;
                if let Some((hold, items)) = hold {
                    hold.wait(items).await;
                }
            };
            tokio::select! {
                () = pause => {}
                () = server.shutdown.cancelled() => break,
            }
        }
        // Hyper flushes when the body has nothing ready. Without this the events before the break would not leave.
        tokio::task::yield_now().await;
        Some((Err(io::ErrorKind::ConnectionAborted.into()), None))
    })
}

/// An error as the API gives it.
fn error(status: StatusCode, message: &str) -> Response {
    let kind = if status.is_server_error() {
        "server_error"
    } else {
        "invalid_request_error"
    };
    let body = json!({"error": {"message": message, "type": kind, "param": null, "code": null}});
    (status, Json(body)).into_response()
}
