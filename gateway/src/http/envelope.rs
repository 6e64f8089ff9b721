//! Every error of the API has one form: `{"error":{"code","message","request_id","details"?}}`.
//!
//! Handlers answer with an [`ApiError`]; the outermost layer turns it, and every bare error status that some layer made, into the
//! envelope, because only there the id of the request is known for sure.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::limit::seconds;
use crate::auth::crowd::Full;
use crate::auth::password::PasswordError;
use crate::auth::session::SessionError;
use crate::streams::slots::Refused;
use crate::tasks::validate::Invalid;

/// Why a request failed, in the words of the API.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The request breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The request is not understood.
    #[error("{0}")]
    BadRequest(String),
    /// The body is JSON, but not of the form that is asked for.
    #[error("{0}")]
    WrongShape(String),
    /// Nobody is logged in.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// Whoever is logged in may not do this.
    #[error("only administrators may do this")]
    Forbidden,
    /// The API token is not good for this.
    #[error("this API token lacks the scope {0}; make one that has it")]
    MissingScope(&'static str),
    /// An API token is never good for this.
    #[error("API tokens may not do this; log in, and use the access token")]
    SessionRequired,
    /// There is no such thing, or it belongs to somebody else.
    #[error("{0}")]
    NotFound(&'static str),
    /// The path exists, but not with this method.
    #[error("this path does not know the method; see the Allow header")]
    MethodNotAllowed,
    /// The client takes nothing that there is.
    #[error("{0}")]
    NotAcceptable(&'static str),
    /// The state of things forbids it.
    #[error("{message}")]
    Conflict {
        /// A word for programs.
        code: &'static str,
        /// Words for people.
        message: String,
    },
    /// The body is well formed, but asks for what does not fit together.
    #[error("{message}")]
    Unfit {
        /// A word for programs.
        code: &'static str,
        /// Words for people.
        message: String,
    },
    /// The body is too long.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// The body is not JSON.
    #[error("send JSON with the header Content-Type: application/json")]
    UnsupportedMediaType,
    /// Too many attempts.
    #[error("too many attempts; try again in {} seconds", seconds(*.0))]
    TooManyRequests(Duration),
    /// Too many requests of one user.
    #[error("too many requests; try again in {} seconds", seconds(*.0))]
    RateLimited(Duration),
    /// A user has too many tasks.
    #[error(
        "you have {0} tasks queued or running, as many as one user may; wait for some to end, or cancel them"
    )]
    TooManyTasks(i64),
    /// The body did not arrive in time.
    #[error("the body of the request did not arrive within {} seconds", seconds(*.0))]
    TooSlow(Duration),
    /// Too many streams are open.
    #[error(transparent)]
    TooManyStreams(#[from] Refused),
    /// More people log in than the gateway takes.
    #[error("too many people log in at this moment; try again")]
    Crowded,
    /// The gateway has been told to stop.
    #[error("this gateway is about to stop; connect again, and another one answers")]
    Stopping,
    /// A store is away.
    #[error("{store} cannot be reached now; try again later")]
    Unavailable {
        /// Which one.
        store: &'static str,
        /// Why, for the log.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// It took too long.
    #[error("the request took too long; try again later")]
    TimedOut,
    /// A mistake of the gateway.
    #[error(
        "something went wrong inside the gateway; its log says what, under the id of this request"
    )]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ApiError {
    /// The status and the word for programs.
    #[must_use]
    pub const fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::WrongShape(_) => (StatusCode::UNPROCESSABLE_ENTITY, "wrong_shape"),
            Self::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Self::MissingScope(_) => (StatusCode::FORBIDDEN, "insufficient_scope"),
            Self::SessionRequired => (StatusCode::FORBIDDEN, "session_required"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NotAcceptable(_) => (StatusCode::NOT_ACCEPTABLE, "not_acceptable"),
            Self::Conflict { code, .. } => (StatusCode::CONFLICT, code),
            Self::Unfit { code, .. } => (StatusCode::UNPROCESSABLE_ENTITY, code),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
            Self::TooManyRequests(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
            Self::RateLimited(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::TooManyTasks(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_tasks"),
            Self::TooSlow(_) => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            Self::TooManyStreams(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_streams"),
            Self::Crowded => (StatusCode::SERVICE_UNAVAILABLE, "too_many_logins"),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            Self::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::Invalid(invalid) => Some(json!({ "field": invalid.field })),
            Self::Unavailable { store, .. } => Some(json!({ "store": store })),
            Self::MissingScope(scope) => Some(json!({ "scope": scope })),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests(wait) | Self::RateLimited(wait) => Some(seconds(*wait)),
            // Nobody knows when a task will end.
            Self::TooManyTasks(_) => Some(10),
            // Nobody knows when a stream will end; this is long enough to close one, and to be noticed where a connection broke.
            Self::TooManyStreams(_) => Some(5),
            // A login takes less, if it is let in.
            Self::Crowded | Self::Stopping => Some(1),
            Self::Unavailable { .. } | Self::TimedOut => Some(2),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        if is_away(&error) {
            return Self::Unavailable {
                store: "database",
                source: Some(error.into()),
            };
        }
        Self::Internal(error.into())
    }
}

/// Whether the database cannot be reached or does not take requests, as opposed to a mistake in one.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // Connection exceptions, resources, operator intervention (shutdown, cancelled statements), lock timeouts.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "53", "57", "55P03", "25006"]
                .iter()
                .any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Refused => Self::Unauthenticated("email or password is wrong"),
            SessionError::RefreshRefused => {
                Self::Unauthenticated("the refresh token is not good any more; log in again")
            }
            SessionError::CodeRefused => Self::Unauthenticated(
                "the sign-in took too long or was begun elsewhere; sign in again",
            ),
            SessionError::NoPassword => Self::Conflict {
                code: "no_password",
                message: error.to_string(),
            },
            SessionError::Password(error) => password_error("new_password", &error),
            SessionError::Throttled(wait) => Self::TooManyRequests(wait),
            SessionError::Crowded(Full::Address) => Self::TooManyRequests(Duration::from_secs(1)),
            SessionError::Crowded(Full::Gateway) => Self::Crowded,
            SessionError::Database(error) => error.into(),
            SessionError::Sign(error) => Self::Internal(error.into()),
        }
    }
}

/// For a password in the body of a request.
#[must_use]
pub fn password_error(field: &'static str, error: &PasswordError) -> ApiError {
    match error {
        PasswordError::Length => Invalid {
            field,
            message: format!("the password cannot be used: {error}"),
        }
        .into(),
        PasswordError::Hash => ApiError::Internal(error.to_string().into()),
    }
}

/// What the outermost layer makes the envelope of.
#[derive(Clone, Debug)]
struct Pending {
    code: &'static str,
    message: String,
    details: Option<Value>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.code();
        match &self {
            Self::Internal(source) => {
                tracing::error!(error = %source, "a request failed");
            }
            Self::Unavailable {
                store,
                source: Some(source),
            } => tracing::warn!(store, error = %source, "a store is away"),
            _ => {}
        }
        let mut response = status.into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"codex\""),
            );
        }
        if matches!(self, Self::TooSlow(_)) {
            // The rest of the body may still come, and would be taken for the next request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Self::Unavailable { store, .. } = self {
            response.extensions_mut().insert(StoreAway(store));
        }
        response.extensions_mut().insert(Pending {
            code,
            message: self.to_string(),
            details: self.details(),
        });
        response
    }
}

