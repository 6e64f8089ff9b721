//! What one writes first: axum's `Sse` over a tokio broadcast. Every connection encodes every event for itself.
//!
//! It is a good version of that: the JSON of a line is made once and shared, and Nagle's algorithm is off.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use futures::{Stream, StreamExt as _};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use super::feed::{self, Listeners};

/// Lines that a connection may be behind before it loses some.
const CAPACITY: usize = 16_384;

type Line = (u64, Arc<str>);

/// Serves one task.
pub(super) async fn serve(listeners: Listeners) -> Result<()> {
    let (sender, _) = broadcast::channel::<Line>(CAPACITY);
    let router = Router::new()
        .route("/stream/{task}", get(stream))
        .with_state(sender.clone());
    let clients = listeners.clients.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    tokio::select! {
        result = axum::serve(clients, router).into_future() => Ok(result?),
        result = publish(listeners.feed, &sender) => result,
    }
}

async fn publish(feed: TcpListener, sender: &broadcast::Sender<Line>) -> Result<()> {
    let mut publisher = feed::publisher(feed).await?;
    let mut number = 0;
    while let Some(lines) = feed::read(&mut publisher).await? {
        let ts = jiff::Timestamp::now().to_string();
        for line in lines {
            number += 1;
            let json = serde_json::json!({"line": line, "ts": ts, "stream": "stdout"});
            // Without receivers there is nobody to tell.
            let _ = sender.send((number, json.to_string().into()));
        }
    }
    // Clients may still read what they have not got.
    std::future::pending().await
}

async fn stream(
    State(sender): State<broadcast::Sender<Line>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let lines = BroadcastStream::new(sender.subscribe()).filter_map(async |line| {
        // A connection that fell behind goes on with what comes next, as such servers do.
        let (number, json) = line.ok()?;
        Some(Ok(Event::default()
            .event("log")
            .id(number.to_string())
            .data(json)))
    });
    Sse::new(lines).keep_alive(KeepAlive::default())
}
