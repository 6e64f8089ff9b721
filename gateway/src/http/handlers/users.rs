//! `/api/users`: administrators add people. Listing and changing them comes with the audit queries.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::password;
use crate::database::users::{self, NewUser};
use crate::http::envelope::{ApiError, Envelope};
use crate::http::extract::Body;
use crate::http::identity::Identity;
use crate::tasks::validate::Invalid;

/// The body of a new user.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewUser)]
#[serde(deny_unknown_fields)]
pub struct Create {
    #[schema(format = Email, min_length = 3, max_length = 254)]
    email: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    #[serde(default)]
    role: Role,
}

/// What a user may do.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Run tasks, and see their own.
    #[default]
    User,
}

/// A user.
#[derive(Serialize, ToSchema)]
pub struct User {
    #[schema(format = Uuid)]
    id: String,
    email: String,
    role: Role,
}

/// `POST /api/users`
///
/// # Errors
/// 400, 403, and 409 when the address is taken.
#[utoipa::path(
    post,
    path = "/api/users",
    tag = "users",
    security(("bearer" = [])),
    summary = "Add a user",
    description = "For administrators.",
    request_body = Create,
    responses(
        (status = 201, body = User),
        (status = 403, description = "You are no administrator.", body = Envelope<'_>),
        (status = 409, description = "There is a user with this address already.", body = Envelope<'_>),
    ),
)]
pub async fn create_user(
    State(app): State<Arc<App>>,
    identity: Identity,
    Body(body): Body<Create>,
) -> Result<(StatusCode, Json<User>), ApiError> {
    identity.require_admin()?;
    let email = body.email.trim();
    check_email(email)?;
    let hash = password::hash(body.password)
        .await
        .map_err(|error| Invalid {
            field: "password",
            message: format!("the password cannot be used: {error}"),
        })?;
    let new = NewUser {
        email,
        password_hash: &hash,
        role: match body.role {
            Role::Admin => "admin",
            Role::User => "user",
        },
    };
    let id = match users::create(&app.pool, &identity.actor(), &new).await {
        Ok(id) => id,
        Err(error) if is_taken(&error) => {
            return Err(ApiError::Conflict {
                code: "email_taken",
                message: "there is a user with this email already".to_owned(),
            });
        }
        Err(error) => return Err(error.into()),
    };
    let user = User {
        id: id.to_string(),
        email: email.to_owned(),
        role: body.role,
    };
    Ok((StatusCode::CREATED, Json(user)))
}

fn is_taken(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.constraint() == Some("users_email_key"))
}

/// Only a message to the address shows whether it works; this keeps out what cannot be one.
pub(crate) fn check_email(email: &str) -> Result<(), Invalid> {
    let plausible = email.len() <= 254
        && email.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !host.is_empty() && !host.contains('@')
        })
        && !email
            .chars()
            .any(|character| character.is_whitespace() || character.is_control());
    if plausible {
        return Ok(());
    }
    Err(Invalid {
        field: "email",
        message: "email must look like name@host, with at most 254 bytes".to_owned(),
    })
}
