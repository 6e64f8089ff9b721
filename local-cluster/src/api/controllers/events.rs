//! Events of the server's own controllers, and the end of old events.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::api::Api;
use crate::api::object::{micro_time, name, namespace, text, time, uid};
use crate::api::request::WriteOptions;
use crate::api::store::Key;
use crate::api::write::{Part, Target};

/// As upstream's default `--event-ttl`.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What happened to an object.
pub(super) struct Note<'a> {
    pub(super) about: &'a Value,
    pub(super) component: &'static str,
    pub(super) kind: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Records an event. It is a help for people, so a failure is only logged.
pub(super) async fn record(api: &Api, note: Note<'_>) {
    let Some(events) = api.catalog.served().find("", "v1", "events") else {
        return;
    };
    let now = Timestamp::now();
    let about = note.about;
    // Events live in a namespace; those about cluster-scoped objects in "default".
    let namespace = match namespace(about) {
        "" => "default",
        ns => ns,
    };
    let event = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": format!("{}.{:x}", name(about), now.as_nanosecond())},
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": name(about),
            "namespace": namespace,
            "uid": uid(about),
            "resourceVersion": text(about, "/metadata/resourceVersion"),
        },
        "type": note.kind,
        "reason": note.reason,
        "message": note.message,
        "source": {"component": note.component},
        "reportingComponent": note.component,
        "reportingInstance": "codex-local-cluster",
        "firstTimestamp": time(now),
        "lastTimestamp": time(now),
        "eventTime": micro_time(now),
        "action": note.reason,
        "count": 1,
    });
    let target = Target::new(&events, namespace, "", Part::Internal);
    let options = WriteOptions::internal(note.component);
    if let Err(error) = api.create(&target, event, &options).await {
        tracing::debug!(%error, "an event was not recorded");
    }
}

/// Removes events that are older than an hour.
pub(super) async fn expire(api: Arc<Api>) {
    loop {
        tokio::select! {
            () = api.shutdown.cancelled() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
        let oldest = Timestamp::now()
            .checked_sub(LIFETIME)
            .unwrap_or(Timestamp::MIN);
        for event in api.store.list("events", None).items {
            let last = [
                "/series/lastObservedTime",
                "/lastTimestamp",
                "/metadata/creationTimestamp",
            ]
            .iter()
            .find_map(|p| text(&event.value, p).parse::<Timestamp>().ok());
            if last.is_some_and(|t| t < oldest) {
                let key = Key::of(&event.value);
                // Someone else's change in between only means that it is not old after all.
                let _ = api
                    .store
                    .remove("events", &key, event.rv, event.value.clone())
                    .await;
            }
        }
    }
}
