//! Events of Pods, which `kubectl describe` shows.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, Pod};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::status::time;

/// Events that wait for the API server; more are dropped, because nothing depends on them.
const QUEUE: usize = 1024;

/// Sends events in the background.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<Event>,
    node: String,
}

/// Whether an event is good or bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Things go as they should.
    Normal,
    /// Somebody should look.
    Warning,
}

impl Events {
    /// Starts sending. Ends with the returned handle.
    pub fn new(client: Client, node: &str) -> (Self, AbortOnDropHandle<()>) {
        let (queue, mut events) = mpsc::channel::<Event>(QUEUE);
        let task = async move {
            while let Some(event) = events.recv().await {
                let api: Api<Event> = Api::namespaced(
                    client.clone(),
                    event.metadata.namespace.as_deref().unwrap_or_default(),
                );
                if let Err(error) = api.create(&PostParams::default(), &event).await {
                    tracing::debug!(error = %error, event.reason, "cannot record an event");
                }
            }
        };
        (
            Self {
                queue,
                node: node.to_owned(),
            },
            AbortOnDropHandle::new(tokio::spawn(task)),
        )
    }

    /// Records an event of a container, or of the whole Pod.
    pub fn record(
        &self,
        pod: &Pod,
        container: Option<(&str, bool)>,
        kind: Kind,
        reason: &str,
        message: String,
    ) {
        let now = Timestamp::now();
        let mut involved = pod.object_ref(&());
        involved.field_path = container.map(|(name, init)| {
            format!(
                "spec.{}{{{name}}}",
                if init { "initContainers" } else { "containers" }
            )
        });
        let source = EventSource {
            component: Some("kubelet".to_owned()),
            host: Some(self.node.clone()),
        };
        let event = Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:016x}", pod.name_any(), rand::random::<u64>())),
                namespace: pod.namespace(),
                ..ObjectMeta::default()
            },
            involved_object: involved,
            reason: Some(reason.to_owned()),
            message: Some(message),
            type_: Some(
                if kind == Kind::Normal {
                    "Normal"
                } else {
                    "Warning"
                }
                .to_owned(),
            ),
            count: Some(1),
            first_timestamp: Some(time(now)),
            last_timestamp: Some(time(now)),
            reporting_component: Some("kubelet".to_owned()),
            reporting_instance: Some(self.node.clone()),
            source: Some(source),
            ..Event::default()
        };
        if self.queue.try_send(event).is_err() {
            tracing::debug!(
                event.reason = reason,
                "dropped an event; the API server is slow or away"
            );
        }
    }
}
