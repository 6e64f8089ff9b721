//! What tasks leave: into the store of the archive, each under the name of its own task.
//!
//! A body is held in memory until the store has it, because S3 takes an object in one request that is repeated when it fails. So all
//! bodies together have a budget, and whoever does not fit waits.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use bytes::{Bytes, BytesMut};
use codex_tasklog::{Artifact, LogError, ObjectStore};
use futures::TryStreamExt as _;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    error::ProxyError,
    limits::{Permit, TaskLimits},
    metrics::{Metrics, Outcome},
    proxy::bearer,
    token::{self, TaskClaims, TaskTokenKeys, TokenError},
    upload::{self, UploadError},
    watched::Watched,
};

/// How many transfers a task may have under way; its runner needs one.
const TRANSFERS_PER_TASK: usize = 2;
/// How long a transfer waits for room.
const ROOM_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the store may take, its own repetitions included.
const STORE_TIMEOUT: Duration = Duration::from_secs(60);
/// The unit in which memory is counted, in bytes: permits are 32 bits wide.
const UNIT: u64 = 1024;

/// What the handlers share.
pub(crate) struct Artifacts {
    store: Option<Arc<dyn ObjectStore>>,
    token_keys: Arc<Watched<TaskTokenKeys>>,
    limits: Arc<TaskLimits>,
    room: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Artifacts {
    /// `memory` bounds the bodies that are held at once, in bytes; it is raised to what the largest artifact needs.
    pub(crate) fn new(
        store: Option<Arc<dyn ObjectStore>>,
        memory: u64,
        token_keys: Arc<Watched<TaskTokenKeys>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let largest = Artifact::ALL.into_iter().map(Artifact::max_bytes).max();
        let units = memory.max(largest.unwrap_or(0)).div_ceil(UNIT);
        let units = usize::try_from(units).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            store,
            token_keys,
            limits: Arc::new(TaskLimits::new(TRANSFERS_PER_TASK)),
            room: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))),
            metrics,
        }
    }

    /// The routes that task Pods see.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route(
                "/artifacts/session",
                get(get_session).fallback(refuse_session_method),
            )
            .route(
                "/artifacts/{name}",
                put(put_artifact).fallback(refuse_artifact_method),
            )
            .with_state(self)
    }

    fn admit(&self, headers: &HeaderMap) -> Result<(TaskClaims, Permit), ProxyError> {
        let token = bearer(headers).ok_or(TokenError::Missing)?;
        let claims = token::verify(token, &self.token_keys.current())?;
        let limit = self.limits.limit();
        let permit = self.limits.acquire(&claims.sub);
        Ok((claims, permit.ok_or(ProxyError::TooManyRequests { limit })?))
    }

    fn store(&self) -> Result<&Arc<dyn ObjectStore>, ProxyError> {
        self.store.as_ref().ok_or(ProxyError::NoArchive)
    }

    async fn reserve(&self, bytes: u64) -> Result<OwnedSemaphorePermit, ProxyError> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(units);
        // The semaphore is never closed.
        match tokio::time::timeout(ROOM_TIMEOUT, room).await {
            Ok(Ok(room)) => Ok(room),
            _ => Err(ProxyError::Busy),
        }
    }

    async fn put(&self, name: &str, request: Request) -> Result<Response, ProxyError> {
        let (claims, _permit) = self.admit(request.headers())?;
        let task = claims.sub.as_str();
        let artifact = Artifact::from_name(name).ok_or(ProxyError::UnknownArtifact)?;
        let store = self.store()?;
        let key = artifact.key(task).map_err(|error| explain(&error, task))?;
        let length = length(request.headers(), artifact.max_bytes())?;
        let started = Instant::now();
        let _room = self.reserve(length).await?;
        let body = collect(request.into_body(), length).await?;
        let kept = keep(&**store, &key, body, task).await?;
        self.metrics.count(Outcome::ArtifactKept);
        self.metrics.artifact_moved(length);
        tracing::info!(
            task.id = task,
            artifact = artifact.name(),
            bytes = length,
            is_new = kept == Kept::New,
            duration_ms = started.elapsed().as_millis(),
            "a task left an artifact"
        );
        let status = match kept {
            Kept::New => StatusCode::CREATED,
            Kept::Before => StatusCode::OK,
        };
        let body = json!({"name": artifact.name(), "bytes": length});
        Ok((status, Json(body)).into_response())
    }

    async fn session(&self, headers: &HeaderMap) -> Result<Response, ProxyError> {
        let (claims, permit) = self.admit(headers)?;
        let task = claims.sub.as_str();
        let earlier = claims.resume.as_deref().ok_or(ProxyError::NoResume)?;
        let store = self.store()?;
        let key = Artifact::Session
            .key(earlier)
            .map_err(|error| explain(&error, task))?;
        let size = in_time(store.size(&key), task).await?;
        let size = size.ok_or(ProxyError::NoSession)?;
        if size > Artifact::Session.max_bytes() {
            return Err(ProxyError::NoSession);
        }
        let room = self.reserve(size).await?;
        let session = in_time(store.get(&key), task).await?;
        let session = session.ok_or(ProxyError::NoSession)?;
        self.metrics.count(Outcome::ArtifactServed);
        self.metrics.artifact_moved(size);
        tracing::info!(
            task.id = task,
            resume.task.id = earlier,
            bytes = size,
            "a task took the session of another"
        );
        let length = session.len();
        // The permits go with the stream: when the body has been sent, or its reader has gone.
        let body = futures::stream::unfold(
            (Some(session), permit, room),
            |(session, permit, room)| async {
                let chunk = Ok::<_, std::convert::Infallible>(session?);
                Some((chunk, (None, permit, room)))
            },
        );
        let headers = [
            (header::CONTENT_LENGTH, length.to_string()),
            (header::CONTENT_TYPE, "application/zstd".to_owned()),
        ];
        Ok((headers, Body::from_stream(body)).into_response())
    }

    fn answer(&self, result: Result<Response, ProxyError>) -> Response {
        result.unwrap_or_else(|error| {
            self.metrics.count(error.outcome());
            error.into_response()
        })
    }
}

