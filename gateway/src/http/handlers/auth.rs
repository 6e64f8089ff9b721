//! `/auth`: logins.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::session::{self, Credentials, Session};
use crate::database::audit::Actor;
use crate::http::envelope::ApiError;
use crate::http::extract::{Body, Origin};

/// The body of a login.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    email: String,
    password: SecretString,
}

/// The body of a refresh and of a logout.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshToken {
    refresh_token: SecretString,
}

/// The tokens of a session.
#[derive(Serialize)]
pub struct Tokens {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
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
