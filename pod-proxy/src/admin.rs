//! The endpoints for whoever runs the proxy.

use std::sync::Arc;

use axum::{Router, http::StatusCode, routing::get};
use codex_telemetry::{METRICS_CONTENT_TYPE, Tracer};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Health, readiness (not ready once `shutdown` is canceled) and metrics.
pub(crate) fn router(metrics: Arc<Metrics>, tracer: Tracer, shutdown: CancellationToken) -> Router {
    let ready = async move || match shutdown.is_cancelled() {
        false => (StatusCode::OK, "ok\n"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    };
    let text = async move || {
        (
            [("content-type", METRICS_CONTENT_TYPE)],
            metrics.render(&tracer),
        )
    };
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(text))
}
