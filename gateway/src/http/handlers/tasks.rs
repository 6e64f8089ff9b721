//! `/api/tasks`: submit, list, look at, cancel.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use codex_crds::Phase;
use codex_telemetry::TraceContext;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::resume;
use crate::app::App;
use crate::database::outbox::{Due, Entry};
use crate::database::task_list::{self, Query};
use crate::database::tasks::{self, Accepted, Canceled, Idempotency, Terms};
use crate::http::cursor::Cursor;
use crate::http::envelope::{ApiError, Envelope};
use crate::http::extract::{Body, NO_TASK, Parameters, TaskId, bounded, moment, plain_text};
use crate::http::identity::Identity;
use crate::http::record::{Receipt, State as TaskState, Task};
use crate::tasks::validate::{Invalid, TaskRequest};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest `Idempotency-Key`, in bytes.
const MAX_KEY: usize = 255;
/// The most tasks that one page of a list has.
const MAX_LIMIT: i64 = 200;
/// The highest `offset`: past that a filter finds things, paging does not.
const MAX_OFFSET: i64 = 1_000_000;

/// `POST /api/tasks`. Once it is answered with 201, the task is on record and will run.
///
/// # Errors
/// 400 when a rule is broken, 409 when an `Idempotency-Key` is used for something else, 503 when a store is away. For a task that continues
/// another one also 404, 409 and 422.
#[utoipa::path(
    post,
    path = "/api/tasks",
    tag = "tasks",
    security(("bearer" = [])),
    summary = "Submit a task",
    description = "Once this is answered with 201, the task is on record and will run. Send an `Idempotency-Key` to be able to repeat the request \
        when the answer gets lost: the same key with the same body is the same task, with another body 409.",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters of your choice.",
            min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = TaskRequest,
    responses(
        (status = 201, body = Receipt, headers(
            ("Location" = String, description = "The path of the task."),
            ("Idempotency-Replayed" = Option<String>, description = "`true` when the task had been accepted before."),
        )),
        (status = 404, description = "`resume_from` is no task of yours.", body = Envelope<'_>),
        (status = 409, description = "The `Idempotency-Key` was used for another request; or the task of `resume_from` has not ended \
            (`task_not_finished`), or left no session (`no_session`).", body = Envelope<'_>),
        (status = 422, description = "The body is JSON of another form; or the task of `resume_from` worked in another repository \
            (`other_repository`).", body = Envelope<'_>),
    ),
)]
pub async fn create_task(
    State(app): State<Arc<App>>,
    identity: Identity,
    Extension(trace): Extension<TraceContext>,
    headers: HeaderMap,
    Body(mut request): Body<TaskRequest>,
) -> Result<Response, ApiError> {
    let idempotency = idempotency(&headers, &request)?;
    let earlier = match request.resume_from {
        Some(id) => Some(resume::earlier(&app, &identity, id, &mut request).await?),
        None => None,
    };
    let repositories = app
        .repositories
        .entries()
        .await
        .ok_or(ApiError::Unavailable {
            store: "kubernetes",
            source: None,
        })?;
    let mut task = request.validate(&repositories, &app.settings.env_policy)?;
    if let Some(earlier) = earlier {
        earlier.check(&task)?;
    }
    task.idempotency = idempotency;
    task.traceparent = Some(trace.to_string());
    let limit = app.settings.tasks_per_user;
    let place = app.outbox.place();
    let terms = Terms {
        limit,
        due: if place.is_some() {
            Due::WithWriter
        } else {
            Due::Now
        },
    };
    let accepted = tasks::accept(&app.pool, &identity.actor(), &task, terms).await?;
    let (status, replayed) = match accepted {
        Accepted::Created(status) => {
            match place {
                Some(place) => {
                    place.hand_in(Entry::of_writer(status.id, identity.email, task));
                }
                None => app.outbox.notice(),
            }
            app.metrics.tasks_accepted.inc();
            tracing::Span::current().record("task.id", tracing::field::display(status.id));
            tracing::info!(task.id = %status.id, "a task is accepted");
            (status, false)
        }
        Accepted::Repeated(status) => (status, true),
        Accepted::TooMany => return Err(ApiError::TooManyTasks(limit)),
        Accepted::KeyReused => {
            return Err(ApiError::Conflict {
                code: "idempotency_key_reused",
                message: "this Idempotency-Key was used for another request; use a new one"
                    .to_owned(),
            });
        }
    };
    let location = format!("/api/tasks/{}", status.id);
    let mut response = (StatusCode::CREATED, Json(Receipt::from(&status))).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if replayed {
        response
            .headers_mut()
            .insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn idempotency(
    headers: &HeaderMap,
    request: &TaskRequest,
) -> Result<Option<Idempotency>, ApiError> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = key
        .to_str()
        .ok()
        .filter(|key| (1..=MAX_KEY).contains(&key.len()))
        .ok_or_else(|| Invalid {
            field: "Idempotency-Key",
            message: format!("Idempotency-Key must be 1 to {MAX_KEY} visible characters"),
        })?;
    // The parsed request and not its bytes: white space and the order of keys make no difference.
    let canonical =
        serde_json::to_vec(request).map_err(|error| ApiError::Internal(error.into()))?;
    Ok(Some(Idempotency {
        key: key.to_owned(),
        request_hash: Sha256::digest(canonical).to_vec(),
    }))
}

/// The query of a list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// How many of the newest to skip.
    #[param(minimum = 0, maximum = 1_000_000, default = 0)]
    offset: Option<i64>,
    /// How many to answer with.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Only those in this state.
    #[param(value_type = Option<TaskState>)]
    status: Option<String>,
    /// Only those whose prompt, repository, owner or id has this text.
    #[param(max_length = 1000)]
    q: Option<String>,
    /// Only those in this repository.
    #[param(max_length = 1000)]
    repository: Option<String>,
    /// Only those that were accepted then or later.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Only those that were accepted before.
    #[param(format = DateTime)]
    to: Option<String>,
    /// The `next_cursor` of the page before, instead of `offset`: as fast on the last page as on the first, and not confused by new tasks.
    #[param(pattern = "^([0-9a-f]{48})?$")]
    cursor: Option<String>,
}

/// A page of tasks.
#[derive(Serialize, ToSchema)]
#[schema(as = TaskPage)]
pub struct Page {
    tasks: Vec<Task>,
    /// How many tasks the filters let through in all, counted up to 10,000.
    total: i64,
    /// Whether there may be more than `total`; left out when not.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    total_is_more: bool,
    offset: i64,
    limit: i64,
    /// Leads to the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// `GET /api/tasks`, newest first.
///
/// # Errors
/// 400 for a parameter that is out of bounds.
#[utoipa::path(
    get,
    path = "/api/tasks",
    tag = "tasks",
    security(("bearer" = [])),
    summary = "List tasks, newest first",
    description = "Your own; administrators see everybody's.",
    params(ListQuery),
    responses((status = 200, body = Page)),
)]
pub async fn list_tasks(
    State(app): State<Arc<App>>,
    identity: Identity,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<Page>, ApiError> {
    let offset = bounded("offset", query.offset.unwrap_or(0), 0, MAX_OFFSET)?;
    let limit = bounded("limit", query.limit.unwrap_or(50), 1, MAX_LIMIT)?;
    let phase = query
        .status
        .map(|status| {
            status.parse::<Phase>().map_err(|error| Invalid {
                field: "status",
                message: error.to_string(),
            })
        })
        .transpose()?;
    let cursor = query.cursor.filter(|text| !text.is_empty());
    let after = cursor.map(|text| text.parse::<Cursor>()).transpose()?;
    if after.is_some() && offset > 0 {
        return Err(Invalid {
            field: "cursor",
            message: "cursor and offset are two ways to page; use one of them".to_owned(),
        }
        .into());
    }
    let query = Query {
        scope: identity.scope(),
        offset,
        limit,
        phase,
        repository: plain_text("repository", query.repository)?,
        from: moment("from", query.from)?,
        to: moment("to", query.to)?,
        text: plain_text("q", query.q)?,
        after: after.map(|cursor| (cursor.at, Uuid::from_u128(cursor.id))),
    };
    let (rows, total) = task_list::list(&app.pool, &query).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next_cursor = rows.last().filter(|_| is_full).map(|row| {
        let cursor = Cursor {
            at: row.status.created_at,
            id: row.status.id.as_u128(),
        };
        cursor.to_string()
    });
    Ok(Json(Page {
        tasks: rows.into_iter().map(Task::from).collect(),
        total,
        total_is_more: total >= task_list::COUNTED,
        offset,
        limit,
        next_cursor,
    }))
}

/// `GET /api/tasks/{id}`
///
/// # Errors
/// 404.
#[utoipa::path(
    get,
    path = "/api/tasks/{id}",
    tag = "tasks",
    security(("bearer" = [])),
    summary = "Look at a task",
    description = "The record stays when the `CodexTask` and its Pod are gone.",
    params(
        TaskId,
        ("If-None-Match" = Option<String>, Header, description = "An `ETag` that you have: 304 when it is still the present one."),
    ),
    responses(
        (status = 200, body = Task, headers(("ETag" = String, description = "Changes with the task."))),
        (status = 304, description = "The task is as you know it.", headers(("ETag" = String))),
    ),
)]
pub async fn get_task(
    State(app): State<Arc<App>>,
    identity: Identity,
    TaskId(id): TaskId,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let row = tasks::find(&app.pool, identity.scope(), id).await?;
    let row = row.ok_or(NO_TASK)?;
    let tag = etag(row.status.revision);
    let fixed = [
        (header::ETAG, tag.clone()),
        // Browsers may keep it for themselves, and have to ask whether it is still true.
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    if matches(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, fixed).into_response());
    }
    Ok((fixed, Json(Task::from(row))).into_response())
}

