//! `/api/tokens`: tokens for programs.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::Utc;
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::auth::scope::TokenScope;
use crate::auth::secret;
use crate::database::api_tokens::{self, ApiToken, Created, MAX_PER_USER, NewApiToken};
use crate::http::envelope::{ApiError, Envelope};
use crate::http::extract::{Body, NO_TOKEN, Parameters, TokenId};
use crate::http::identity::Identity;
use crate::streams::encode::rfc3339;
use crate::tasks::validate::Invalid;

/// The longest name, in characters.
const MAX_NAME: usize = 100;
/// How long a token is good unless its maker says otherwise, in days.
const DEFAULT_DAYS: u64 = 90;
/// The longest that a token is good, in days.
const MAX_DAYS: u64 = 366;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The body of a new token.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewApiToken)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// What you call it; each of your tokens has a name of its own.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it is good for.
    #[schema(min_items = 1)]
    scopes: Vec<TokenScope>,
    /// 90 without.
    #[schema(minimum = 1, maximum = 366)]
    #[serde(default, deserialize_with = "crate::tasks::validate::whole")]
    expires_in_days: Option<u64>,
}

/// A token, without what is secret of it.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiToken)]
pub struct Token {
    #[schema(format = Uuid)]
    id: String,
    name: String,
    scopes: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    expired: bool,
    /// To the minute.
    #[schema(required, format = DateTime)]
    last_used_at: Option<String>,
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiTokenWithSecret)]
pub struct NewToken {
    #[serde(flatten)]
    token: Token,
    /// The secret. It is told this once.
    secret: String,
}

/// All tokens of a user.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiTokenList)]
pub struct List {
    tokens: Vec<Token>,
}

/// The query of a list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Whose tokens, for administrators.
    user_id: Option<Uuid>,
}

impl From<ApiToken> for Token {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            scopes: token.scopes,
            created_at: rfc3339(token.created_at),
            expires_at: rfc3339(token.expires_at),
            expired: token.expires_at <= Utc::now(),
            last_used_at: token.last_used_at.map(rfc3339),
        }
    }
}

/// `GET /api/tokens`: one's own; with `user_id` those of somebody else, for administrators.
///
/// # Errors
/// 403.
#[utoipa::path(
    get,
    path = "/api/tokens",
    tag = "tokens",
    security(("bearer" = [])),
    summary = "List API tokens",
    description = "Your own, newest first, expired ones too; never the secrets. Not for API tokens themselves.",
    params(ListQuery),
    responses(
        (status = 200, body = List),
    ),
)]
pub async fn list_tokens(
    State(app): State<Arc<App>>,
    identity: Identity,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<List>, ApiError> {
    let user_id = query.user_id.unwrap_or(identity.user_id);
    if user_id != identity.user_id {
        identity.require_admin()?;
    }
    let tokens = api_tokens::list(&app.pool, user_id).await?;
    Ok(Json(List {
        tokens: tokens.into_iter().map(Token::from).collect(),
    }))
}

/// `POST /api/tokens`
///
/// # Errors
/// 400, 403 for a scope that its maker does not have, and 409 when there is one of that name, or too many.
#[utoipa::path(
    post,
    path = "/api/tokens",
    tag = "tokens",
    security(("bearer" = [])),
    summary = "Make an API token",
    description = "The answer is the only one that has the secret. Not for API tokens themselves.",
    request_body = Create,
    responses(
        (status = 201, body = NewToken),
        (status = 409, description = "You have a token of this name, or as many as a user may.", body = Envelope<'_>),
    ),
)]
pub async fn create_token(
    State(app): State<Arc<App>>,
    identity: Identity,
    Body(body): Body<Create>,
) -> Result<(StatusCode, Json<NewToken>), ApiError> {
    let name = body.name.trim();
    check_name(name)?;
    if body.scopes.contains(&TokenScope::Admin) {
        identity.require_admin()?;
    }
    // Each once, in one order, however they were written.
    let scopes: Vec<&str> = TokenScope::ALL
        .into_iter()
        .filter(|scope| body.scopes.contains(scope))
        .map(TokenScope::as_str)
        .collect();
    if scopes.is_empty() {
        return Err(Invalid {
            field: "scopes",
            message: "a token needs at least one of the scopes tasks:read, tasks:write, admin"
                .to_owned(),
        }
        .into());
    }
    let days = body.expires_in_days.unwrap_or(DEFAULT_DAYS);
    let lifetime = u32::try_from(days)
        .ok()
        .filter(|_| (1..=MAX_DAYS).contains(&days))
        .map(|days| DAY * days)
        .ok_or_else(|| Invalid {
            field: "expires_in_days",
            message: format!("expires_in_days must be between 1 and {MAX_DAYS}"),
        })?;
    let secret = secret::api_token();
    let new = NewApiToken {
        user_id: identity.user_id,
        name,
        hash: secret::hash(secret.expose_secret()),
        scopes,
        expires_at: Utc::now() + lifetime,
    };
    match api_tokens::create(&app.pool, &identity.actor(), &new).await {
        Ok(Created::Done(token)) => {
            let body = NewToken {
                token: token.into(),
                secret: secret.expose_secret().to_owned(),
            };
            Ok((StatusCode::CREATED, Json(body)))
        }
        Ok(Created::TooMany) => Err(ApiError::Conflict {
            code: "too_many_tokens",
            message: format!(
                "you have {MAX_PER_USER} API tokens, as many as a user may; delete some"
            ),
        }),
        Err(error) if is_taken(&error) => Err(ApiError::Conflict {
            code: "name_taken",
            message: "you have an API token of this name already".to_owned(),
        }),
        Err(error) => Err(error.into()),
    }
}

/// `DELETE /api/tokens/{id}`: one's own; administrators may revoke everybody's.
///
/// # Errors
/// 404.
#[utoipa::path(
    delete,
    path = "/api/tokens/{id}",
    tag = "tokens",
    security(("bearer" = [])),
    summary = "Revoke an API token",
    description = "Streams that were opened with it end. Administrators may revoke everybody's. Not for API tokens themselves.",
    params(TokenId),
    responses(
        (status = 204, description = "The token is revoked."),
    ),
)]
pub async fn delete_token(
    State(app): State<Arc<App>>,
    identity: Identity,
    TokenId(id): TokenId,
) -> Result<StatusCode, ApiError> {
    let owner = (!identity.is_admin).then_some(identity.user_id);
    if api_tokens::delete(&app.pool, &identity.actor(), owner, id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(NO_TOKEN)
    }
}

fn check_name(name: &str) -> Result<(), Invalid> {
    if (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Invalid {
        field: "name",
        message: format!("name must have 1 to {MAX_NAME} characters, on one line"),
    })
}

fn is_taken(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.constraint() == Some("api_tokens_name_key"))
}
