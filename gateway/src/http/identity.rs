//! Who is asking.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use uuid::Uuid;

use super::envelope::ApiError;
use super::extract::Origin;
use super::limit;
use crate::app::App;
use crate::database::audit::Actor;
use crate::database::tasks::Scope;
use crate::database::users;

/// Somebody who is logged in. The database is asked for every request, so that a user who is disabled is out at once.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The user.
    pub user_id: Uuid,
    /// The address.
    pub email: String,
    /// Whether everybody's tasks may be seen.
    pub is_admin: bool,
    ip: String,
    request_id: String,
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
        Actor {
            name: self.email.clone(),
            user_id: Some(self.user_id),
            ip: Some(self.ip.clone()),
            request_id: Some(self.request_id.clone()),
        }
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
        let refused = ApiError::Unauthenticated(
            "the access token is not good any more; refresh it or log in again",
        );
        let Some(claims) = app.tokens.verify(token) else {
            return Err(refused);
        };
        let user = users::find(&app.pool, claims.sub).await?;
        let Some(user) = user.filter(|user| !user.disabled) else {
            return Err(refused);
        };
        let identity = Self {
            user_id: user.id,
            is_admin: user.role == "admin",
            email: user.email,
            ip: origin.address.to_string(),
            request_id: origin.request_id,
        };
        limit::check(app, parts, identity.user_id, identity.is_admin).await?;
        Ok(identity)
    }
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
