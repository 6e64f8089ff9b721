//! `/auth`: logins.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::session::{self, Credentials, Session};
use crate::database::audit::Actor;
use crate::http::envelope::{ApiError, Envelope};
use crate::http::extract::{Body, Origin};

/// The body of a login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    email: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// The body of a refresh and of a logout.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshToken {
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// The tokens of a session.
#[derive(Serialize, ToSchema)]
pub struct Tokens {
    /// A JSON Web Token.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// For how many seconds the access token is good.
    expires_in: u64,
    /// Good for one use.
    refresh_token: String,
}

impl From<Session> for Tokens {
    fn from(session: Session) -> Self {
        Self {
            access_token: session.access_token,
            token_type: "Bearer",
            expires_in: session.expires_in.as_secs(),
            refresh_token: session.refresh_token,
        }
    }
}

/// `POST /auth/login`
///
/// # Errors
/// 401 and 429.
#[utoipa::path(
    post,
    path = "/auth/login",
    tag = "auth",
    summary = "Sign in with a password",
    request_body = Login,
    responses(
        (status = 200, body = Tokens),
        (status = 401, description = "Address or password is wrong.", body = Envelope<'_>),
    ),
)]
pub async fn login(
    State(app): State<Arc<App>>,
    origin: Origin,
    Body(body): Body<Login>,
) -> Result<Json<Tokens>, ApiError> {
    let credentials = Credentials {
        email: body.email.trim().to_owned(),
        password: body.password,
        address: origin.address,
        request_id: origin.request_id,
    };
    Ok(Json(session::login(&app, credentials).await?.into()))
}

/// `POST /auth/refresh`
///
/// # Errors
/// 401 when the token is not good any more.
#[utoipa::path(
    post,
    path = "/auth/refresh",
    tag = "auth",
    summary = "Get new tokens",
    description = "Each refresh token is good once; a second use ends everything that came from the same sign-in.",
    request_body = RefreshToken,
    responses(
        (status = 200, body = Tokens),
        (status = 401, description = "The token is unknown, used, revoked or too old.", body = Envelope<'_>),
    ),
)]
pub async fn refresh(
    State(app): State<Arc<App>>,
    Body(body): Body<RefreshToken>,
) -> Result<Json<Tokens>, ApiError> {
    use secrecy::ExposeSecret as _;
    let session = session::refresh(&app, body.refresh_token.expose_secret()).await?;
    Ok(Json(session.into()))
}

/// `POST /auth/logout`. Access tokens run out by themselves.
///
/// # Errors
/// None but those of the database.
#[utoipa::path(
    post,
    path = "/auth/logout",
    tag = "auth",
    summary = "Sign out",
    description = "Ends what came from the same sign-in. Access tokens run out by themselves.",
    request_body = RefreshToken,
    responses((status = 204, description = "Also for a token that is unknown.")),
)]
pub async fn logout(
    State(app): State<Arc<App>>,
    origin: Origin,
    Body(body): Body<RefreshToken>,
) -> Result<StatusCode, ApiError> {
    use secrecy::ExposeSecret as _;
    let actor = Actor {
        name: "user".to_owned(),
        user_id: None,
        ip: Some(origin.address.to_string()),
        request_id: Some(origin.request_id),
    };
    session::logout(&app, body.refresh_token.expose_secret(), actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
