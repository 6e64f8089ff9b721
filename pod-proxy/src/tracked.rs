//! A response body that is counted, and that holds its task's permit until it ends.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use futures::Stream;
use http::StatusCode;

use crate::{
    limits::Permit,
    metrics::{End, Metrics},
};

/// Passes a body on. Dropping it closes the connection to the model API, which ends the work there.
pub(crate) struct TrackedBody<S> {
    inner: Pin<Box<S>>,
    permit: Permit,
    metrics: Arc<Metrics>,
    status: StatusCode,
    started: Instant,
    bytes: u64,
    end: End,
}

impl<S> TrackedBody<S> {
    pub(crate) fn new(
        inner: S,
        permit: Permit,
        metrics: Arc<Metrics>,
        status: StatusCode,
        started: Instant,
    ) -> Self {
        metrics.response_began();
        // Until the stream has said otherwise, a drop means that nobody wanted the rest.
        Self {
            inner: Box::pin(inner),
            permit,
            metrics,
            status,
            started,
            bytes: 0,
            end: End::ClientLeft,
        }
    }
}

impl<S: Stream<Item = reqwest::Result<Bytes>>> Stream for TrackedBody<S> {
    type Item = reqwest::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = ready!(self.inner.as_mut().poll_next(context));
        match &chunk {
            Some(Ok(bytes)) => self.bytes += bytes.len() as u64,
            Some(Err(_)) => self.end = End::UpstreamBroke,
            None => self.end = End::Complete,
        }
        Poll::Ready(chunk)
    }
}

impl<S> Drop for TrackedBody<S> {
    fn drop(&mut self) {
        self.metrics.response_ended(self.end, self.bytes);
        tracing::info!(
            task.id = self.permit.task(),
            http.status = self.status.as_u16(),
            response.bytes = self.bytes,
            response.end = self.end.label(),
            duration_ms = self.started.elapsed().as_millis(),
            "passed a model request"
        );
    }
}
