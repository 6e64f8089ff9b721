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
    trace::ModelCall,
};

/// The request that a body belongs to.
pub(crate) struct Exchange {
    /// Held until the body ends.
    pub(crate) permit: Permit,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) started: Instant,
    /// The span ends with the body.
    pub(crate) call: ModelCall,
}

/// Passes a body on. Dropping it closes the connection to the model API, which ends the work there.
pub(crate) struct TrackedBody {
    inner: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    exchange: Exchange,
    status: StatusCode,
    /// How many bytes there will be, where the model API said so.
    length: Option<u64>,
    bytes: u64,
    end: End,
}

impl TrackedBody {
    pub(crate) fn new(response: reqwest::Response, exchange: Exchange) -> Self {
        exchange.metrics.response_began();
        Self {
            status: response.status(),
            length: response.content_length(),
            inner: Box::pin(response.bytes_stream()),
            exchange,
            bytes: 0,
            // Until the stream has said otherwise, a drop means that nobody wanted the rest.
            end: End::ClientLeft,
        }
    }
}

impl Stream for TrackedBody {
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

impl Drop for TrackedBody {
    fn drop(&mut self) {
        if self.length == Some(self.bytes) {
            // A body of known length is not asked for its end.
            self.end = End::Complete;
        }
        self.exchange.metrics.response_ended(self.end, self.bytes);
        match self.end {
            End::Complete => {}
            End::ClientLeft => self.exchange.call.client_left(),
            End::UpstreamBroke => self.exchange.call.fail(self.end.label()),
        }
        tracing::info!(
            task.id = self.exchange.permit.task(),
            http.status = self.status.as_u16(),
            response.bytes = self.bytes,
            response.end = self.end.label(),
            duration_ms = self.exchange.started.elapsed().as_millis(),
            "passed a model request"
        );
    }
}
