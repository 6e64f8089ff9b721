//! `/api/tasks/{id}/log` and `/patch`: what is on record of a task's output.

use std::sync::Arc;

use async_compression::Level;
use async_compression::tokio::bufread::{GzipEncoder, ZstdEncoder};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use codex_tasklog::LogError;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;
use tokio_util::io::{ReaderStream, StreamReader};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;
use crate::database::tasks;
use crate::http::envelope::{ApiError, Envelope};
use crate::http::extract::{LAST_FRAME, NO_TASK, Parameters, TaskId, digits};
use crate::http::identity::Identity;
use crate::http::negotiate::{self, Encoding};
use crate::http::openapi::events::FormatName;
use crate::streams::recorded::{self, Format, Part};
use crate::tasks::validate::Invalid;

/// How many lines may be asked for with `tail`.
const MAX_TAIL: u64 = 100_000;
/// Names of NDJSON; the first one is how it is sent.
const NDJSON: [&str; 3] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
];

/// The query of a log.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// `text`: lines; `ndjson`: one object for each line or event, with its number. Without it `Accept` decides, and text is usual.
    #[param(value_type = Option<FormatName>, inline)]
    format: Option<String>,
    /// Only what comes after the frame with this number.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    after: Option<String>,
    /// Only so many of the last lines and events.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 100_000)]
    tail: Option<String>,
}

/// `GET /api/tasks/{id}/log`: everything up to now, or a part of it, as text or as NDJSON.
///
/// # Errors
/// 404, 406 for a client that takes no encoding of the gateway, and 503 when the store of the log is away.
#[utoipa::path(
    get,
    path = "/api/tasks/{id}/log",
    tag = "tasks",
    security(("bearer" = [])),
    summary = "Read the log",
    description = "Everything up to now, or a part of it; of a finished task all of it. The answer is compressed as `Accept-Encoding` has it, \
        with gzip or zstd.",
    params(TaskId, LogQuery),
    responses(
        (status = 200, content(
            (String = "text/plain; charset=utf-8"),
            (String = "application/x-ndjson"),
        )),
        (status = 406, description = "`Accept-Encoding` allows nothing that the gateway has.", body = Envelope<'static>),
    ),
)]
pub async fn get_log(
    State(app): State<Arc<App>>,
    identity: Identity,
    TaskId(id): TaskId,
    Parameters(query): Parameters<LogQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let format = format(query.format.as_deref(), &headers)?;
    let part = part(&query)?;
    let encoding = Encoding::negotiate(&headers).ok_or(ApiError::NotAcceptable(
        "the log can be sent with gzip, with zstd or as it is; allow one of these in Accept-Encoding",
    ))?;
    check_visible(&app, &identity, id).await?;
    log(&app, id, format, part, encoding).await
}

