//! `/api/tasks/{id}/artifacts`: what a task left, and each of it as a file.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use codex_tasklog::Artifact;
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::task_record::{self, away, check_visible};
use crate::app::App;
use crate::http::envelope::ApiError;
use crate::http::extract::TaskId;
use crate::http::identity::Identity;
use crate::http::negotiate::Encoding;
use crate::streams::recorded::{Format, Part};

/// The log, each line and event with its number.
const LOG: &str = "log.ndjson";
/// The patch.
const PATCH: &str = "patch.diff";
/// The media type of what is stored compressed.
const ZSTD: &str = "application/zstd";

/// Everything that a task left.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArtifactList {
    artifacts: Vec<ArtifactEntry>,
}

/// One file.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArtifactEntry {
    /// `log.ndjson`, `patch.diff`, `session.jsonl.zst` or `frames.ndjson.zst`.
    name: &'static str,
    /// The size of the download in bytes, where it is known beforehand: not for the log, which is written as it is read.
    #[schema(required)]
    bytes: Option<u64>,
    media_type: &'static str,
    /// Where it is.
    path: String,
}

/// `GET /api/tasks/{id}/artifacts`
///
/// # Errors
/// 404, and 503 when a store is away.
#[utoipa::path(
    get,
    path = "/api/tasks/{id}/artifacts",
    tag = "tasks",
    security(("bearer" = [])),
    summary = "List what a task left",
    description = "The log is always there. Patch, session and the runner's own record of a long log come at the end of a task, where it left them.",
    params(TaskId),
    responses((status = 200, body = ArtifactList)),
)]
pub async fn list_artifacts(
    State(app): State<Arc<App>>,
    identity: Identity,
    TaskId(id): TaskId,
) -> Result<Json<ArtifactList>, ApiError> {
    check_visible(&app, &identity, id).await?;
    let entry = |name, bytes, media_type| ArtifactEntry {
        name,
        bytes,
        media_type,
        path: format!("/api/tasks/{id}/artifacts/{name}"),
    };
    let mut artifacts = vec![entry(LOG, None, Format::Ndjson.content_type())];
    if let Some(patch) = task_record::find_patch(&app, id).await? {
        let bytes = Some(patch.text.len() as u64);
        artifacts.push(entry(PATCH, bytes, task_record::PATCH_TYPE));
    }
    let store = app.archive.objects();
    for artifact in [Artifact::Session, Artifact::Frames] {
        let size = store.size(&key(artifact, id)?).await.map_err(away)?;
        if size.is_some() {
            artifacts.push(entry(artifact.name(), size, ZSTD));
        }
    }
    Ok(Json(ArtifactList { artifacts }))
}

/// `GET /api/tasks/{id}/artifacts/{name}`
///
/// # Errors
/// 404 when there is no such task, or it left no such file; 503 when a store is away.
#[utoipa::path(
    get,
    path = "/api/tasks/{id}/artifacts/{name}",
    tag = "tasks",
    security(("bearer" = [])),
    summary = "Download what a task left",
    description = "Answers with the file, named after the task for whoever saves it.",
    params(TaskId, ("name" = String, Path, description = "A name from the list.")),
    responses((status = 200, content(
        (String = "application/x-ndjson"),
        (String = "text/x-diff; charset=utf-8"),
        (Vec<u8> = "application/zstd"),
    ))),
)]
pub async fn get_artifact(
    State(app): State<Arc<App>>,
    identity: Identity,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let TaskId(id) = TaskId::parse(&id)?;
    check_visible(&app, &identity, id).await?;
    let mut response = match name.as_str() {
        LOG => {
            let encoding = Encoding::Identity;
            task_record::log(&app, id, Format::Ndjson, Part::default(), encoding).await?
        }
        PATCH => task_record::patch(&app, id).await?,
        name => stored(&app, id, name).await?,
    };
    // Names of the list and ids have no character that means something in a header.
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{id}.{name}\"")) {
        let headers: &mut HeaderMap = response.headers_mut();
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

async fn stored(app: &App, id: Uuid, name: &str) -> Result<Response, ApiError> {
    const NONE: ApiError = ApiError::NotFound(
        "the task has left nothing of this name; see the list at /api/tasks/{id}/artifacts",
    );
    let artifact = Artifact::from_name(name).ok_or(NONE)?;
    let object = app.archive.objects().get(&key(artifact, id)?).await;
    let object = object.map_err(away)?.ok_or(NONE)?;
    Ok(([(header::CONTENT_TYPE, ZSTD)], object).into_response())
}

fn key(artifact: Artifact, id: Uuid) -> Result<String, ApiError> {
    artifact
        .key(&id.to_string())
        .map_err(|error| ApiError::Internal(error.into()))
}
