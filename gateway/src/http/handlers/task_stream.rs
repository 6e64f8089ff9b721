//! `GET /api/tasks/{id}/stream`: the live events of a task. The same session will serve WebSocket.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, header};
use serde::Deserialize;

use crate::app::App;
use crate::database::tasks;
use crate::http::envelope::ApiError;
use crate::http::extract::{NO_TASK, Parameters, TaskId};
use crate::http::identity::Identity;
use crate::streams::encode::View;
use crate::streams::session::{Request, Session, watch_task};
use crate::tasks::validate::Invalid;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The query of a stream.
#[derive(Deserialize)]
pub struct StreamQuery {
    after: Option<String>,
    view: Option<String>,
}

/// `GET /api/tasks/{id}/stream`
///
/// # Errors
/// 400 for a number that is none, 404.
pub async fn stream_task(
    State(app): State<Arc<App>>,
    identity: Identity,
    TaskId(id): TaskId,
    Parameters(query): Parameters<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let request = Request {
        task: id,
        viewer: identity.user_id,
        after: after(&headers, query.after.as_deref())?,
        view: view(query.view.as_deref())?,
    };
    if !tasks::is_visible(&app.pool, identity.scope(), id).await? {
        return Err(NO_TASK);
    }
    let watch = watch_task(&app, id).await?.ok_or(NO_TASK)?;
    let session = Session::new(Arc::clone(&app), request, watch).ok_or(NO_TASK)?;
    let bytes = futures::stream::unfold(session, |mut session| async move {
        let bytes = session.next().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), session))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies of the nginx family hold back what is not yet a full buffer.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(bytes)).into_response())
}

/// A browser that connects again sends the header and the old query, so the header counts.
fn after(headers: &HeaderMap, query: Option<&str>) -> Result<u64, Invalid> {
    let header = headers
        .get(LAST_EVENT_ID)
        .map(|value| value.to_str().unwrap_or("?"));
    let Some(text) = header
        .or(query)
        .map(str::trim)
        .filter(|text| !text.is_empty())
    else {
        return Ok(0);
    };
    text.parse()
        .ok()
        // The numbers travel through databases and JavaScript.
        .filter(|number| *number < 1 << 53)
        .ok_or_else(|| Invalid {
            field: "after",
            message: "Last-Event-ID and after must be the id of the last event that was received"
                .to_owned(),
        })
}

fn view(text: Option<&str>) -> Result<View, Invalid> {
    match text {
        None | Some("" | "typed") => Ok(View::Typed),
        Some("raw") => Ok(View::Raw),
        Some(_) => Err(Invalid {
            field: "view",
            message: "view must be typed or raw".to_owned(),
        }),
    }
}
