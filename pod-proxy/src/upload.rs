//! The request body on its way to the model API.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::{Stream, TryStreamExt};
use tokio_stream::StreamExt;

/// How long a task may pause while it sends a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a request body broke off. The HTTP client wraps it, so it is found with [`UploadError::cause_of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("the request body is too large")]
    TooLarge,
    #[error("the request body stopped arriving")]
    Timeout,
    #[error("the task broke its request off")]
    Broken,
}

impl UploadError {
    /// Finds this error among the causes of another.
    pub(crate) fn cause_of(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        std::iter::successors(Some(error), |error| error.source())
            .find_map(|error| error.downcast_ref().copied())
    }
}

/// Streams a body and breaks it off at the limit.
pub(crate) fn limited(
    body: Body,
    limit: usize,
) -> impl Stream<Item = Result<Bytes, UploadError>> + Send {
    let mut left = limit;
    let chunks = body
        .into_data_stream()
        .map_err(|_| UploadError::Broken)
        .timeout(IDLE_TIMEOUT);
    chunks.map(move |chunk| {
        let chunk = chunk.map_err(|_| UploadError::Timeout)??;
        left = left.checked_sub(chunk.len()).ok_or(UploadError::TooLarge)?;
        Ok(chunk)
    })
}
