//! `/api/tasks/{id}/log` and `/patch`: what is on record of a task's output.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use http::{HeaderName, header};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;
use crate::database::tasks;
use crate::http::envelope::ApiError;
use crate::http::extract::{NO_TASK, Parameters, TaskId};
use crate::http::identity::Identity;
use crate::http::openapi::events::FormatName;
use crate::streams::recorded::{self, Format};
use crate::tasks::validate::Invalid;

/// The query of a log.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// `text`, unless told: lines; `ndjson`: one object for each line or event, with its number.
    #[param(value_type = Option<FormatName>, inline)]
    format: Option<String>,
}

/// `GET /api/tasks/{id}/log`: everything up to now, as text or as NDJSON.
///
/// # Errors
/// 404, and 503 when the store of the log is away.
#[utoipa::path(
    get,
    path = "/api/tasks/{id}/log",
    tag = "tasks",
    security(("bearer" = [])),
    summary = "Read the log",
    description = "Everything up to now; of a finished task all of it.",
    params(TaskId, LogQuery),
    responses((status = 200, content(
        (String = "text/plain; charset=utf-8"),
        (String = "application/x-ndjson"),
    ))),
)]
pub async fn get_log(
    State(app): State<Arc<App>>,
    identity: Identity,
    TaskId(id): TaskId,
    Parameters(query): Parameters<LogQuery>,
) -> Result<Response, ApiError> {
    let format = match query.format.as_deref() {
        None | Some("" | "text") => Format::Text,
        Some("ndjson") => Format::Ndjson,
        Some(_) => {
            return Err(Invalid {
                field: "format",
                message: "format must be text or ndjson".to_owned(),
            }
            .into());
        }
    };
    check_visible(&app, &identity, id).await?;
    let pieces = recorded::open(&app, id).await.map_err(away)?;
    let body = Body::from_stream(recorded::render(pieces, format));
    let headers = [
        (header::CONTENT_TYPE, format.content_type()),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, body).into_response())
}

/// The runner's event that carries the patch.
#[derive(Deserialize)]
struct PatchEvent {
    #[serde(rename = "type")]
    kind: String,
    patch: String,
    #[serde(default)]
    truncated: bool,
}

/// `GET /api/tasks/{id}/patch`: what the task changed, for `git apply`. A patch that was too long to be kept whole says so in the header
/// `x-codex-patch-truncated`.
///
/// # Errors
/// 404 while there is no patch, and 503 when the store of the log is away.
#[utoipa::path(
    get,
    path = "/api/tasks/{id}/patch",
    tag = "tasks",
    security(("bearer" = [])),
    summary = "Read the patch",
    description = "What the task changed, for `git apply`. 404 while it has not ended, and when it changed nothing.",
    params(TaskId),
    responses((status = 200, body = String, content_type = "text/x-diff; charset=utf-8", headers(
        ("X-Codex-Patch-Truncated" = bool, description = "Whether the patch was too long to be kept whole."),
    ))),
)]
pub async fn get_patch(
    State(app): State<Arc<App>>,
    identity: Identity,
    TaskId(id): TaskId,
) -> Result<Response, ApiError> {
    check_visible(&app, &identity, id).await?;
    let mut pieces = recorded::open(&app, id).await.map_err(away)?;
    let mut last = None;
    while let Some(batch) = pieces.next().await {
        for piece in batch.map_err(away)? {
            let codex_tasklog::JoinedBody::Event { json } = piece.body else {
                continue;
            };
            // Looking for the word is much cheaper than parsing every event.
            if json.contains("\"runner.patch\"") {
                let event = serde_json::from_str::<PatchEvent>(&json).ok();
                last = event.filter(|event| event.kind == "runner.patch").or(last);
            }
        }
    }
    let event = last.ok_or(ApiError::NotFound(
        "the task has no patch: it has not ended yet, or changed nothing",
    ))?;
    let headers = [
        (header::CONTENT_TYPE, "text/x-diff; charset=utf-8"),
        (
            HeaderName::from_static("x-codex-patch-truncated"),
            if event.truncated { "true" } else { "false" },
        ),
    ];
    Ok((headers, event.patch).into_response())
}

async fn check_visible(app: &App, identity: &Identity, id: Uuid) -> Result<(), ApiError> {
    if tasks::is_visible(&app.pool, identity.scope(), id).await? {
        Ok(())
    } else {
        Err(NO_TASK)
    }
}

fn away(error: codex_tasklog::LogError) -> ApiError {
    match error {
        codex_tasklog::LogError::Damaged(_) => ApiError::Internal(error.into()),
        _ => ApiError::Unavailable {
            store: "log",
            source: Some(error.into()),
        },
    }
}
