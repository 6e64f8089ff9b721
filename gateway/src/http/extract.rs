//! Extractors whose refusals are in the words of the API.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use chrono::{DateTime, Datelike as _, Utc};
use http::request::Parts;
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use uuid::Uuid;

use super::client_address::ClientAddress;
use super::envelope::ApiError;
use super::request::RequestId;
use crate::app::App;
use crate::database::audit::Actor;
use crate::tasks::validate::Invalid;

/// The longest text that is looked for, in bytes.
const MAX_TEXT: usize = 1_000;

/// A body of JSON.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        // Told before it is sent: a client that asks with `Expect: 100-continue` is not invited to.
        let announced = request.headers().get(header::CONTENT_LENGTH);
        let announced = announced
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok())
            .unwrap_or_default();
        if announced > app.settings.max_body {
            return Err(ApiError::TooLarge(app.settings.max_body));
        }
        let patience = app.settings.body_timeout;
        let read = tokio::time::timeout(patience, Json::<T>::from_request(request, app)).await;
        match read.map_err(|_| ApiError::TooSlow(patience))? {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::JsonDataError(error)) => {
                Err(ApiError::WrongShape(error.body_text()))
            }
            Err(JsonRejection::JsonSyntaxError(error)) => {
                Err(ApiError::BadRequest(error.body_text()))
            }
            Err(JsonRejection::MissingJsonContentType(_)) => Err(ApiError::UnsupportedMediaType),
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(ApiError::TooLarge(app.settings.max_body))
            }
            Err(error) => Err(ApiError::BadRequest(error.body_text())),
        }
    }
}

/// The parameters of a query.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Query(value) = Query::<T>::from_request_parts(parts, app)
            .await
            .map_err(|error| ApiError::BadRequest(error.body_text()))?;
        Ok(Self(value))
    }
}

/// The id of a task in the path. What is no id is the id of no task.
#[derive(IntoParams)]
#[into_params(names("id"), parameter_in = Path)]
pub struct TaskId(
    /// The id of a task, in lower case.
    pub Uuid,
);

impl FromRequestParts<Arc<App>> for TaskId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let id = id_in_path(parts, app).await.ok_or(NO_TASK)?;
        tracing::Span::current().record("task.id", tracing::field::display(id));
        Ok(Self(id))
    }
}

impl TaskId {
    /// Reads the id of a task in a path of more than one parameter.
    ///
    /// # Errors
    /// 404.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        canonical(text).map(Self).ok_or(NO_TASK)
    }
}

/// The id of a user in the path.
#[derive(IntoParams)]
#[into_params(names("id"), parameter_in = Path)]
pub struct UserId(
    /// The id of a user, in lower case.
    pub Uuid,
);

impl FromRequestParts<Arc<App>> for UserId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        id_in_path(parts, app).await.map(Self).ok_or(NO_USER)
    }
}

/// The id of an API token in the path.
#[derive(IntoParams)]
#[into_params(names("id"), parameter_in = Path)]
pub struct TokenId(
    /// The id of an API token, in lower case.
    pub Uuid,
);

impl FromRequestParts<Arc<App>> for TokenId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        id_in_path(parts, app).await.map(Self).ok_or(NO_TOKEN)
    }
}

async fn id_in_path(parts: &mut Parts, app: &Arc<App>) -> Option<Uuid> {
    let Path(text) = Path::<String>::from_request_parts(parts, app).await.ok()?;
    canonical(&text)
}

/// An id in the one spelling that counts: others would be other keys in the log and in the archive.
fn canonical(text: &str) -> Option<Uuid> {
    let id: Uuid = text.parse().ok()?;
    (id.to_string() == text).then_some(id)
}

/// The answer for tasks that do not exist and for those of other people.
pub const NO_TASK: ApiError = ApiError::NotFound("there is no such task");

/// The answer for users that do not exist.
pub const NO_USER: ApiError = ApiError::NotFound("there is no such user");

/// The answer for API tokens that do not exist and for those of other people.
pub const NO_TOKEN: ApiError = ApiError::NotFound("there is no such API token");

/// The greatest number of a frame: they travel through JavaScript, which knows no greater ones exactly.
pub const LAST_FRAME: u64 = (1 << 53) - 1;

/// A number in digits, and nothing else: no sign, no white space, not nothing.
#[must_use]
pub fn digits(text: &str, highest: u64) -> Option<u64> {
    // What reads numbers takes a plus.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number.filter(|number| *number <= highest)
}

/// A number within its bounds.
///
/// # Errors
/// [`Invalid`] names the bounds.
pub fn bounded(field: &'static str, value: i64, lowest: i64, highest: i64) -> Result<i64, Invalid> {
    if (lowest..=highest).contains(&value) {
        return Ok(value);
    }
    Err(Invalid {
        field,
        message: format!("{field} must be between {lowest} and {highest}"),
    })
}

/// Text that the database can look for; empty text is none.
///
/// # Errors
/// [`Invalid`] when it is too long or has a NUL, which text in PostgreSQL cannot have.
pub fn plain_text(field: &'static str, text: Option<String>) -> Result<Option<String>, Invalid> {
    match text {
        Some(text) if text.contains('\0') || text.len() > MAX_TEXT => Err(Invalid {
            field,
            message: format!("{field} must have at most {MAX_TEXT} bytes and no NUL character"),
        }),
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

/// A time.
///
/// # Errors
/// [`Invalid`] when it is not written as RFC 3339 says, or is not one that the database knows.
pub fn moment(field: &'static str, text: Option<String>) -> Result<Option<DateTime<Utc>>, Invalid> {
    let Some(text) = text else {
        return Ok(None);
    };
    let time = DateTime::parse_from_rfc3339(&text)
        .ok()
        .map(|time| time.to_utc());
    match time {
        Some(time) if (1..=9999).contains(&time.year()) => Ok(Some(time)),
        _ => Err(Invalid {
            field,
            message: format!("{field} must be a time such as 2026-01-31T12:00:00Z"),
        }),
    }
}

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The address of the client.
    pub address: IpAddr,
    /// The id of the request.
    pub request_id: String,
}

impl Origin {
    /// For the audit log, when all that is known of somebody is a name.
    #[must_use]
    pub fn actor(&self, name: &str) -> Actor {
        Actor {
            name: name.to_owned(),
            user_id: None,
            ip: Some(self.address.to_string()),
            request_id: Some(self.request_id.clone()),
            credential: None,
        }
    }
}

impl FromRequestParts<Arc<App>> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &Arc<App>,
    ) -> Result<Self, std::convert::Infallible> {
        let address = parts
            .extensions
            .get::<ClientAddress>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.0);
        let request_id = parts
            .extensions
            .get::<RequestId>()
            .map(|id| id.0.to_string())
            .unwrap_or_default();
        Ok(Self {
            address,
            request_id,
        })
    }
}
