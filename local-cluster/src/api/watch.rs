//! Watches: the events of a collection as newline-delimited JSON, each written when it happens.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::Stream;
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::Api;
use super::convert::{from_stored, partial};
use super::error::ApiError;
use super::negotiate::{Format, Shape};
use super::object::namespace;
use super::read::initial_events_refused;
use super::request::{ListOptions, Revision};
use super::resources::Resource;
use super::selectors::Selector;
use super::store::{Cursor, Event, StoreError, Stored};
use super::tables::{IncludeObject, Table};

/// Upstream ends watches without a timeout after 30 to 60 minutes, so clients are used to it.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1800);
/// How often a watch that wants bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(30);
/// Initial events are encoded in pieces of about this size.
const CHUNK_BYTES: usize = 64 << 10;

/// What a watch is about.
pub(crate) struct Watch {
    resource: Arc<Resource>,
    namespace: Option<String>,
    selector: Selector,
    shape: Shape,
    include: IncludeObject,
    /// Columns are sent once; later tables have only rows.
    headers_sent: bool,
    bookmarks: bool,
    initial: VecDeque<Arc<Stored>>,
    cursor: Cursor,
    deadline: Instant,
    interval: Interval,
    shutdown: CancellationToken,
    ended: bool,
}

impl Api {
    pub(crate) fn watch(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        namespace: Option<&str>,
        options: &ListOptions,
        format: Format,
        include: IncludeObject,
    ) -> Result<Watch, ApiError> {
        if options.send_initial_events {
            return Err(initial_events_refused());
        }
        let selector = Selector::parse(resource, options)?;
        let (initial, since) = match options.revision {
            Revision::At(rv) => (VecDeque::new(), rv),
            Revision::Unset | Revision::Any => {
                let listing = self.store.list(&resource.collection, namespace);
                (listing.items.into(), listing.rv)
            }
        };
        let cursor = self
            .store
            .follow(&resource.collection, since)
            .map_err(|e| match e {
                // A revision from the future is one of a data folder that is gone. Clients list again
                // after 410, where they would try for ever after upstream's 504.
                StoreError::Expired { .. } | StoreError::Future { .. } => ApiError::Expired {
                    message: e.to_string(),
                    continue_token: None,
                },
                other => other.into(),
            })?;
        let mut interval =
            tokio::time::interval_at(Instant::now() + BOOKMARK_EVERY, BOOKMARK_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Watch {
            resource: Arc::clone(resource),
            namespace: namespace.map(str::to_owned),
            selector,
            shape: format.shape,
            include,
            headers_sent: false,
            bookmarks: options.bookmarks,
            initial,
            cursor,
            deadline: Instant::now() + options.timeout.unwrap_or(DEFAULT_TIMEOUT),
            interval,
            shutdown: self.shutdown.clone(),
            ended: false,
        })
    }
}

impl Watch {
    /// The body of the response.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        futures::stream::unfold(self, |mut watch| async move {
            let chunk = watch.next_chunk().await?;
            Some((Ok(chunk), watch))
        })
    }

    /// The next events that are there, nothing at the end.
    async fn next_chunk(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut out = BytesMut::new();
        while let Some(object) = self.initial.pop_front() {
            if self.selector.matches(&object.value) {
                self.write("ADDED", &object, &mut out);
            }
            if out.len() >= CHUNK_BYTES {
                return Some(out.freeze());
            }
        }
        if !out.is_empty() {
            return Some(out.freeze());
        }
        loop {
            match self.cursor.take() {
                Ok(events) => events.iter().for_each(|e| self.write_event(e, &mut out)),
                Err(error) => {
                    self.ended = true;
                    write_line("ERROR", &ApiError::from(error).to_status(), &mut out);
                }
            }
            if !out.is_empty() {
                return Some(out.freeze());
            }
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return None,
                () = self.cursor.changed() => {}
                _ = self.interval.tick(), if self.bookmarks => {
                    self.write_bookmark(&mut out);
                    return Some(out.freeze());
                }
                () = tokio::time::sleep_until(self.deadline) => {
                    self.ended = true;
                    if !self.bookmarks {
                        return None;
                    }
                    // So the next watch starts where this one ended.
                    self.write_bookmark(&mut out);
                    return Some(out.freeze());
                }
            }
        }
    }

    fn wants(&self, object: &Value) -> bool {
        self.namespace
            .as_deref()
            .is_none_or(|ns| namespace(object) == ns)
            && self.selector.matches(object)
    }

    /// To a watcher with a selector, an object that begins or ceases to match comes or goes.
    fn write_event(&mut self, event: &Event, out: &mut BytesMut) {
        let before = event.prev.as_ref().is_some_and(|p| self.wants(&p.value));
        let after = !event.removed && self.wants(&event.object.value);
        match (before, after) {
            (false, false) => {}
            (false, true) => self.write("ADDED", &event.object, out),
            (true, true) => self.write("MODIFIED", &event.object, out),
            (true, false) if event.removed => self.write("DELETED", &event.object, out),
            (true, false) => {
                // The last state that matched, at the revision at which it ceased to.
                if let Some(prev) = &event.prev {
                    let mut value = prev.value.clone();
                    value["metadata"]["resourceVersion"] = json!(event.object.rv.to_string());
                    self.write_value("DELETED", &value, out);
                }
            }
        }
    }

    fn write(&mut self, kind: &str, object: &Stored, out: &mut BytesMut) {
        if self.shape == Shape::Whole && self.resource.api_version() == self.resource.stored_as {
            out.put_slice(b"{\"type\":\"");
            out.put_slice(kind.as_bytes());
            out.put_slice(b"\",\"object\":");
            out.put_slice(&object.json);
            out.put_slice(b"}\n");
        } else {
            self.write_value(kind, &object.value, out);
        }
    }

    fn write_value(&mut self, kind: &str, stored: &Value, out: &mut BytesMut) {
        let object = from_stored(&self.resource, stored);
        let shaped = match self.shape {
            Shape::Whole => object.into_owned(),
            Shape::Metadata => partial(&object),
            Shape::Table => {
                let mut table = Table::new(&self.resource, self.include);
                table.add(&object);
                let version = object["metadata"]["resourceVersion"].clone();
                let mut value = table.finish(&json!({"resourceVersion": version}));
                if std::mem::replace(&mut self.headers_sent, true) {
                    value["columnDefinitions"] = json!([]);
                }
                value
            }
        };
        write_line(kind, &shaped, out);
    }

    fn write_bookmark(&mut self, out: &mut BytesMut) {
        let rv = self.cursor.bookmark().to_string();
        let (kind, version) = match self.shape {
            Shape::Whole => (
                self.resource.kind_name.as_str(),
                self.resource.api_version(),
            ),
            Shape::Metadata => ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned()),
            Shape::Table => ("Table", "meta.k8s.io/v1".to_owned()),
        };
        let mut bookmark = json!({
            "kind": kind,
            "apiVersion": version,
            "metadata": {"resourceVersion": rv, "creationTimestamp": null},
        });
        if self.shape == Shape::Table {
            bookmark["metadata"] = json!({"resourceVersion": rv});
            bookmark["columnDefinitions"] = json!([]);
            bookmark["rows"] = json!([]);
        }
        write_line("BOOKMARK", &bookmark, out);
    }
}

fn write_line(kind: &str, object: &Value, out: &mut BytesMut) {
    let line = json!({"type": kind, "object": object});
    out.put_slice(line.to_string().as_bytes());
    out.put_u8(b'\n');
}