/// The log of a task that may be seen.
pub(super) async fn log(
    app: &App,
    id: Uuid,
    format: Format,
    part: Part,
    encoding: Encoding,
) -> Result<Response, ApiError> {
    let pieces = recorded::open(app, id, part).await.map_err(away)?;
    let body = encoded(recorded::render(pieces, format), encoding);
    let name = format!("attachment; filename=\"task-{id}.{}\"", format.extension());
    let headers = [
        (header::CONTENT_TYPE, format.content_type().to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::VARY, "accept, accept-encoding".to_owned()),
        // Positions in a log are numbers of frames, for which there is `after`.
        (header::ACCEPT_RANGES, "none".to_owned()),
        (
            HeaderName::from_static("x-accel-buffering"),
            "no".to_owned(),
        ),
    ];
    let mut response = (headers, body).into_response();
    if let Some(name) = encoding.name() {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    Ok(response)
}

/// What the query says counts more than the header.
fn format(query: Option<&str>, headers: &HeaderMap) -> Result<Format, Invalid> {
    match query {
        None if negotiate::prefers(headers, &NDJSON, "text/plain") => Ok(Format::Ndjson),
        None | Some("text") => Ok(Format::Text),
        Some("ndjson") => Ok(Format::Ndjson),
        Some(_) => Err(Invalid {
            field: "format",
            message: "format must be text or ndjson".to_owned(),
        }),
    }
}

fn part(query: &LogQuery) -> Result<Part, Invalid> {
    let after = query
        .after
        .as_deref()
        .map_or(Some(0), |text| digits(text, LAST_FRAME));
    let tail = query.tail.as_deref().map(|text| {
        let lines = digits(text, MAX_TAIL)?;
        usize::try_from(lines).ok()
    });
    Ok(Part {
        after: after.ok_or_else(|| Invalid {
            field: "after",
            message: "after must be the number of the last frame that is not wanted".to_owned(),
        })?,
        tail: match tail {
            Some(None) => {
                return Err(Invalid {
                    field: "tail",
                    message: format!("tail must be a number of lines, at most {MAX_TAIL}"),
                });
            }
            tail => tail.flatten(),
        },
    })
}

/// The body, compressed as it is sent: no more than a few buffers are in memory, however long the log is.
fn encoded(
    text: impl Stream<Item = Result<Bytes, LogError>> + Send + 'static,
    encoding: Encoding,
) -> Body {
    let reader = StreamReader::new(text.map_err(std::io::Error::other).boxed());
    match encoding {
        Encoding::Identity => Body::from_stream(reader.into_inner()),
        Encoding::Gzip => {
            let encoder = GzipEncoder::with_quality(reader, Level::Precise(GZIP_LEVEL));
            Body::from_stream(ReaderStream::with_capacity(encoder, BUFFER))
        }
        Encoding::Zstd => {
            let encoder = ZstdEncoder::with_quality(reader, Level::Precise(ZSTD_LEVEL));
            Body::from_stream(ReaderStream::with_capacity(encoder, BUFFER))
        }
    }
}

/// Both are fast and take most of what there is to gain.
const GZIP_LEVEL: i32 = 4;
const ZSTD_LEVEL: i32 = 3;
/// What is compressed for one write, in bytes.
const BUFFER: usize = 32 * 1024;

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
    patch(&app, id).await
}

/// The patch of a task that may be seen.
pub(super) async fn patch(app: &App, id: Uuid) -> Result<Response, ApiError> {
    let patch = find_patch(app, id).await?.ok_or(ApiError::NotFound(
        "the task has no patch: it has not ended yet, or changed nothing",
    ))?;
    let headers = [
        (header::CONTENT_TYPE, PATCH_TYPE),
        (
            HeaderName::from_static("x-codex-patch-truncated"),
            if patch.truncated { "true" } else { "false" },
        ),
    ];
    Ok((headers, patch.text).into_response())
}

/// The media type of patches.
pub(super) const PATCH_TYPE: &str = "text/x-diff; charset=utf-8";

/// What a task changed.
pub(super) struct Patch {
    /// For `git apply`.
    pub text: String,
    truncated: bool,
}

/// The patch in the log of a task, where there is one.
pub(super) async fn find_patch(app: &App, id: Uuid) -> Result<Option<Patch>, ApiError> {
    let mut pieces = recorded::open(app, id, Part::default())
        .await
        .map_err(away)?;
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
    Ok(last.map(|event| Patch {
        text: event.patch,
        truncated: event.truncated,
    }))
}

pub(super) async fn check_visible(
    app: &App,
    identity: &Identity,
    id: Uuid,
) -> Result<(), ApiError> {
    if tasks::is_visible(&app.pool, identity.scope(), id).await? {
        Ok(())
    } else {
        Err(NO_TASK)
    }
}

pub(super) fn away(error: LogError) -> ApiError {
    match error {
        LogError::Damaged(_) => ApiError::Internal(error.into()),
        _ => ApiError::Unavailable {
            store: "log",
            source: Some(error.into()),
        },
    }
}
