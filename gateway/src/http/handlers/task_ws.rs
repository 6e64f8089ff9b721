//! `GET /api/tasks/{id}/ws`: the events of a stream as WebSocket messages.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use http::{HeaderMap, header};

use super::task_stream::{StreamQuery, open};
use crate::app::App;
use crate::http::envelope::ApiError;
use crate::http::extract::{Parameters, TaskId};
use crate::http::identity::{BEARER_PROTOCOL, Identity};
use crate::streams::websocket;

/// The name of the subprotocol. A browser wants one of those that it offered to be chosen, and this one is no secret.
pub const PROTOCOL: &str = "codex.events";
/// Clients have nothing to say but pongs and goodbye.
const MAX_MESSAGE: usize = 4096;
/// What is put together for one write, in bytes; as much as 128 KiB, which is usual, would wait in memory for each slow client.
const WRITE_BUFFER: usize = 32 * 1024;

/// `GET /api/tasks/{id}/ws`
///
/// # Errors
/// 400 where the request is no WebSocket handshake, and those of the stream.
#[utoipa::path(
    get,
    path = "/api/tasks/{id}/ws",
    tag = "tasks",
    security(("bearer" = [])),
    summary = "Watch a task: WebSocket",
    description = "Each message is one `StreamEvent` as JSON. Where the header `Authorization` cannot be set, offer the subprotocols `codex.events` and \
        `bearer.` followed by the token.",
    params(TaskId, StreamQuery),
    responses((status = 101, description = "The connection speaks WebSocket; each message is a `StreamEvent`.")),
)]
pub async fn watch_task(
    State(app): State<Arc<App>>,
    identity: Identity,
    TaskId(id): TaskId,
    Parameters(query): Parameters<StreamQuery>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|_| {
        ApiError::BadRequest(
            "this address speaks WebSocket; for server-sent events use /stream".to_owned(),
        )
    })?;
    let viewer = open(&app, &identity, id, &query, &headers).await?;
    let mut upgrade = upgrade
        .read_buffer_size(MAX_MESSAGE)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE);
    if let Some(protocol) = protocol(&headers) {
        upgrade = upgrade.protocols([protocol]);
    }
    let shutdown = app.shutdown.clone();
    let tracker = app.streams.tracker().clone();
    let pass = identity.pass(&app);
    Ok(upgrade.on_upgrade(move |socket: WebSocket| {
        tracker.track_future(async move {
            let stop = shutdown.child_token();
            let delivery = websocket::deliver(socket, viewer, stop.clone());
            let mut delivery = std::pin::pin!(delivery);
            tokio::select! {
                () = &mut delivery => {}
                () = pass.ended().cancelled() => {
                    stop.cancel();
                    delivery.await;
                }
            }
        })
    }))
}

/// The subprotocol to choose: ours, or else the one with the token, because a browser accepts none but what it offered.
fn protocol(headers: &HeaderMap) -> Option<String> {
    let offered: Vec<&str> = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let choice = offered.iter().find(|name| **name == PROTOCOL).or_else(|| {
        offered
            .iter()
            .find(|name| name.starts_with(BEARER_PROTOCOL))
    });
    choice.map(|name| (*name).to_owned())
}
