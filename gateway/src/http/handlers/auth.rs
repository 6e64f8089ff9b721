//! `/auth`: logins, and what keys their tokens are signed with.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::keys::PublicKey;
use crate::auth::session::{self, Credentials, Session};
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
            refresh_token: session.refresh_token.expose().to_owned(),
        }
    }
}

/// The ways to sign in, for the page that offers them.
#[derive(Serialize, ToSchema)]
#[schema(as = SignInMethods)]
pub struct Methods {
    /// Whether `POST /auth/login` may be tried.
    password: bool,
    /// Where `GET /auth/oidc/login` leads, if it leads anywhere.
    #[schema(required)]
    oidc: Option<Provider>,
}

/// Another provider.
#[derive(Serialize, ToSchema)]
#[schema(as = IdentityProvider)]
pub struct Provider {
    /// What the button says.
    name: String,
}

/// What is left to do after a sign-out.
#[derive(Serialize, ToSchema)]
pub struct SignedOut {
    /// Where the browser ends its session with the identity provider too. It comes back from there to the first page.
    #[schema(format = "uri")]
    end_session_url: String,
}

/// The keys of access tokens: a JSON Web Key Set.
#[derive(Serialize, ToSchema)]
#[schema(as = JsonWebKeySet)]
pub struct KeySet {
    keys: Vec<PublicKey>,
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
        actor: origin.actor(""),
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
    description = "Each refresh token is good once. Within half a minute the same token gets the same successor, until that is used; any other \
        second use ends everything that came from the same sign-in.",
    request_body = RefreshToken,
    responses(
        (status = 200, body = Tokens),
        (status = 401, description = "The token is unknown, used, revoked or too old.", body = Envelope<'_>),
    ),
)]
pub async fn refresh(
    State(app): State<Arc<App>>,
    origin: Origin,
    Body(body): Body<RefreshToken>,
) -> Result<Json<Tokens>, ApiError> {
    let token = body.refresh_token.into();
    let session = session::refresh(&app, &token, &origin.actor("")).await?;
    Ok(Json(session.into()))
}

/// `POST /auth/logout`: ends the session, and with it the access tokens that came from it.
///
/// # Errors
/// None but those of the database.
#[utoipa::path(
    post,
    path = "/auth/logout",
    tag = "auth",
    summary = "Sign out",
    description = "Ends what came from the same sign-in, access tokens and streams too. When that was at an identity provider at which one can sign out, \
        the answer says where.",
    request_body = RefreshToken,
    responses(
        (status = 200, description = "The session is over here; lead the browser to the address to end it there too.", body = SignedOut),
        (status = 204, description = "The session is over. Also for a token that is unknown."),
    ),
)]
pub async fn logout(
    State(app): State<Arc<App>>,
    origin: Origin,
    Body(body): Body<RefreshToken>,
) -> Result<Response, ApiError> {
    let login = session::logout(&app, &body.refresh_token.into(), origin.actor("")).await?;
    let issuer = login.and_then(|login| login.issuer);
    // A provider that was configured at that time, and is not any more, is nobody to ask.
    let provider = app
        .oidc
        .as_ref()
        .filter(|provider| issuer.as_deref() == Some(provider.issuer()));
    let Some(provider) = provider else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    Ok(match provider.end_session_url().await {
        Some(url) => Json(SignedOut {
            end_session_url: url.into(),
        })
        .into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// `GET /auth/methods`
#[utoipa::path(
    get,
    path = "/auth/methods",
    tag = "auth",
    summary = "List the ways to sign in",
    responses(
        (status = 200, body = Methods),
    ),
)]
pub async fn list_methods(State(app): State<Arc<App>>) -> Json<Methods> {
    let oidc = app.oidc.as_ref().map(|provider| Provider {
        name: provider.name().to_owned(),
    });
    Json(Methods {
        password: true,
        oidc,
    })
}

/// `GET /.well-known/jwks.json`, for whoever wants to verify access tokens without asking the gateway.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "auth",
    summary = "Get the keys of access tokens",
    description = "For whoever wants to verify access tokens without asking the gateway.",
    responses(
        (status = 200, body = KeySet),
    ),
)]
pub async fn get_jwks(State(app): State<Arc<App>>) -> Response {
    let keys = KeySet {
        keys: app.tokens.public(),
    };
    // Shorter than the time that a new key waits before it signs.
    let headers = [(header::CACHE_CONTROL, "public, max-age=60")];
    (headers, Json(keys)).into_response()
}
