//! Answers of the proxy's own, as opposed to the model API's.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{metrics::Outcome, token::TokenError};

/// Why a request was not passed on, or got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("{0}")]
    Unauthorized(#[from] TokenError),
    #[error("the pod proxy serves POST /v1/responses only")]
    NotFound,
    #[error("use POST for /v1/responses")]
    MethodNotAllowed,
    #[error("the request body is larger than {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("the request body did not arrive in time")]
    UploadTimeout,
    #[error("this task already has {limit} model requests under way; wait for one to end")]
    TooManyRequests { limit: usize },
    #[error(
        "the model API cannot be reached; try again, and tell the administrator if that does not help"
    )]
    UpstreamUnavailable,
    #[error("the model API did not answer in time; try again")]
    UpstreamTimeout,
    #[error("the connection to the model API broke before an answer came; try again")]
    UpstreamFailed,
    #[error(
        "the model API refused the key of this installation; the administrator must check the proxy's key file"
    )]
    UpstreamKeyRefused,
}

impl ProxyError {
    /// Status, stable code, and the metric that counts it.
    fn parts(&self) -> (StatusCode, &'static str, Outcome) {
        match self {
            Self::Unauthorized(_) => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                Outcome::Unauthorized,
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", Outcome::Refused),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                Outcome::Refused,
            ),
            Self::BodyTooLarge { .. } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                Outcome::Refused,
            ),
            Self::UploadTimeout => (
                StatusCode::REQUEST_TIMEOUT,
                "upload_timeout",
                Outcome::Refused,
            ),
            Self::TooManyRequests { .. } => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                Outcome::TooManyRequests,
            ),
            Self::UpstreamUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "upstream_unavailable",
                Outcome::UpstreamUnavailable,
            ),
            Self::UpstreamTimeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                Outcome::UpstreamTimeout,
            ),
            Self::UpstreamFailed => (
                StatusCode::BAD_GATEWAY,
                "upstream_failed",
                Outcome::UpstreamFailed,
            ),
            Self::UpstreamKeyRefused => (
                StatusCode::BAD_GATEWAY,
                "upstream_key_refused",
                Outcome::UpstreamKeyRefused,
            ),
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.parts().2
    }
}

impl IntoResponse for ProxyError {
    fn into_response(self) -> Response {
        let (status, code, _) = self.parts();
        let mut response = (
            status,
            Json(json!({"error": {"code": code, "message": self.to_string()}})),
        )
            .into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized(_) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::MethodNotAllowed => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            Self::TooManyRequests { .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
