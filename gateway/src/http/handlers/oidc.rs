//! `/auth/oidc`: sign-in with another provider. [`auth::oidc`](crate::auth::oidc) tells the whole story.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use utoipa::{IntoParams, ToSchema};

use super::auth::Tokens;
use super::users::check_email;
use crate::app::App;
use crate::auth::oidc::{OidcError, Pending, Provider, Vouched};
use crate::auth::{secret, session};
use crate::database::identities::{self, Admission, Person};
use crate::database::login_codes;
use crate::http::envelope::{ApiError, Envelope};
use crate::http::extract::{Body, Origin, Parameters};
use crate::tasks::validate::Invalid;

const NO_PROVIDER: ApiError =
    ApiError::NotFound("no identity provider is configured; sign in with a password");
/// How long somebody may take at the provider, in seconds.
const PATIENCE: u32 = 600;

/// The query that begins a sign-in.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LoginQuery {
    /// A path of the gateway, or an address that its configuration lists; `/` without.
    return_to: Option<String>,
    /// SHA-256 of a secret of yours, in base64url without padding.
    #[param(min_length = 43, max_length = 43, pattern = "^[A-Za-z0-9_-]{43}$")]
    challenge: String,
}

/// What the provider sends the browser back with.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CallbackQuery {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// The body that collects the tokens.
#[derive(Deserialize, ToSchema)]
#[schema(as = CodeExchange)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// From the fragment of the address that the browser returned to.
    #[schema(value_type = String)]
    code: SecretString,
    /// The secret whose SHA-256 the sign-in was begun with.
    #[schema(value_type = String)]
    verifier: SecretString,
}

/// `GET /auth/oidc/login`: sends the browser to the provider.
///
/// # Errors
/// 400 for an address that may not be returned to or a challenge that is none, and 404 where no provider is configured.
#[utoipa::path(
    get,
    path = "/auth/oidc/login",
    tag = "auth",
    summary = "Sign in with the identity provider",
    description = "For browsers: leads to the provider, and in the end to `return_to#code=...` or `return_to#error=...`.",
    params(LoginQuery),
    responses(
        (status = 303, description = "To the provider."),
        (status = 404, description = "No identity provider is configured.", body = Envelope<'_>),
    ),
)]
pub async fn begin_login(
    State(app): State<Arc<App>>,
    Parameters(query): Parameters<LoginQuery>,
) -> Result<Response, ApiError> {
    let provider = provider(&app)?;
    let asked = query.return_to.as_deref().unwrap_or("/");
    let return_to = provider.resolve_return(asked).ok_or_else(|| Invalid {
        field: "return_to",
        message:
            "return_to must be a path of this gateway, or an address that its configuration lists"
                .to_owned(),
    })?;
    if digest(&query.challenge).is_none() {
        return Err(Invalid {
            field: "challenge",
            message:
                "challenge must be the SHA-256 of a secret of yours, in base64url without padding"
                    .to_owned(),
        }
        .into());
    }
    match provider.begin(query.challenge, asked.to_owned()).await {
        Ok((url, pending)) => {
            let cookie = remember(provider, &pending)?;
            Ok(redirect(url.as_str(), cookie))
        }
        Err(error) => {
            tracing::warn!(%error, "a sign-in cannot begin");
            Ok(failed(&return_to, "unavailable", None))
        }
    }
}

/// `GET /auth/oidc/callback`: the browser comes back from the provider, and goes back to the client.
///
/// A sign-in that was not begun in this browser leads to the first page, with `lost`: people see where this ends.
///
/// # Errors
/// 404 where no provider is configured.
#[utoipa::path(
    get,
    path = "/auth/oidc/callback",
    tag = "auth",
    summary = "Come back from the identity provider",
    params(CallbackQuery),
    responses(
        (status = 303, description = "Back to the client."),
        (status = 404, description = "No identity provider is configured.", body = Envelope<'_>),
    ),
)]
pub async fn finish_login(
    State(app): State<Arc<App>>,
    origin: Origin,
    Parameters(query): Parameters<CallbackQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let provider = provider(&app)?;
    let state = query.state.unwrap_or_default();
    let name = cookie_name(provider, &state);
    let pending = recall(&headers, &name)
        .filter(|pending| same(pending.state.secret(), &state))
        // The browser is not believed that it asked for an address that may be returned to.
        .and_then(|pending| Some((provider.resolve_return(&pending.return_to)?, pending)));
    let Some((return_to, pending)) = pending else {
        // Whatever stands in the request is somebody else's, so the way back is not taken from it.
        let first_page = provider.resolve_return("/").ok_or(NO_PROVIDER)?;
        app.metrics.logins_refused.inc();
        tracing::info!(
            "a sign-in with the identity provider was not begun in this browser, or too long ago"
        );
        return Ok(failed(&first_page, "lost", None));
    };
    let forget = cookie(&name, "", 0, provider.is_https());
    let outcome = if query.iss.is_some_and(|issuer| issuer != provider.issuer()) {
        Err(OidcError::Refused("it names another issuer".to_owned()).into())
    } else {
        match (query.code, query.error) {
            (Some(code), None) => complete(&app, provider, pending, code, &origin).await,
            (_, error) => Err(Failure::Denied(error.unwrap_or_default())),
        }
    };
    match outcome {
        Ok(code) => Ok(redirect(&format!("{return_to}#code={code}"), forget?)),
        Err(failure) => {
            app.metrics.logins_refused.inc();
            tracing::info!(reason = %failure, "a sign-in with the identity provider failed");
            Ok(failed(&return_to, failure.code(), forget.ok()))
        }
    }
}

