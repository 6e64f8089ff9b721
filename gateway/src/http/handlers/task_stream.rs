//! `GET /api/tasks/{id}/stream`: the live events of a task.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, header};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;
use crate::http::envelope::ApiError;
use crate::http::extract::{LAST_FRAME, NO_TASK, Parameters, TaskId, digits};
use crate::http::identity::Identity;
use crate::http::openapi::events::{PaceName, ServerSentEvent, ViewName};
use crate::streams::encode::View;
use crate::streams::fanout::{EventBody, Pace, Request, Viewer};
use crate::streams::oversight::{DatabaseOversight, watch_task};
use crate::tasks::validate::Invalid;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The query of a stream.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// The `id` of the last event that was received: the stream goes on after it.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    after: Option<String>,
    /// `typed`, unless told: events of Codex as `item`, lines as `log`; `raw`: everything as `log`.
    #[param(value_type = Option<ViewName>, inline)]
    view: Option<String>,
    /// `fast`, unless told: events come at most every millisecond, or every 10 ms where many watch; `ui`: every 50 ms.
    #[param(value_type = Option<PaceName>, inline)]
    pace: Option<String>,
}

/// `GET /api/tasks/{id}/stream`
///
/// # Errors
/// 400 for a number that is none, 404, 429 when too many streams are open, and 503 when the gateway is about to stop.
#[utoipa::path(
    get,
    path = "/api/tasks/{id}/stream",
    tag = "tasks",
    security(("bearer" = [])),
    summary = "Watch a task: server-sent events",
    description = "The present `status` comes first, then everything after the number that you name, then what happens, and `done` at the end. \
        `event`, `id` and `data` are those of the schema `StreamEvent`. A comment every 15 seconds shows that the connection lives.",
    params(
        TaskId,
        StreamQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "As `after`, which it overrides: browsers send it when they connect again.",
            maximum = 9_007_199_254_740_991_u64),
    ),
    responses((status = 200, description = "Events; each is a `StreamEvent` whose `data` is JSON in a string.", body = ServerSentEvent, content_type = "text/event-stream")),
)]
pub async fn stream_task(
    State(app): State<Arc<App>>,
    identity: Identity,
    TaskId(id): TaskId,
    Parameters(query): Parameters<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let viewer = open(&app, &identity, id, &query, &headers).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies of the nginx family hold back what is not yet a full buffer.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let body = identity.pass(&app).limit(EventBody::from(viewer));
    Ok((headers, Body::new(body)).into_response())
}

/// A viewer of a task, after all checks.
pub(super) async fn open(
    app: &Arc<App>,
    identity: &Identity,
    task: Uuid,
    query: &StreamQuery,
    headers: &HeaderMap,
) -> Result<Viewer, ApiError> {
    if app.stopping.is_cancelled() {
        return Err(ApiError::Stopping);
    }
    let request = Request {
        task,
        user: identity.user_id,
        after: after(headers, query.after.as_deref())?,
        view: view(query.view.as_deref())?,
        pace: pace(query.pace.as_deref())?,
    };
    // First of all: what others have is not there, however many streams are open.
    let watch = watch_task(app, identity.scope(), task)
        .await?
        .ok_or(NO_TASK)?;
    let slot = app.slots.take(identity.user_id).inspect_err(|refused| {
        app.metrics.streams_refused.inc();
        tracing::info!(user.id = %identity.user_id, %refused, "a stream is refused");
    })?;
    let oversight = DatabaseOversight::of(app);
    app.streams
        .join(request, watch, &oversight, Some(slot))
        .ok_or(NO_TASK)
}

/// A browser that connects again sends the header and the old query, so the header counts; but neither may be nonsense.
fn after(headers: &HeaderMap, query: Option<&str>) -> Result<u64, Invalid> {
    let header = headers
        .get(LAST_EVENT_ID)
        .map(|value| value.to_str().unwrap_or("?"));
    let read = |text: &str| {
        digits(text, LAST_FRAME).ok_or_else(|| Invalid {
            field: "after",
            message: "Last-Event-ID and after must be the id of the last event that was received"
                .to_owned(),
        })
    };
    let query = query.map(read).transpose()?;
    let header = header.map(read).transpose()?;
    Ok(header.or(query).unwrap_or(0))
}

fn view(text: Option<&str>) -> Result<View, Invalid> {
    match text {
        None | Some("typed") => Ok(View::Typed),
        Some("raw") => Ok(View::Raw),
        Some(_) => Err(Invalid {
            field: "view",
            message: "view must be typed or raw".to_owned(),
        }),
    }
}

fn pace(text: Option<&str>) -> Result<Pace, Invalid> {
    match text {
        None | Some("fast") => Ok(Pace::Fast),
        Some("ui") => Ok(Pace::Calm),
        Some(_) => Err(Invalid {
            field: "pace",
            message: "pace must be fast or ui".to_owned(),
        }),
    }
}
