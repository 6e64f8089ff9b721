//! Logins, and what follows from them.

use std::net::IpAddr;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::PgConnection;
use uuid::Uuid;

use super::crowd::{Full, Place};
use super::password::{MAX_PASSWORD_BYTES, PasswordError};
use super::secret::RefreshToken;
use super::throttle::Attempt;
use super::token::Subject;
use crate::app::App;
use crate::database::audit::{self, Action, Actor, Credential, Target};
use crate::database::refresh_tokens::{self, Exchange, Login};
use crate::database::users::{self, User};
use crate::database::{administration, login_codes};

/// How long a refresh token is good, if it is not used.
const REFRESH_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What a client gets for a login.
pub struct Session {
    /// A JSON Web Token.
    pub access_token: String,
    /// How long it is good.
    pub expires_in: Duration,
    /// Opaque, good for one use.
    pub refresh_token: RefreshToken,
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
    /// Too many logins are under way.
    #[error("too many logins at once")]
    Crowded(Full),
    /// The token is unknown, used, revoked or too old.
    #[error("the refresh token is not good any more; log in again")]
    RefreshRefused,
    /// The code is unknown, used or too old, or somebody else began the sign-in.
    #[error("the sign-in took too long or was begun elsewhere; sign in again")]
    CodeRefused,
    /// The user has no password that could be changed.
    #[error("you sign in without a password; an administrator can set one")]
    NoPassword,
    /// The new password cannot be used.
    #[error(transparent)]
    Password(#[from] PasswordError),
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
    /// Whose request it is, as far as it is known before.
    pub actor: Actor,
}

/// Logs somebody in.
///
/// # Errors
/// [`SessionError::Crowded`], [`SessionError::Throttled`] and [`SessionError::Refused`]; the last is put on record.
pub async fn login(app: &App, credentials: Credentials) -> Result<Session, SessionError> {
    // Text in PostgreSQL has no NUL; what has one is nobody's address.
    let email = credentials.email.replace('\0', "\u{fffd}");
    let _place = enter(app, credentials.address)?;
    let attempt = Attempt::new(&email, credentials.address);
    begin(app, &attempt).await?;
    let user = users::find_by_email(&app.pool, &email).await?;
    let stored = user.as_ref().and_then(|user| user.password_hash.clone());
    let verified = verify(app, credentials.password, stored).await;
    let mut actor = Actor {
        name: email.chars().take(254).collect(),
        user_id: user.as_ref().map(|user| user.id),
        ..credentials.actor
    };
    if let Some(user) = user.filter(|user| verified && !user.disabled) {
        actor.name.clone_from(&user.email);
        let mut transaction = app.pool.begin().await?;
        if let Some(session) = open(app, &mut transaction, &user, &actor, Proof::Password).await? {
            attempt.succeeded(&mut transaction).await?;
            transaction.commit().await?;
            return Ok(session);
        }
    }
    app.metrics.logins_refused.inc();
    let mut connection = app.pool.acquire().await?;
    audit::record(&mut connection, &actor, Action::LoginRefused, None).await?;
    Err(SessionError::Refused)
}

/// Collects the tokens of a sign-in with another provider, `issuer`.
///
/// # Errors
/// [`SessionError::CodeRefused`] when the code is not good, or `verifier` is not the secret that the sign-in was begun with.
pub async fn redeem(
    app: &App,
    issuer: &str,
    code: &str,
    verifier: &str,
    actor: Actor,
) -> Result<Session, SessionError> {
    let (code, challenge) = (super::secret::hash(code), super::secret::hash(verifier));
    let mut transaction = app.pool.begin().await?;
    let redeemed = login_codes::redeem(&mut transaction, &code, &challenge).await?;
    let user = match redeemed {
        Some(id) => users::find(&mut *transaction, id).await?,
        None => None,
    };
    let session = match user {
        Some(user) => {
            let actor = Actor {
                name: user.email.clone(),
                user_id: Some(user.id),
                ..actor
            };
            open(
                app,
                &mut transaction,
                &user,
                &actor,
                Proof::Provider(issuer),
            )
            .await?
        }
        None => None,
    };
    // Also when it is refused: a code that was tried is used up.
    transaction.commit().await?;
    session.ok_or_else(|| {
        app.metrics.logins_refused.inc();
        SessionError::CodeRefused
    })
}

/// Exchanges a refresh token for a new session.
///
/// # Errors
/// [`SessionError::RefreshRefused`] when the token is not good.
pub async fn refresh(
    app: &App,
    token: &RefreshToken,
    actor: &Actor,
) -> Result<Session, SessionError> {
    match refresh_tokens::exchange(&app.pool, actor, token, REFRESH_LIFETIME).await? {
        Exchange::Rotated { user, family, next } => session(app, &user, family, next),
        Exchange::Refused => Err(SessionError::RefreshRefused),
        Exchange::Reused => {
            tracing::warn!("a refresh token was used twice; its session is ended");
            Err(SessionError::RefreshRefused)
        }
    }
}

/// Revokes a refresh token and everything that descends from the same login, and answers with that login. Unknown tokens are none to revoke.
///
/// # Errors
/// Those of the database.
pub async fn logout(
    app: &App,
    token: &RefreshToken,
    actor: Actor,
) -> Result<Option<Login>, SessionError> {
    let mut transaction = app.pool.begin().await?;
    let login = refresh_tokens::revoke(&mut transaction, token).await?;
    if let Some(login) = &login {
        let actor = Actor {
            name: login.email.clone(),
            user_id: Some(login.user_id),
            credential: Some(Credential::Session(login.family)),
            ..actor
        };
        let target = Target::Session(login.family);
        audit::record_about(&mut transaction, &actor, Action::Logout, target).await?;
    }
    transaction.commit().await?;
    Ok(login)
}

/// What somebody says to get another password.
pub struct PasswordChange {
    /// Who it is.
    pub user_id: Uuid,
    /// The present password: an open browser is not enough.
    pub current: SecretString,
    /// The one to come.
    pub new: SecretString,
    /// Where the request came from.
    pub address: IpAddr,
    /// Whose request it is.
    pub actor: Actor,
}

/// Sets another password, ends all sessions of the user, and begins a new one.
///
/// # Errors
/// [`SessionError::Refused`] when the present password is wrong, [`SessionError::Throttled`] when it was too often, [`SessionError::Crowded`],
/// [`SessionError::NoPassword`], and [`SessionError::Password`] when the new one cannot be used.
pub async fn change_password(app: &App, change: PasswordChange) -> Result<Session, SessionError> {
    let _place = enter(app, change.address)?;
    let user = users::find(&app.pool, change.user_id)
        .await?
        .ok_or(SessionError::Refused)?;
    if user.password_hash.is_none() {
        return Err(SessionError::NoPassword);
    }
    let attempt = Attempt::new(&user.email, change.address);
    begin(app, &attempt).await?;
    if !verify(app, change.current, user.password_hash.clone()).await {
        app.metrics.logins_refused.inc();
        let mut connection = app.pool.acquire().await?;
        audit::record(&mut connection, &change.actor, Action::LoginRefused, None).await?;
        return Err(SessionError::Refused);
    }
    let hash = app.passwords.hash(change.new).await?;
    let mut transaction = app.pool.begin().await?;
    let epoch = user.session_epoch;
    let Some(user) =
        administration::set_own_password(&mut transaction, user.id, epoch, &hash).await?
    else {
        // Somebody disabled the user, or set another password, in this moment.
        return Err(SessionError::Refused);
    };
    let target = Target::User(user.id);
    audit::record_about(
        &mut transaction,
        &change.actor,
        Action::PasswordChanged,
        target,
    )
    .await?;
    attempt.succeeded(&mut transaction).await?;
    let session = open(app, &mut transaction, &user, &change.actor, Proof::Password).await?;
    transaction.commit().await?;
    session.ok_or(SessionError::Refused)
}

/// Before anything is asked of the database.
fn enter(app: &App, address: IpAddr) -> Result<Place, SessionError> {
    app.logins.enter(address).map_err(|full| {
        app.metrics.logins_refused.inc();
        SessionError::Crowded(full)
    })
}

/// Counts an attempt.
async fn begin(app: &App, attempt: &Attempt) -> Result<(), SessionError> {
    match attempt.begin(&app.pool).await? {
        None => Ok(()),
        Some(wait) => {
            app.metrics.logins_refused.inc();
            Err(SessionError::Throttled(wait))
        }
    }
}

/// Takes equally long whether there is a hash or not, and whatever is wrong with the password.
async fn verify(app: &App, password: SecretString, stored: Option<String>) -> bool {
    let fits = password.expose_secret().len() <= MAX_PASSWORD_BYTES;
    let (password, stored) = if fits {
        (password, stored)
    } else {
        (SecretString::default(), None)
    };
    app.metrics.passwords_verified.inc();
    app.passwords.verify(password, stored).await
}

/// How somebody has proved who it is.
#[derive(Clone, Copy)]
enum Proof<'a> {
    Password,
    /// This provider vouched for it.
    Provider(&'a str),
}

impl<'a> Proof<'a> {
    const fn action(self) -> Action {
        match self {
            Self::Password => Action::Login,
            Self::Provider(_) => Action::LoginOidc,
        }
    }

