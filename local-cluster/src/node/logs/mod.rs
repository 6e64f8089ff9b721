//! Logs of containers: their files, reading and following them, and the HTTP endpoint that serves them.

use std::io;
use std::path::PathBuf;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::stream;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

mod entries;
pub mod files;
pub mod reader;

use self::reader::{Options, Reader};
use super::index::PodIndex;
use super::runtime::dirs::PodDir;

/// Where the endpoint finds logs.
#[derive(Clone, Debug)]
pub struct Logs {
    /// Pods by name.
    pub index: PodIndex,
    /// The node's folder.
    pub root: PathBuf,
}

/// The endpoint.
pub fn router(logs: Logs) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/pods", get(list_pods))
        .route(
            "/containerLogs/{namespace}/{pod}/{container}",
            get(read_log),
        )
        .with_state(logs)
}

/// A request that cannot be answered, as text; the API server makes a Status of it.
#[derive(Debug, thiserror::Error)]
enum LogError {
    #[error("pod \"{0}\" is not known to this node")]
    UnknownPod(String),
    #[error("container {container} is not valid for pod {pod}")]
    UnknownContainer { pod: String, container: String },
    #[error("container \"{container}\" in pod \"{pod}\" is waiting to start")]
    Waiting { pod: String, container: String },
    #[error("previous terminated container \"{container}\" in pod \"{pod}\" not found")]
    NoPrevious { pod: String, container: String },
    #[error(
        "sinceTime and sinceSeconds exclude each other; sinceTime is a time of RFC 3339, and numbers aren't negative"
    )]
    Options,
    #[error("cannot read the log: {0}")]
    Disk(#[from] io::Error),
}

impl IntoResponse for LogError {
    fn into_response(self) -> Response {
        let code = match self {
            Self::UnknownPod(_) => StatusCode::NOT_FOUND,
            Self::UnknownContainer { .. }
            | Self::Waiting { .. }
            | Self::NoPrevious { .. }
            | Self::Options => StatusCode::BAD_REQUEST,
            Self::Disk(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (code, self.to_string()).into_response()
    }
}

/// Query parameters, as the API server passes them on.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Parameters {
    follow: Option<String>,
    previous: Option<String>,
    timestamps: Option<String>,
    since_time: Option<String>,
    since_seconds: Option<i64>,
    tail_lines: Option<i64>,
    limit_bytes: Option<i64>,
}

impl Parameters {
    fn options(&self) -> Result<Options, LogError> {
        let natural = |number: Option<i64>| {
            number
                .map(u64::try_from)
                .transpose()
                .map_err(|_| LogError::Options)
        };
        let since = match (
            self.since_time.as_deref().filter(|text| !text.is_empty()),
            self.since_seconds,
        ) {
            (None, None) => None,
            (Some(text), None) => Some(text.parse().map_err(|_| LogError::Options)?),
            (None, Some(seconds)) if seconds >= 0 => Some(
                Timestamp::now()
                    .saturating_sub(SignedDuration::from_secs(seconds))
                    .map_err(|_| LogError::Options)?,
            ),
            _ => return Err(LogError::Options),
        };
        Ok(Options {
            follow: flag(self.follow.as_deref()),
            since,
            tail_lines: natural(self.tail_lines)?,
            timestamps: flag(self.timestamps.as_deref()),
            limit_bytes: natural(self.limit_bytes)?,
        })
    }
}

/// How Kubernetes reads booleans in queries: present and neither "false" nor "0".
fn flag(value: Option<&str>) -> bool {
    value.is_some_and(|value| !["false", "0"].contains(&value))
}

async fn list_pods(State(logs): State<Logs>) -> Json<serde_json::Value> {
    let uids = logs.index.uids();
    let pods: Vec<_> = PodDir::all(&logs.root)
        .into_iter()
        .map(|(_, pod)| pod)
        .filter(|pod| {
            pod.metadata
                .uid
                .as_ref()
                .is_some_and(|uid| uids.contains(uid))
        })
        .collect();
    Json(serde_json::json!({"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": pods}))
}

async fn read_log(
    State(logs): State<Logs>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, LogError> {
    let options = parameters.options()?;
    let uid = logs
        .index
        .uid(&namespace, &pod)
        .ok_or_else(|| LogError::UnknownPod(pod.clone()))?;
    if container.is_empty() || container.contains(['/', '.']) {
        return Err(LogError::UnknownContainer { pod, container });
    }
    let dir = PodDir::new(&logs.root, &uid)?;
    let attempts = dir.attempts(&container);
    let attempt = if flag(parameters.previous.as_deref()) {
        attempts.iter().nth_back(1)
    } else {
        attempts.last()
    };
    let Some(&attempt) = attempt else {
        return Err(if attempts.is_empty() {
            LogError::Waiting { pod, container }
        } else {
            LogError::NoPrevious { pod, container }
        });
    };
    let reader = Reader::open(dir.container(&container, attempt), options)?;
    // Not a task: when the client goes away the body is dropped, and the reader with it.
    let pieces = stream::try_unfold(reader, async |mut reader| {
        io::Result::Ok(reader.next().await?.map(|piece| (piece, reader)))
    });
    let body = Body::from_stream(pieces);
    Ok(([(header::CONTENT_TYPE, "text/plain")], body).into_response())
}
