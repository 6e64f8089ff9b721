//! A stream as messages over WebSocket: the same events as JSON texts `{"event","id"?,"data"}`.

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use tokio_util::sync::CancellationToken;

use super::fanout::Viewer;
use super::sse;

/// Why the messages end.
enum Stop {
    /// The stream is done, and the client knows it.
    Done,
    /// The gateway stops, or the user may not look any more.
    Away,
    /// The client has left.
    Left,
}

/// Delivers a stream until it ends, the client leaves, or `shutdown`.
pub async fn deliver(socket: WebSocket, mut viewer: Viewer, shutdown: CancellationToken) {
    let (mut sink, mut source) = socket.split();
    // A client that does not read holds up its own messages only, but must not hold up the end of the gateway.
    let stop = tokio::select! {
        biased;
        () = shutdown.cancelled() => Stop::Away,
        stop = events(&mut sink, &mut source, &mut viewer) => stop,
    };
    let (code, reason) = match stop {
        Stop::Done => (close_code::NORMAL, "the task has ended"),
        Stop::Away => (
            close_code::AWAY,
            "connect again and go on after the last id",
        ),
        Stop::Left => return,
    };
    let close = Message::Close(Some(CloseFrame {
        code,
        reason: reason.into(),
    }));
    let goodbye = async {
        sink.send(close).await?;
        // The client's own close frame ends the connection cleanly.
        while let Some(Ok(_)) = source.next().await {}
        Ok::<_, axum::Error>(())
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(1), goodbye).await;
    if !matches!(waited, Ok(Ok(()))) {
        tracing::debug!("a client did not say goodbye");
    }
}

async fn events(
    sink: &mut SplitSink<WebSocket, Message>,
    source: &mut SplitStream<WebSocket>,
    viewer: &mut Viewer,
) -> Stop {
    let mut is_done = false;
    loop {
        tokio::select! {
            biased;
            // There is nothing that a client could ask for. Pongs are not counted: those of a slow client come when it has read what stands
            // before the pings, and a dead one is found by TCP, which has the pings to deliver.
            message = source.next() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Stop::Left,
                Some(Ok(_)) => {}
            },
            bytes = viewer.next() => {
                let Some(bytes) = bytes else {
                    return if is_done { Stop::Done } else { Stop::Away };
                };
                match send(sink, &bytes).await {
                    Ok(has_done) => is_done |= has_done,
                    Err(error) => {
                        tracing::debug!(%error, "a WebSocket broke");
                        return Stop::Left;
                    }
                }
            }
        }
    }
}

/// One message for each event, one write for all of them; a comment becomes a ping. Answers whether the last event was among them.
async fn send(sink: &mut SplitSink<WebSocket, Message>, bytes: &[u8]) -> Result<bool, axum::Error> {
    let mut has_done = false;
    for block in sse::blocks(bytes) {
        let message = if block.name.is_empty() {
            Message::Ping(Bytes::new())
        } else {
            has_done |= block.name == b"done";
            Message::Text(block.message().into())
        };
        sink.feed(message).await?;
    }
    sink.flush().await?;
    Ok(has_done)
}
