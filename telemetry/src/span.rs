//! Something that happened.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{Link, SpanId, SpanKind, Status};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::TraceContext;

/// Something that happened, and is over.
///
/// Names and attributes reach another system and stay there: they come from the program, never from a prompt, a path, a header or a
/// message of an error.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its own place.
    pub context: TraceContext,
    /// What it is a part of.
    pub parent: Option<TraceContext>,
    /// What it names without being a part of it.
    pub link: Option<TraceContext>,
    /// What happened, one of few words.
    pub name: Cow<'static, str>,
    /// Which side of a call it is, where there is one.
    pub kind: SpanKind,
    /// When it began.
    pub start: SystemTime,
    /// When it was over.
    pub end: SystemTime,
    /// More about it.
    pub attributes: Vec<KeyValue>,
    /// Why it failed, in one word; none where it did not.
    pub error: Option<Cow<'static, str>>,
}

impl Span {
    /// A span inside the program that ended now.
    #[must_use]
    pub fn new(
        context: TraceContext,
        parent: Option<TraceContext>,
        name: impl Into<Cow<'static, str>>,
        start: SystemTime,
    ) -> Self {
        Self {
            context,
            parent,
            link: None,
            name: name.into(),
            kind: SpanKind::Internal,
            start,
            end: SystemTime::now(),
            attributes: Vec::new(),
            error: None,
        }
    }

    pub(crate) fn into_data(self, scope: InstrumentationScope) -> SpanData {
        let mut links = SpanLinks::default();
        links.links.extend(
            self.link
                .map(|link| Link::with_context(link.span_context(true))),
        );
        SpanData {
            span_context: self.context.span_context(false),
            parent_span_id: self.parent.map_or(SpanId::INVALID, |parent| parent.span_id),
            parent_span_is_remote: self.parent.is_some(),
            span_kind: self.kind,
            name: self.name,
            start_time: self.start,
            // Clocks of several machines may be a little apart; no span ends before it began.
            end_time: self.end.max(self.start),
            attributes: self.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: self
                .error
                .map_or(Status::Unset, |error| Status::Error { description: error }),
            instrumentation_scope: scope,
        }
    }
}