async fn put_artifact(
    State(artifacts): State<Arc<Artifacts>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let result = artifacts.put(&name, request).await;
    artifacts.answer(result)
}

async fn get_session(State(artifacts): State<Arc<Artifacts>>, headers: HeaderMap) -> Response {
    let result = artifacts.session(&headers).await;
    artifacts.answer(result)
}

async fn refuse_session_method(State(artifacts): State<Arc<Artifacts>>) -> Response {
    artifacts.answer(Err(ProxyError::MethodNotAllowed { allow: "GET" }))
}

async fn refuse_artifact_method(State(artifacts): State<Arc<Artifacts>>) -> Response {
    artifacts.answer(Err(ProxyError::MethodNotAllowed { allow: "PUT" }))
}

/// The length that the task announces: without it, nobody could say how much memory the body needs.
fn length(headers: &HeaderMap, limit: u64) -> Result<u64, ProxyError> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .ok_or(ProxyError::LengthRequired)?;
    let length: Option<u64> = length.to_str().ok().and_then(|length| length.parse().ok());
    match length {
        Some(0) => Err(ProxyError::EmptyArtifact),
        Some(length) if length <= limit => Ok(length),
        _ => Err(ProxyError::BodyTooLarge {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        }),
    }
}

async fn collect(body: Body, length: u64) -> Result<Bytes, ProxyError> {
    // The length is at most that of the largest artifact.
    let limit = usize::try_from(length).unwrap_or(usize::MAX);
    let mut chunks = std::pin::pin!(upload::limited(body, limit));
    let mut collected = BytesMut::with_capacity(limit);
    loop {
        match chunks.try_next().await {
            Ok(Some(chunk)) => collected.extend_from_slice(&chunk),
            Ok(None) if collected.len() == limit => return Ok(collected.freeze()),
            Err(UploadError::TooLarge) => return Err(ProxyError::BodyTooLarge { limit }),
            Ok(None) | Err(UploadError::Timeout | UploadError::Broken) => {
                return Err(ProxyError::UploadTimeout);
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    New,
    /// An earlier try of the same upload, whose answer got lost.
    Before,
}

/// Stores an artifact once. What a task has left stands: whoever gets hold of its token cannot rewrite its record.
async fn keep(
    store: &dyn ObjectStore,
    key: &str,
    body: Bytes,
    task: &str,
) -> Result<Kept, ProxyError> {
    if in_time(store.create(key, body.clone()), task).await? {
        return Ok(Kept::New);
    }
    match in_time(store.get(key), task).await? {
        Some(there) if there == body => Ok(Kept::Before),
        _ => Err(ProxyError::ArtifactExists),
    }
}

async fn in_time<T>(
    work: impl Future<Output = Result<T, LogError>>,
    task: &str,
) -> Result<T, ProxyError> {
    match tokio::time::timeout(STORE_TIMEOUT, work).await {
        Ok(result) => result.map_err(|error| explain(&error, task)),
        Err(_) => {
            tracing::warn!(task.id = task, "the archive does not answer");
            Err(ProxyError::ArchiveUnavailable)
        }
    }
}

fn explain(error: &LogError, task: &str) -> ProxyError {
    if let LogError::InvalidTaskId(_) = error {
        // Only tokens name tasks here, and what the operator signs is an id.
        return ProxyError::Unauthorized(TokenError::Invalid);
    }
    tracing::warn!(task.id = task, %error, "the archive cannot be used");
    ProxyError::ArchiveUnavailable
}