/// The form of every error.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct Envelope<'a> {
    #[schema(inline)]
    error: Inner<'a>,
}

#[derive(Serialize, ToSchema)]
struct Inner<'a> {
    /// A word for programs, for example `invalid_request`.
    code: &'a str,
    /// What is wrong and what to do, for people.
    message: &'a str,
    /// Finds the request in the log of the gateway.
    request_id: &'a str,
    /// More for programs, for example the `field` that breaks a rule.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}

/// Marks an answer that is an error because this store is away.
#[derive(Clone, Copy, Debug)]
pub struct StoreAway(pub &'static str);

/// Marks a response with an error status that is a page for people, and stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct ErrorPage;

/// Gives an error its envelope; other responses pass.
pub fn render(mut response: Response, request_id: &str) -> Response {
    if response.extensions().get::<ErrorPage>().is_some() {
        return response;
    }
    let status = response.status();
    let pending = match response.extensions_mut().remove::<Pending>() {
        Some(pending) => pending,
        None if status.is_client_error() || status.is_server_error() => bare(status),
        None => return response,
    };
    let envelope = Envelope {
        error: Inner {
            code: pending.code,
            message: &pending.message,
            request_id,
            details: pending.details,
        },
    };
    let body = serde_json::to_vec(&envelope).unwrap_or_default();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    *response.body_mut() = Body::from(body);
    response
}

/// For statuses that a layer made without an [`ApiError`].
fn bare(status: StatusCode) -> Pending {
    let error = match status {
        StatusCode::NOT_FOUND => ApiError::NotFound("there is nothing at this path"),
        StatusCode::METHOD_NOT_ALLOWED => ApiError::MethodNotAllowed,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::UnsupportedMediaType,
        StatusCode::SERVICE_UNAVAILABLE => ApiError::TimedOut,
        status if status.is_client_error() => {
            ApiError::BadRequest("the request is not understood".to_owned())
        }
        _ => ApiError::Internal("a layer failed".into()),
    };
    Pending {
        code: error.code().1,
        message: error.to_string(),
        details: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(2)), 2);
        assert_eq!(seconds(Duration::from_millis(2001)), 3);
    }

    #[tokio::test]
    async fn bare_statuses_get_an_envelope_and_others_pass() {
        let response = render(StatusCode::METHOD_NOT_ALLOWED.into_response(), "r1");
        let body = axum::body::to_bytes(response.into_body(), 4096)
            .await
            .unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["code"], "method_not_allowed");
        assert_eq!(body["error"]["request_id"], "r1");
        let fine = render("fine".into_response(), "r2");
        assert_eq!(fine.status(), StatusCode::OK);
    }
}
