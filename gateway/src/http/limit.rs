//! Limits on the wire: who asks is only known inside the handler, and the headers are written outside of it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use super::envelope::ApiError;
use crate::app::App;
use crate::limits::{Decision, Kind, Refusal};

/// How many requests may come at once.
pub const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
/// How many more would pass now.
pub const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
/// After how many seconds as many pass at once as ever.
pub const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Carries the decision out of the handler.
#[derive(Clone, Debug, Default)]
pub struct Slip(Arc<OnceLock<Decision>>);

impl Slip {
    /// Tells the client how much is left, where a limit was asked.
    pub fn write(&self, headers: &mut HeaderMap) {
        let Some(decision) = self.0.get() else { return };
        headers.insert(LIMIT, HeaderValue::from(decision.limit));
        headers.insert(REMAINING, HeaderValue::from(decision.remaining));
        headers.insert(RESET, HeaderValue::from(seconds(decision.reset)));
    }
}

/// Counts the request of a user.
///
/// # Errors
/// 429 when there were too many, and 503 when nobody can count and that is configured to matter.
pub async fn check(app: &App, parts: &Parts, user: Uuid, is_admin: bool) -> Result<(), ApiError> {
    let kind = Kind::of(&parts.method);
    let (decision, result) = match app.limits.take(user, is_admin, kind).await {
        Ok(decision) => (decision, Ok(())),
        Err(Refusal::TooMany(decision)) => (
            Some(decision),
            Err(ApiError::RateLimited(decision.retry_after)),
        ),
        Err(Refusal::Away) => (
            None,
            Err(ApiError::Unavailable {
                store: "redis",
                source: None,
            }),
        ),
    };
    if let (Some(decision), Some(slip)) = (decision, parts.extensions.get::<Slip>()) {
        // A handler that asks who it is twice was counted twice, and the first answer stands.
        let _ = slip.0.set(decision);
    }
    result
}

/// Rounded up, so that whoever waits as long as told does not come too early.
pub fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
