//! Kubernetes events on tasks, for `kubectl describe`.

use std::sync::Arc;

use codex_crds::{CodexTask, meta};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource as _;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::metrics::Metrics;
use crate::supervisor::Supervisor;

/// How many events may wait to be sent.
const CAPACITY: usize = 1024;
/// The longest note that Kubernetes takes, in bytes.
const MAX_NOTE: usize = 1024;

/// How many are on their way at once. One after the other is slower than a busy operator makes them.
const AT_ONCE: usize = 8;

/// Takes events and sends them in the background; when too many wait, they are dropped and counted, because a slow API must
/// not hold up tasks.
#[derive(Clone)]
pub struct EventSink {
    queue: mpsc::Sender<(Event, ObjectReference)>,
    metrics: Arc<Metrics>,
}

async fn send_all(client: kube::Client, waiting: mpsc::Receiver<(Event, ObjectReference)>) {
    let recorder = Recorder::new(client, Reporter::from(meta::OPERATOR_NAME));
    ReceiverStream::new(waiting)
        .for_each_concurrent(AT_ONCE, async |(event, object)| {
            if let Err(error) = recorder.publish(&event, &object).await {
                tracing::debug!(reason = %event.reason, %error, "an event could not be sent");
            }
        })
        .await;
}

impl EventSink {
    /// Starts sending.
    #[must_use]
    pub fn start(client: kube::Client, supervisor: &Supervisor, metrics: Arc<Metrics>) -> Self {
        let (queue, waiting) = mpsc::channel(CAPACITY);
        supervisor.spawn("the sender of events", send_all(client, waiting));
        Self { queue, metrics }
    }

    /// Reports something that went as it should.
    pub fn normal(&self, task: &CodexTask, reason: &str, note: impl Into<String>) {
        self.send(task, EventType::Normal, reason, note.into());
    }

    /// Reports something that a person may want to look at.
    pub fn warning(&self, task: &CodexTask, reason: &str, note: impl Into<String>) {
        self.send(task, EventType::Warning, reason, note.into());
    }

    fn send(&self, task: &CodexTask, type_: EventType, reason: &str, mut note: String) {
        note.truncate(note.floor_char_boundary(MAX_NOTE));
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if self.queue.try_send((event, task.object_ref(&()))).is_err() {
            self.metrics.dropped_events.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use kube::client::Body;
    use tokio::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn events_do_not_wait_for_each_other() {
        // Nobody is answered before so many have asked.
        let together = Arc::new(Barrier::new(AT_ONCE));
        let service = tower::service_fn(move |_: Request<Body>| {
            let together = Arc::clone(&together);
            async move {
                together.wait().await;
                Ok::<_, Infallible>(Response::new(Body::from(b"{}".to_vec())))
            }
        });
        let (queue, waiting) = mpsc::channel(CAPACITY);
        for number in 0..AT_ONCE * 2 {
            let event = Event {
                type_: EventType::Normal,
                reason: format!("Reason{number}"),
                note: None,
                action: "Reconcile".to_owned(),
                secondary: None,
            };
            queue.try_send((event, ObjectReference::default())).unwrap();
        }
        drop(queue);
        let all = send_all(kube::Client::new(service, "default"), waiting);
        tokio::time::timeout(std::time::Duration::from_secs(30), all)
            .await
            .expect("all are sent");
    }
}
