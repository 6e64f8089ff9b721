//! The gateway's own streams: its accept loop, its fan-out and its encoding, over the live log in memory or in Redis.
//!
//! Left out are the database and authentication, which the other servers do not have either. Frames take the way that they take in the
//! gateway: a live store, the reader that joins it with the archive, the ring of the task.

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use chrono::DateTime;
use codex_crds::Phase;
use codex_gateway::database::status::TaskStatus;
use codex_gateway::http::serve;
use codex_gateway::metrics::Metrics;
use codex_gateway::streams::encode::View;
use codex_gateway::streams::fanout::{
    EventBody, NoOversight, Options, Oversight, Pace, Request, Source, TaskStreams,
};
use codex_gateway::tasks::states::TaskStates;
use codex_tasklog::{
    Body, DirArchive, Frame, LiveLimits, LiveLog, LiveLogWriter as _, MemoryStore, Reader, Stream,
};
use http::{StatusCode, header};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::feed::{self, Listeners};

/// What all connections share.
struct Shared {
    states: TaskStates,
    streams: TaskStreams,
    oversight: Arc<dyn Oversight>,
}

#[derive(Deserialize)]
struct StreamQuery {
    pace: Option<String>,
}

/// Serves one task that runs, from memory.
pub(super) async fn serve(listeners: Listeners) -> Result<()> {
    let live = MemoryStore::new(LiveLimits::default());
    let task = task_id(0).to_string();
    tokio::select! {
        result = serve_from(listeners.clients, Arc::new(live.clone())) => result,
        result = publish(listeners.feed, &live, &task) => result,
    }
}

/// Serves any number of tasks whose logs are in Redis.
pub(super) async fn serve_redis(listeners: Listeners, port: u16) -> Result<()> {
    serve_from(listeners.clients, Arc::new(super::redis_store(port)?)).await
}

/// The id of a task.
pub(crate) const fn task_id(index: usize) -> Uuid {
    Uuid::from_u128(1 + index as u128)
}

async fn serve_from(clients: TcpListener, live: Arc<dyn LiveLog>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let archive = Arc::new(DirArchive::new(folder.path()));
    let source = Source {
        reader: Reader::new(live, Arc::clone(&archive) as _),
        archive,
    };
    let shutdown = CancellationToken::new();
    let metrics = Arc::new(Metrics::default());
    let settings = codex_gateway::Settings {
        // All clients of the benchmark have one address.
        connections_per_address: 0,
        ..codex_gateway::Settings::default()
    };
    let shared = Arc::new(Shared {
        states: TaskStates::default(),
        streams: TaskStreams::new(
            source,
            Options::default(),
            Arc::clone(&metrics),
            shutdown.clone(),
        ),
        oversight: Arc::new(NoOversight),
    });
    let router = Router::new()
        .route("/stream/{task}", get(stream))
        .with_state(shared);
    serve::serve(
        clients,
        router,
        serve::Manners::new(&settings, metrics),
        shutdown,
    )
    .await;
    Ok(())
}

async fn publish(feed: TcpListener, live: &MemoryStore, task: &str) -> Result<()> {
    let mut publisher = feed::publisher(feed).await?;
    let mut number = 0;
    while let Some(lines) = feed::read(&mut publisher).await? {
        let ts = jiff::Timestamp::now().to_string();
        let frames: Vec<_> = lines
            .into_iter()
            .map(|text| {
                number += 1;
                Arc::new(Frame {
                    seq: number,
                    ts: ts.clone(),
                    body: Body::Line {
                        stream: Stream::Stdout,
                        text,
                        more: false,
                    },
                })
            })
            .collect();
        live.append(task, &frames).await?;
    }
    // Clients may still read what they have not got.
    std::future::pending().await
}

async fn stream(
    State(shared): State<Arc<Shared>>,
    Path(index): Path<usize>,
    Query(query): Query<StreamQuery>,
) -> Response {
    let task = task_id(index);
    let request = Request {
        task,
        user: Uuid::nil(),
        after: 0,
        view: View::Typed,
        pace: match query.pace.as_deref() {
            Some("ui") => Pace::Calm,
            _ => Pace::Fast,
        },
    };
    let watch = shared.states.watch(task);
    shared.states.publish(&running(task));
    let viewer = shared.streams.join(request, watch, &shared.oversight, None);
    match viewer {
        Some(viewer) => (
            [(header::CONTENT_TYPE, "text/event-stream")],
            HttpBody::new(EventBody::from(viewer)),
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn running(id: Uuid) -> TaskStatus {
    TaskStatus {
        id,
        revision: 1,
        phase: Phase::Running,
        queue_position: None,
        exit_code: None,
        reason: None,
        message: None,
        created_at: DateTime::UNIX_EPOCH,
        started_at: None,
        finished_at: None,
        updated_at: DateTime::UNIX_EPOCH,
        last_frame: None,
        cancel_requested_at: None,
        in_cluster: true,
    }
}
