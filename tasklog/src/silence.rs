//! What a reader does about a live log that says nothing.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;

use crate::error::LogError;
use crate::live::{FrameStream, LiveLog};

/// How long a log may say nothing, though it has more, before it is asked whether it is still there.
const SILENCE: Duration = Duration::from_millis(250);

/// The frames of a live log that has more. It may have been removed before it knew of its reader, and a log that is not there says nothing:
/// it could be that of a task that has not begun.
pub(crate) fn while_there(live: Arc<dyn LiveLog>, task: &str, frames: FrameStream) -> FrameStream {
    let task = task.to_owned();
    futures::stream::unfold(
        (live, task, frames),
        |(live, task, mut frames)| async move {
            let next = loop {
                if let Ok(next) = tokio::time::timeout(SILENCE, frames.next()).await {
                    break next?;
                }
                match live.last(&task).await {
                    Ok(0) => break Err(LogError::Removed),
                    Ok(_) => {}
                    Err(error) => break Err(error),
                }
            };
            Some((next, (live, task, frames)))
        },
    )
    .boxed()
}
