//! Who is asking.

use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath};
use http::header;
use http::request::Parts;
use uuid::Uuid;

use super::access::{Need, need};
use super::envelope::ApiError;
use super::extract::Origin;
use super::limit;
use crate::app::App;
use crate::auth::revocation::Pass;
use crate::auth::scope::TokenScope;
use crate::auth::secret;
use crate::database::access::{Credential, Holder};
use crate::database::api_tokens;
use crate::database::audit::{self, Actor};
use crate::database::tasks::Scope;
use crate::database::users::{self, Role};

/// Somebody who is logged in, or a program with an API token. The database is asked for every request, so that a user who is disabled, a
/// session that is over and a token that is revoked are out at once.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The user.
    pub user_id: Uuid,
    /// The address.
    pub email: String,
    /// Whether everything may be administrated and everybody's tasks may be seen.
    pub is_admin: bool,
    /// What proved it.
    pub credential: Credential,
    /// What an API token is called; nothing for people who are logged in.
    pub token_name: Option<String>,
    /// What an API token is good for; nothing for people who are logged in.
    pub scopes: Option<Vec<TokenScope>>,
    /// Where the request came from.
    pub origin: Origin,
}

impl Identity {
    /// Whose tasks may be seen.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        if self.is_admin {
            Scope::All
        } else {
            Scope::User(self.user_id)
        }
    }

    /// For the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let credential = match self.credential {
            Credential::Session { family, .. } => audit::Credential::Session(family),
            Credential::ApiToken(id) => audit::Credential::ApiToken {
                id,
                name: self.token_name.clone().unwrap_or_default(),
            },
        };
        Actor {
            name: self.email.clone(),
            user_id: Some(self.user_id),
            credential: Some(credential),
            ..self.origin.actor("")
        }
    }

    /// For something that stays open after the request was answered: it has to end when the user may not have it any more.
    #[must_use]
    pub fn pass(&self, app: &App) -> Pass {
        app.openings.register(Holder {
            user_id: self.user_id,
            is_admin: self.is_admin,
            credential: self.credential,
        })
    }

    /// Lets only administrators pass.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] for everybody else.
    pub fn require_admin(&self) -> Result<(), ApiError> {
        if self.is_admin {
            Ok(())
        } else {
            Err(ApiError::Forbidden)
        }
    }
}

impl FromRequestParts<Arc<App>> for Identity {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Ok(origin) = Origin::from_request_parts(parts, app).await;
        let token =
            bearer(parts)
                .or_else(|| subprotocol(parts))
                .ok_or(ApiError::Unauthenticated(
                    "log in first, and send the access token as Authorization: Bearer",
                ))?;
        let identity = if token.starts_with(secret::API_TOKEN_PREFIX) {
            let route = parts.extensions.get::<MatchedPath>();
            let need = need(&parts.method, route.map_or("", MatchedPath::as_str));
            program(app, token, need, origin).await?
        } else {
            person(app, token, origin).await?
        };
        tracing::Span::current().record("user.id", tracing::field::display(identity.user_id));
        limit::check(app, parts, identity.user_id, identity.is_admin).await?;
        Ok(identity)
    }
}

/// Somebody with an access token.
async fn person(app: &App, token: &str, origin: Origin) -> Result<Identity, ApiError> {
    let refused = ApiError::Unauthenticated(
        "the access token is not good any more; refresh it or log in again",
    );
    let Some(claims) = app.tokens.verify(token) else {
        return Err(refused);
    };
    let user = users::of_session(&app.pool, claims.sub, claims.epoch, claims.sid)
        .await?
        .ok_or(refused)?;
    Ok(Identity {
        user_id: user.id,
        email: user.email,
        is_admin: user.role == Role::Admin,
        credential: Credential::Session {
            family: claims.sid,
            epoch: claims.epoch,
        },
        token_name: None,
        scopes: None,
        origin,
    })
}

/// A program with an API token.
async fn program(app: &App, token: &str, need: Need, origin: Origin) -> Result<Identity, ApiError> {
    let refused = ApiError::Unauthenticated(
        "the API token is not good: it is mistyped, revoked, or has run out",
    );
    if !secret::is_api_token(token) {
        return Err(refused);
    }
    let bearer = api_tokens::find_bearer(&app.pool, &secret::hash(token))
        .await?
        .ok_or(refused)?;
    let scopes: Vec<TokenScope> = bearer
        .scopes
        .iter()
        .filter_map(|scope| TokenScope::parse(scope))
        .collect();
    match need {
        Need::Session => return Err(ApiError::SessionRequired),
        Need::Scope(scope) if !scopes.contains(&scope) => {
            return Err(ApiError::MissingScope(scope.as_str()));
        }
        Need::Scope(_) | Need::Nothing => {}
    }
    if bearer.is_unnoted
        && let Err(error) = api_tokens::note_use(&app.pool, bearer.id).await
    {
        // The request is worth more than the note.
        tracing::debug!(%error, "the use of an API token is not noted");
    }
    Ok(Identity {
        user_id: bearer.user_id,
        email: bearer.email,
        is_admin: bearer.role == Role::Admin && scopes.contains(&TokenScope::Admin),
        credential: Credential::ApiToken(bearer.id),
        token_name: Some(bearer.name),
        scopes: Some(scopes),
        origin,
    })
}

/// Browsers cannot set the header of a WebSocket, but name subprotocols, and one of them may be `bearer.TOKEN`. A URL would be worse: it
/// ends up in logs and histories.
fn subprotocol(parts: &Parts) -> Option<&str> {
    let upgrade = parts.headers.get(header::UPGRADE)?;
    if !upgrade.as_bytes().eq_ignore_ascii_case(b"websocket") {
        return None;
    }
    let offered = parts.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    offered
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|protocol| protocol.trim().strip_prefix(BEARER_PROTOCOL))
}

/// What stands before the token in the name of a subprotocol.
pub const BEARER_PROTOCOL: &str = "bearer.";

fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}
