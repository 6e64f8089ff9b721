//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use codex_telemetry::METRICS_CONTENT_TYPE;
use http::header;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::database::{self, outbox};
use crate::http::envelope::ApiError;
use crate::http::request::Quiet;
use crate::limits::Store;

/// How long a store may take to show that it is there.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a probe hears.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok` or `ready`.
    status: &'static str,
    /// Where requests are counted: `memory`, `redis`, or `degraded` while Redis is away and each gateway counts for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limits: Option<&'static str>,
}

/// `GET /healthz`: the process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "system",
    summary = "Whether the process answers",
    responses((status = 200, body = Health)),
)]
pub async fn healthz() -> Response {
    (
        Extension(Quiet),
        Json(Health {
            status: "ok",
            rate_limits: None,
        }),
    )
        .into_response()
}

/// `GET /readyz`: so do the database and Kubernetes, and the gateway is there to stay.
///
/// # Errors
/// 503 with the store that is away, or because the gateway is about to stop.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "system",
    summary = "Whether the stores answer too",
    responses((status = 200, body = Health)),
)]
pub async fn readyz(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    if app.stopping.is_cancelled() {
        return Err(ApiError::Stopping);
    }
    let (database, kubernetes, counting) = tokio::join!(
        tokio::time::timeout(PATIENCE, database::ping(&app.pool)),
        tokio::time::timeout(PATIENCE, app.client.apiserver_version()),
        app.limits.probe(),
    );
    let away = |store| ApiError::Unavailable {
        store,
        source: None,
    };
    if !matches!(database, Ok(Ok(_))) {
        return Err(away("database"));
    }
    if !matches!(kubernetes, Ok(Ok(_))) || !app.repositories.are_listed() {
        return Err(away("kubernetes"));
    }
    if counting == Store::Away {
        return Err(away("redis"));
    }
    Ok((
        Extension(Quiet),
        Json(Health {
            status: "ready",
            rate_limits: Some(counting.as_str()),
        }),
    )
        .into_response())
}

/// `GET /metrics`
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "system",
    summary = "Counters for Prometheus",
    responses((status = 200, body = String, content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8")),
)]
pub async fn metrics(State(app): State<Arc<App>>) -> Response {
    let counted = tokio::time::timeout(PATIENCE, async {
        let pending = outbox::pending(&app.pool).await?;
        Ok::<_, sqlx::Error>((pending, outbox::open_tasks(&app.pool).await?))
    });
    let counted = counted.await.ok().and_then(Result::ok);
    let cached = i64::try_from(app.streams.cached()).unwrap_or(i64::MAX);
    app.metrics.stream_cache_bytes.set(cached);
    let text = app.metrics.render(counted, &app.tracer);
    (
        Extension(Quiet),
        [(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)],
        text,
    )
        .into_response()
}
