//! The gateway's side of Kubernetes: it makes `CodexTask`s (`dispatcher`), records what becomes of them (`recorder`) and knows the
//! allow-list (`repositories`). It never touches a Pod.

mod attempt;
pub mod desk;
pub mod dispatcher;
pub mod finalizers;
pub mod manifest;
mod outage;
pub mod recorder;
pub mod repositories;

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// The longest wait before a watch is opened again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The first wait.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// How long a watch waits before it is opened again. It starts sooner and ends sooner than the default of kube, because people
/// wait for the state of their tasks, and because there are few gateways.
#[derive(Debug)]
struct WatchBackoff {
    next: Duration,
}

impl Default for WatchBackoff {
    fn default() -> Self {
        Self { next: FIRST_WAIT }
    }
}

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST_WAIT);
        // Gateways that lost the same API server shall not come back in step.
        Some(wait.mul_f64(rand::random_range(0.75..1.25)))
    }
}

impl Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.next = FIRST_WAIT;
    }
}

/// How long a single call to Kubernetes may take. Shorter than the lease of the outbox.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a call to Kubernetes failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It answered with an error, or could not be reached.
    #[error(transparent)]
    Kube(#[from] kube::Error),
    /// It did not answer; whether it did what was asked is not known.
    #[error("Kubernetes did not answer within {} seconds", CALL_TIMEOUT.as_secs())]
    Timeout,
}

impl CallError {
    /// The status that the API server answered with.
    fn status(&self) -> Option<&kube::core::Status> {
        match self {
            Self::Kube(kube::Error::Api(status)) => Some(status),
            _ => None,
        }
    }

    fn is_not_found(&self) -> bool {
        self.status().is_some_and(kube::core::Status::is_not_found)
    }

    /// Whether nobody could have got an answer: it says nothing about what was asked.
    fn is_away(&self) -> bool {
        self.status()
            .is_none_or(|status| status.code == 429 || status.code >= 500)
    }
}

/// A call that ends in time.
async fn call<T>(future: impl Future<Output = Result<T, kube::Error>>) -> Result<T, CallError> {
    match tokio::time::timeout(CALL_TIMEOUT, future).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(CallError::Timeout),
    }
}