/// `POST /auth/oidc/exchange`: the client collects its tokens.
///
/// # Errors
/// 401 when the code is not good any more, or was asked for by somebody else.
#[utoipa::path(
    post,
    path = "/auth/oidc/exchange",
    tag = "auth",
    summary = "Collect the tokens of such a sign-in",
    description = "The code is good for a minute and for one try.",
    request_body = Exchange,
    responses(
        (status = 200, body = Tokens),
        (status = 401, description = "The code is not good any more, or somebody else's.", body = Envelope<'_>),
        (status = 404, description = "No identity provider is configured.", body = Envelope<'_>),
    ),
)]
pub async fn exchange_code(
    State(app): State<Arc<App>>,
    origin: Origin,
    Body(body): Body<Exchange>,
) -> Result<Json<Tokens>, ApiError> {
    let issuer = provider(&app)?.issuer();
    let (code, verifier) = (body.code.expose_secret(), body.verifier.expose_secret());
    let session = session::redeem(&app, issuer, code, verifier, origin.actor("")).await?;
    Ok(Json(session.into()))
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the provider says {0:?}")]
    Denied(String),
    #[error(transparent)]
    Provider(#[from] OidcError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("the provider has not verified the email address")]
    Unverified,
    #[error("nobody of this address is a user")]
    Unknown,
    #[error("the user is disabled")]
    Disabled,
}

impl Failure {
    /// For programs; it stands in the address that the browser returns to.
    const fn code(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Provider(OidcError::Refused(_)) => "refused",
            Self::Provider(OidcError::Away(_)) | Self::Database(_) => "unavailable",
            Self::Provider(OidcError::NotAllowed) | Self::Unknown => "not_allowed",
            Self::Unverified => "email_unverified",
            Self::Disabled => "disabled",
        }
    }
}

/// From the provider's code to ours.
async fn complete(
    app: &App,
    provider: &Provider,
    pending: Pending,
    code: String,
    origin: &Origin,
) -> Result<String, Failure> {
    let challenge = digest(&pending.challenge)
        .ok_or_else(|| OidcError::Refused("the cookie is damaged".to_owned()))?;
    let Vouched {
        subject,
        verified_email,
        role,
    } = provider
        .finish(code, &pending.nonce, pending.verifier)
        .await?;
    let person = Person {
        issuer: provider.issuer(),
        subject: &subject,
        verified_email: verified_email
            .as_deref()
            .filter(|email| check_email(email).is_ok()),
        role,
        may_join: provider.may_join(),
    };
    let user = match identities::admit(&app.pool, &origin.actor(""), &person).await? {
        Admission::Admitted(user) => user,
        Admission::Unverified => return Err(Failure::Unverified),
        Admission::Disabled => return Err(Failure::Disabled),
        Admission::Unknown => return Err(Failure::Unknown),
    };
    let code = secret::login_code();
    login_codes::issue(&app.pool, &secret::hash(&code), user.id, &challenge).await?;
    Ok(code)
}

fn provider(app: &App) -> Result<&Provider, ApiError> {
    app.oidc.as_ref().ok_or(NO_PROVIDER)
}

/// The 32 bytes of a SHA-256 in base64url.
fn digest(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn redirect(to: &str, cookie: HeaderValue) -> Response {
    let Ok(location) = HeaderValue::from_str(to) else {
        return ApiError::Internal("an address is no header".into()).into_response();
    };
    let headers = [(header::LOCATION, location), (header::SET_COOKIE, cookie)];
    (StatusCode::SEE_OTHER, headers).into_response()
}

fn failed(return_to: &str, code: &str, forget: Option<HeaderValue>) -> Response {
    let Ok(location) = HeaderValue::from_str(&format!("{return_to}#error={code}")) else {
        return ApiError::Internal("an address is no header".into()).into_response();
    };
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    if let Some(cookie) = forget {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn remember(provider: &Provider, pending: &Pending) -> Result<HeaderValue, ApiError> {
    let text = serde_json::to_vec(pending).map_err(|error| ApiError::Internal(error.into()))?;
    let name = cookie_name(provider, pending.state.secret());
    cookie(
        &name,
        &URL_SAFE_NO_PAD.encode(text),
        PATIENCE,
        provider.is_https(),
    )
}

fn recall(headers: &HeaderMap, name: &str) -> Option<Pending> {
    let value = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(value).ok()?).ok()
}

/// One for each sign-in, so that two tabs do not get into each other's way. The prefix makes browsers refuse one that was set for a whole
/// domain, or without encryption.
fn cookie_name(provider: &Provider, state: &str) -> String {
    let prefix = if provider.is_https() { "__Host-" } else { "" };
    format!(
        "{prefix}codex-oidc-{}",
        hex::encode(&secret::hash(state)[..8])
    )
}

/// `Lax`, because the browser comes back from another site; not readable for scripts.
fn cookie(name: &str, value: &str, seconds: u32, secure: bool) -> Result<HeaderValue, ApiError> {
    let mut text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax");
    if secure {
        let _ = write!(text, "; Secure");
    }
    HeaderValue::from_str(&text).map_err(|error| ApiError::Internal(error.into()))
}