/// Another version of the gateway may write the same task in another way.
fn etag(revision: i64) -> String {
    format!("\"{}-{revision}\"", env!("CARGO_PKG_VERSION"))
}

/// Whether `If-None-Match` names the tag. The comparison is the weak one, as the standard wants it here.
fn matches(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// `DELETE /api/tasks/{id}`: asks for the end. 200 when the task has ended with that, 202 when it is about to.
///
/// # Errors
/// 404, and 409 when the task had ended before.
#[utoipa::path(
    delete,
    path = "/api/tasks/{id}",
    tag = "tasks",
    security(("bearer" = [])),
    summary = "Cancel a task",
    description = "Output until the end is kept.",
    params(TaskId),
    responses(
        (status = 200, description = "The task has ended: it had not started.", body = Receipt),
        (status = 202, description = "The task is about to end.", body = Receipt),
        (status = 409, description = "The task had ended before.", body = Envelope<'_>),
    ),
)]
pub async fn cancel_task(
    State(app): State<Arc<App>>,
    identity: Identity,
    TaskId(id): TaskId,
) -> Result<(StatusCode, Json<Receipt>), ApiError> {
    let outcome = tasks::cancel(&app.pool, &identity.actor(), identity.scope(), id).await?;
    let (code, status) = match outcome {
        Canceled::AtOnce(status) => (StatusCode::OK, status),
        Canceled::Requested(status) => (StatusCode::ACCEPTED, status),
        Canceled::NotFound => return Err(NO_TASK),
        Canceled::AlreadyFinal(phase) => {
            return Err(ApiError::Conflict {
                code: "task_already_finished",
                message: format!("the task has ended already: {phase}"),
            });
        }
    };
    tracing::info!(task.id = %id, "the end of a task is asked for");
    app.states.publish(&status);
    app.outbox.notice();
    Ok((code, Json(Receipt::from(&status))))
}
