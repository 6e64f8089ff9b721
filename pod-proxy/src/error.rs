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
    #[error("the pod proxy serves POST /v1/responses and the artifacts of tasks only")]
    NotFound,
    #[error("use {allow} for this address")]
    MethodNotAllowed { allow: &'static str },
    #[error("the request body is larger than {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("the request body did not arrive in time")]
    UploadTimeout,
    #[error("this task already has {limit} requests of this kind under way; wait for one to end")]
    TooManyRequests { limit: usize },
    #[error(
        "tasks leave no artifact of this name; the names are {}",
        artifact_names()
    )]
    UnknownArtifact,
    #[error("this pod proxy has no archive, so artifacts are not kept; set CODEX_ARCHIVE")]
    NoArchive,
    #[error("say in Content-Length how many bytes the artifact has")]
    LengthRequired,
    #[error("the artifact is empty")]
    EmptyArtifact,
    #[error("the task has left another artifact of this name before, which stands")]
    ArtifactExists,
    #[error("this task continues no other, so it has no session to take")]
    NoResume,
    #[error("the task that this one continues has left no session")]
    NoSession,
    #[error("too many artifacts are under way; try again in a moment")]
    Busy,
    #[error("the archive cannot be reached; try again in a moment")]
    ArchiveUnavailable,
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
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        self.parts().1
    }

    /// Status, stable code, and the metric that counts it.
    fn parts(&self) -> (StatusCode, &'static str, Outcome) {
        match self {
            Self::Unauthorized(_) => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                Outcome::Unauthorized,
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", Outcome::Refused),
            Self::MethodNotAllowed { .. } => (
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
            Self::UnknownArtifact => (StatusCode::NOT_FOUND, "unknown_artifact", Outcome::Refused),
            Self::NoArchive => (StatusCode::NOT_FOUND, "no_archive", Outcome::Refused),
            Self::LengthRequired => (
                StatusCode::LENGTH_REQUIRED,
                "length_required",
                Outcome::Refused,
            ),
            Self::EmptyArtifact => (StatusCode::BAD_REQUEST, "empty_artifact", Outcome::Refused),
            Self::ArtifactExists => (StatusCode::CONFLICT, "artifact_exists", Outcome::Refused),
            Self::NoResume => (StatusCode::FORBIDDEN, "no_resume", Outcome::Refused),
            Self::NoSession => (StatusCode::NOT_FOUND, "no_session", Outcome::Refused),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", Outcome::Busy),
            Self::ArchiveUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "archive_unavailable",
                Outcome::ArchiveUnavailable,
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

fn artifact_names() -> String {
    codex_tasklog::Artifact::ALL
        .map(codex_tasklog::Artifact::name)
        .join(", ")
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
            Self::MethodNotAllowed { allow } => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allow));
            }
            Self::TooManyRequests { .. } | Self::Busy | Self::ArchiveUnavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
