//! The process that has the store.

use std::sync::Arc;

use futures::{SinkExt, StreamExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::codec::{Framed, LinesCodec};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Closed, MAX_LINE, Reply, Request};
use crate::error::LogError;
use crate::live::LiveLog;

/// How many requests are served at once; more wait in the socket's queue.
const MAX_CONNECTIONS: usize = 4096;

/// Serves `store` on `listener` until `shutdown`.
pub async fn serve(listener: UnixListener, store: Arc<dyn LiveLog>, shutdown: CancellationToken) {
    let connections = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let (socket, slot) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the log hub cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let store = Arc::clone(&store);
        let shutdown = shutdown.clone();
        connections.spawn(async move {
            let _slot = slot;
            tokio::select! {
                () = shutdown.cancelled() => {}
                result = answer(socket, store) => if let Err(error) = result {
                    tracing::debug!(%error, "a reader of the log hub went away");
                },
            }
        });
    }
    connections.close();
    connections.wait().await;
}

async fn accept(
    listener: &UnixListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (socket, _) = listener.accept().await?;
    Ok((socket, slot))
}

async fn answer(
    socket: UnixStream,
    store: Arc<dyn LiveLog>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut lines = Framed::new(socket, LinesCodec::new_with_max_length(MAX_LINE));
    let Some(request) = lines.next().await else {
        return Ok(());
    };
    let Ok(request) = serde_json::from_str(&request?) else {
        return close(&mut lines, Closed::Invalid).await;
    };
    match request {
        Request::Last { task } => {
            let last = store.last(&task).await?;
            lines
                .send(serde_json::to_string(&Reply::Last { last })?)
                .await?;
            Ok(())
        }
        Request::Subscribe { task, after } => {
            let mut frames = match store.subscribe(&task, after).await {
                Ok(frames) => frames,
                Err(LogError::InvalidTaskId(_)) => return close(&mut lines, Closed::Invalid).await,
                Err(LogError::Trimmed { first }) => return trimmed(&mut lines, first).await,
                Err(error) => return Err(error.into()),
            };
            loop {
                // Nothing else is ever sent on this connection, so whatever arrives is its end.
                let batch = tokio::select! {
                    batch = frames.next() => batch,
                    _ = lines.next() => return Ok(()),
                };
                match batch {
                    Some(Ok(batch)) => {
                        for frame in batch {
                            lines.feed(frame.to_json(None)).await?;
                        }
                        SinkExt::<String>::flush(&mut lines).await?;
                    }
                    Some(Err(LogError::Removed)) => {
                        return close(&mut lines, Closed::Removed).await;
                    }
                    Some(Err(LogError::Trimmed { first })) => {
                        return trimmed(&mut lines, first).await;
                    }
                    Some(Err(error)) => return Err(error.into()),
                    None => return close(&mut lines, Closed::End).await,
                }
            }
        }
    }
}

async fn trimmed(
    lines: &mut Framed<UnixStream, LinesCodec>,
    first: u64,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    lines
        .send(serde_json::to_string(&Reply::Trimmed { trimmed: first })?)
        .await?;
    Ok(())
}

async fn close(
    lines: &mut Framed<UnixStream, LinesCodec>,
    closed: Closed,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    lines
        .send(serde_json::to_string(&Reply::Closed { closed })?)
        .await?;
    Ok(())
}
