//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use codex_crds::Phase;
use codex_telemetry::METRICS_CONTENT_TYPE;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::leader::Leadership;
use crate::metrics::Gauges;
use crate::preflight::{self, Severity};
use crate::reconcile::Context;

/// What the handlers use.
#[derive(Clone)]
pub struct Probes {
    /// What is counted.
    pub context: Arc<Context>,
    /// Whether the caches are filled, or another operator works.
    pub ready: watch::Receiver<bool>,
    /// Whether this operator works.
    pub leadership: Leadership,
}

/// Serves until `shutdown`.
pub async fn serve(listener: TcpListener, probes: Probes, shutdown: CancellationToken) {
    let router = Router::new()
        .route("/healthz", get(show_health))
        .route("/readyz", get(show_readiness))
        .route("/metrics", get(show_metrics))
        .with_state(probes);
    let serving = axum::serve(listener, router).with_graceful_shutdown({
        let shutdown = shutdown.clone();
        async move { shutdown.cancelled().await }
    });
    tokio::select! {
        result = serving => if let Err(error) = result {
            tracing::error!(%error, "the probes cannot be served");
        },
        // A scraper that keeps its connection open must not hold up the end.
        () = async {
            shutdown.cancelled().await;
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        } => {}
    }
}

async fn show_health() -> &'static str {
    "ok\n"
}

async fn show_readiness(State(probes): State<Probes>) -> impl IntoResponse {
    let findings = probes.context.preflight.findings();
    let (status, word) = if *probes.ready.borrow() && probes.leadership.holds() {
        (StatusCode::OK, "ready")
    } else if *probes.ready.borrow() {
        (StatusCode::OK, "standing by")
    } else if findings.is_empty() {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the Kubernetes API has not answered yet",
        )
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let mut text = format!("{word}\n");
    if !findings.is_empty() {
        text.push_str(&preflight::list(&findings));
        text.push('\n');
    }
    (status, text)
}

async fn show_metrics(State(probes): State<Probes>) -> impl IntoResponse {
    let context = &probes.context;
    let tasks = context.tasks.state();
    let (followers, archivers) = context.logs.counts();
    let gauges = Gauges {
        tasks: Phase::ALL
            .into_iter()
            .map(|phase| {
                let count = tasks.iter().filter(|task| task.phase() == phase).count();
                (phase, count)
            })
            .collect(),
        waiting: context.admission.waiting(),
        followers,
        archivers,
        spool_bytes: context.logs.spool_bytes(),
        is_leader: probes.leadership.holds(),
        findings: Severity::ALL
            .into_iter()
            .map(|severity| (severity.label(), context.preflight.count(severity)))
            .collect(),
    };
    (
        [(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)],
        context.metrics.render(&gauges, &context.tracer),
    )
}