    const fn issuer(self) -> Option<&'a str> {
        match self {
            Self::Password => None,
            Self::Provider(issuer) => Some(issuer),
        }
    }
}

/// Begins a session; nothing when the user is not any more who has proved to be it.
async fn open(
    app: &App,
    connection: &mut PgConnection,
    user: &User,
    actor: &Actor,
    proof: Proof<'_>,
) -> Result<Option<Session>, SessionError> {
    if !users::note_login(connection, user.id, user.session_epoch).await? {
        return Ok(None);
    }
    let token = RefreshToken::generate();
    let origin = refresh_tokens::Origin {
        ip: actor.ip.as_deref(),
        issuer: proof.issuer(),
    };
    let family =
        refresh_tokens::issue(connection, user.id, &token, origin, REFRESH_LIFETIME).await?;
    let actor = Actor {
        credential: Some(Credential::Session(family)),
        ..actor.clone()
    };
    audit::record(connection, &actor, proof.action(), None).await?;
    session(app, user, family, token).map(Some)
}

fn session(
    app: &App,
    user: &User,
    family: Uuid,
    refresh_token: RefreshToken,
) -> Result<Session, SessionError> {
    let subject = Subject {
        user_id: user.id,
        role: user.role,
        session: family,
        epoch: user.session_epoch,
    };
    Ok(Session {
        access_token: app.tokens.sign(&subject)?,
        expires_in: app.tokens.lifetime(),
        refresh_token,
    })
}
