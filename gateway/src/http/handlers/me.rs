//! `/api/me`: who one is, and one's own password.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Tokens;
use crate::app::App;
use crate::auth::scope::TokenScope;
use crate::auth::session::{self, PasswordChange};
use crate::database::users::{self, Role};
use crate::http::envelope::{ApiError, Envelope};
use crate::http::extract::{Body, NO_USER};
use crate::http::identity::Identity;
use crate::streams::encode::rfc3339;

/// Who somebody is.
#[derive(Serialize, ToSchema)]
pub struct Me {
    #[schema(format = Uuid)]
    id: String,
    email: String,
    role: Role,
    /// Whether there is a password that could be changed.
    has_password: bool,
    /// What the API token is good for; not there for people who are logged in, who may do all that their role allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<TokenScope>>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(required, format = DateTime)]
    last_login_at: Option<String>,
}

/// The body of a change of password.
#[derive(Deserialize, ToSchema)]
#[schema(as = PasswordChange)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 1024)]
    new_password: SecretString,
}

/// `GET /api/me`
///
/// # Errors
/// 401.
#[utoipa::path(
    get,
    path = "/api/me",
    tag = "auth",
    security(("bearer" = [])),
    summary = "Who you are",
    responses(
        (status = 200, body = Me),
    ),
)]
pub async fn get_me(State(app): State<Arc<App>>, identity: Identity) -> Result<Json<Me>, ApiError> {
    let user = users::find(&app.pool, identity.user_id)
        .await?
        .ok_or(NO_USER)?;
    Ok(Json(Me {
        id: user.id.to_string(),
        has_password: user.password_hash.is_some(),
        email: user.email,
        role: user.role,
        scopes: identity.scopes,
        created_at: rfc3339(user.created_at),
        last_login_at: user.last_login_at.map(rfc3339),
    }))
}

/// `POST /api/me/password`: ends all sessions of the user, and answers with a new one.
///
/// # Errors
/// 400 when the present password is wrong or the new one cannot be used, 409 without a password, 429 after too many attempts.
#[utoipa::path(
    post,
    path = "/api/me/password",
    tag = "auth",
    security(("bearer" = [])),
    summary = "Change your password",
    description = "Ends all your sessions, and answers with a new one. Not for API tokens.",
    request_body = NewPassword,
    responses(
        (status = 200, body = Tokens),
        (status = 409, description = "You sign in without a password.", body = Envelope<'_>),
    ),
)]
pub async fn change_password(
    State(app): State<Arc<App>>,
    identity: Identity,
    Body(body): Body<NewPassword>,
) -> Result<Json<Tokens>, ApiError> {
    let change = PasswordChange {
        user_id: identity.user_id,
        current: body.current_password,
        new: body.new_password,
        address: identity.origin.address,
        actor: identity.actor(),
    };
    match session::change_password(&app, change).await {
        Ok(session) => Ok(Json(session.into())),
        // Not 401: the client would take its access token for bad, refresh it, and try again.
        Err(session::SessionError::Refused) => Err(crate::tasks::validate::Invalid {
            field: "current_password",
            message: "the current password is wrong".to_owned(),
        }
        .into()),
        Err(error) => Err(error.into()),
    }
}
