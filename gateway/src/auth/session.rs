//! Logins, and what follows from them.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::password::MAX_PASSWORD_BYTES;
use crate::app::App;
use crate::database::audit::{self, Action, Actor};
use crate::database::refresh_tokens::{self, Exchange};
use crate::database::users::{self, User};

/// How long a refresh token is good, if it is not used.
const REFRESH_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Marks a refresh token, so that scanners for leaked secrets find it.
const REFRESH_PREFIX: &str = "crr_";

/// What a client gets for a login.
pub struct Session {
    /// A JSON Web Token.
    pub access_token: String,
    /// How long it is good.
    pub expires_in: Duration,
    /// Opaque, good for one use.
    pub refresh_token: String,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Address or password is wrong; which of them is nobody's business.
    #[error("email or password is wrong")]
    Refused,
    /// There were too many attempts.
    #[error("too many attempts")]
    Throttled(Duration),
    /// The token is unknown, used, revoked or too old.
    #[error("the refresh token is not good any more; log in again")]
    RefreshRefused,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The token could not be signed.
    #[error("the access token cannot be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// What somebody says to log in.
pub struct Credentials {
    /// The address.
    pub email: String,
    /// The password.
    pub password: SecretString,
    /// Where the request came from.
    pub address: IpAddr,
    /// The id of the request.
    pub request_id: String,
}

/// Logs somebody in.
///
/// # Errors
/// [`SessionError::Refused`] and [`SessionError::Throttled`]; both are counted, the first is put on record.
pub async fn login(app: &App, credentials: Credentials) -> Result<Session, SessionError> {
    let Credentials {
        email,
        password,
        address,
        request_id,
    } = credentials;
    app.throttle
        .begin(&email, address, Instant::now())
        .map_err(|wait| {
            app.metrics.logins_refused.increment();
            SessionError::Throttled(wait)
        })?;
    // Text in PostgreSQL has no NUL; what has one is nobody's address.
    let email = email.replace('\0', "\u{fffd}");
    let user = users::find_by_email(&app.pool, &email).await?;
    let fits = password.expose_secret().len() <= MAX_PASSWORD_BYTES;
    let stored = user
        .as_ref()
        .filter(|_| fits)
        .map(|user| user.password_hash.clone());
    let password = if fits {
        password
    } else {
        SecretString::default()
    };
    let verified = app.passwords.verify(password, stored).await;
    let mut actor = Actor {
        name: email.chars().take(254).collect(),
        user_id: user.as_ref().map(|user| user.id),
        ip: Some(address.to_string()),
        request_id: Some(request_id),
    };
    let Some(user) = user.filter(|user| verified && !user.disabled) else {
        app.metrics.logins_refused.increment();
        let mut connection = app.pool.acquire().await?;
        audit::record(&mut connection, &actor, Action::LoginRefused, None).await?;
        return Err(SessionError::Refused);
    };
    app.throttle.succeeded(&email, address);
    let refresh_token = new_refresh_token();
    let mut transaction = app.pool.begin().await?;
    refresh_tokens::issue(
        &mut transaction,
        user.id,
        &hash(&refresh_token),
        REFRESH_LIFETIME,
    )
    .await?;
    actor.name.clone_from(&user.email);
    audit::record(&mut transaction, &actor, Action::Login, None).await?;
    transaction.commit().await?;
    session(app, &user, refresh_token)
}

/// Exchanges a refresh token for a new session.
///
/// # Errors
/// [`SessionError::RefreshRefused`] when the token is not good.
pub async fn refresh(app: &App, token: &str) -> Result<Session, SessionError> {
    let next = new_refresh_token();
    let exchanged =
        refresh_tokens::exchange(&app.pool, &hash(token), &hash(&next), REFRESH_LIFETIME).await?;
    let Exchange::Rotated { user_id } = exchanged else {
        return Err(SessionError::RefreshRefused);
    };
    let user = users::find(&app.pool, user_id)
        .await?
        .filter(|user| !user.disabled)
        .ok_or(SessionError::RefreshRefused)?;
    session(app, &user, next)
}

/// Revokes a refresh token and everything that descends from the same login. Unknown tokens are none to revoke.
///
/// # Errors
/// Those of the database.
pub async fn logout(app: &App, token: &str, mut actor: Actor) -> Result<(), SessionError> {
    let mut transaction = app.pool.begin().await?;
    if let Some(user_id) = refresh_tokens::revoke(&mut transaction, &hash(token)).await? {
        actor.user_id = Some(user_id);
        audit::record(&mut transaction, &actor, Action::Logout, None).await?;
    }
    transaction.commit().await?;
    Ok(())
}

fn session(app: &App, user: &User, refresh_token: String) -> Result<Session, SessionError> {
    Ok(Session {
        access_token: app.tokens.sign(user.id, &user.role)?,
        expires_in: app.tokens.lifetime(),
        refresh_token,
    })
}

fn new_refresh_token() -> String {
    format!(
        "{REFRESH_PREFIX}{}",
        hex::encode(rand::random::<[u8; 32]>())
    )
}

/// 256 random bits need no slow hash.
fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
