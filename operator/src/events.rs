//! Kubernetes events on tasks, for `kubectl describe`.

use std::sync::Arc;

use codex_crds::{CodexTask, meta};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource as _;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::supervisor::Supervisor;

/// How many events may wait to be sent.
const CAPACITY: usize = 1024;
/// The longest note that Kubernetes takes, in bytes.
const MAX_NOTE: usize = 1024;

/// Takes events and sends them in the background; when too many wait, they are dropped and counted, because a slow API must
/// not hold up tasks.
#[derive(Clone)]
pub struct EventSink {
    queue: mpsc::Sender<(Event, ObjectReference)>,
    metrics: Arc<Metrics>,
}

impl EventSink {
    /// Starts sending.
    #[must_use]
    pub fn start(client: kube::Client, supervisor: &Supervisor, metrics: Arc<Metrics>) -> Self {
        let (queue, mut waiting) = mpsc::channel::<(Event, ObjectReference)>(CAPACITY);
        let recorder = Recorder::new(client, Reporter::from(meta::OPERATOR_NAME));
        supervisor.spawn("the sender of events", async move {
            while let Some((event, object)) = waiting.recv().await {
                if let Err(error) = recorder.publish(&event, &object).await {
                    tracing::debug!(reason = %event.reason, %error, "an event could not be sent");
                }
            }
        });
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
