//! Refresh tokens: good for one use, and a second use betrays a copy.
//!
//! Two tabs, or a client that never saw the answer, may use the same token twice within moments. That is no theft: as long as the successor
//! has not been used, they get the same successor again. There is still one line of tokens only, so a copy is found out as before, at
//! the next use of either side.

use std::time::Duration;

use chrono::Utc;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::audit::{self, Action, Actor, Credential, Target};
use super::users::{User, query_user};
use crate::auth::secret::{self, RefreshToken};

/// For how long the same token gets the same successor.
const GRACE: chrono::TimeDelta = chrono::TimeDelta::seconds(30);

/// What became of the use of a refresh token.
pub enum Exchange {
    /// The token was good; this is the next one.
    Rotated {
        /// Whose token it is.
        user: Box<User>,
        /// The login that the token descends from.
        family: Uuid,
        /// The token to use next.
        next: RefreshToken,
    },
    /// The token is unknown, too old or revoked, or its user is disabled.
    Refused,
    /// The token had been used before: somebody has a copy, so everything that descends from the same login is revoked.
    Reused,
}

/// A login, found by one of its refresh tokens.
pub struct Login {
    /// The login itself.
    pub family: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// The address of the user.
    pub email: String,
    /// Which other provider vouched for it, if one did.
    pub issuer: Option<String>,
}

/// Where a login comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// The address of the client.
    pub ip: Option<&'a str>,
    /// Which other provider vouched for it, if one did.
    pub issuer: Option<&'a str>,
}

/// Stores the first token of a login; answers with the id of the family.
///
/// # Errors
/// Those of the database.
pub async fn issue(
    connection: &mut PgConnection,
    user_id: Uuid,
    token: &RefreshToken,
    origin: Origin<'_>,
    lifetime: Duration,
) -> Result<Uuid, sqlx::Error> {
    let family = Uuid::now_v7();
    let hash = token.hash();
    insert(connection, family, user_id, &hash, origin, lifetime).await?;
    Ok(family)
}

/// Uses a token up and stores the next one of its family.
///
/// # Errors
/// Those of the database.
pub async fn exchange(
    pool: &PgPool,
    actor: &Actor,
    token: &RefreshToken,
    lifetime: Duration,
) -> Result<Exchange, sqlx::Error> {
    let hash = token.hash();
    let mut transaction = pool.begin().await?;
    // The user is locked before the token, in the same order as by those who end all sessions of a user.
    let user = query_user!(
        "SELECT",
        "FROM users WHERE id = (SELECT user_id FROM refresh_tokens WHERE token_hash = $1) FOR SHARE",
        &hash[..],
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let row = sqlx::query!(
        "SELECT family, expires_at, used_at, revoked_at, successor_salt, ip, issuer FROM refresh_tokens \
         WHERE token_hash = $1 FOR UPDATE",
        &hash[..],
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let (Some(user), Some(row)) = (user.filter(|user| !user.disabled), row) else {
        return Ok(Exchange::Refused);
    };
    if row.revoked_at.is_some() || row.expires_at <= Utc::now() {
        return Ok(Exchange::Refused);
    }
    let actor = Actor {
        name: user.email.clone(),
        user_id: Some(user.id),
        credential: Some(Credential::Session(row.family)),
        ..actor.clone()
    };
    let outcome = match (row.used_at, row.successor_salt) {
        (None, _) => {
            let salt = secret::salt();
            let next = token.successor(&salt);
            sqlx::query!(
                "UPDATE refresh_tokens SET used_at = now(), successor_salt = $2 WHERE token_hash = $1",
                &hash[..],
                &salt[..],
            )
            .execute(&mut *transaction)
            .await?;
            insert(
                &mut transaction,
                row.family,
                user.id,
                &next.hash(),
                Origin {
                    ip: actor.ip.as_deref(),
                    issuer: row.issuer.as_deref(),
                },
                lifetime,
            )
            .await?;
            if row.ip.is_some() && row.ip != actor.ip {
                audit::record(&mut transaction, &actor, Action::SessionMoved, None).await?;
            }
            Some(next)
        }
        (Some(used_at), Some(salt)) if Utc::now() - used_at <= GRACE => {
            let next = token.successor(&salt);
            is_unused(&mut transaction, &next).await?.then_some(next)
        }
        _ => None,
    };
    let outcome = match outcome {
        Some(next) => Exchange::Rotated {
            user: Box::new(user),
            family: row.family,
            next,
        },
        None => {
            revoke_family(&mut transaction, row.family).await?;
            let target = Target::Session(row.family);
            audit::record_about(&mut transaction, &actor, Action::RefreshReused, target).await?;
            Exchange::Reused
        }
    };
    transaction.commit().await?;
    Ok(outcome)
}

/// Revokes everything that descends from the same login as this token; answers with that login.
///
/// # Errors
/// Those of the database.
pub async fn revoke(
    connection: &mut PgConnection,
    token: &RefreshToken,
) -> Result<Option<Login>, sqlx::Error> {
    let found = sqlx::query_as!(
        Login,
        "SELECT family, user_id, email, issuer FROM refresh_tokens JOIN users ON users.id = user_id WHERE token_hash = $1",
        &token.hash()[..],
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(login) = &found {
        revoke_family(connection, login.family).await?;
    }
    Ok(found)
}

/// Revokes all of a user's.
///
/// # Errors
/// Those of the database.
pub async fn revoke_all(connection: &mut PgConnection, user_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE refresh_tokens SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL",
        user_id,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets what has expired. A month more, because revoked rows end access tokens too, which may live as long as that.
///
/// # Errors
/// Those of the database.
pub async fn forget_expired(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM refresh_tokens WHERE expires_at < now() - interval '31 days'")
        .execute(pool)
        .await?;
    Ok(())
}

async fn is_unused(
    connection: &mut PgConnection,
    token: &RefreshToken,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT EXISTS (SELECT 1 FROM refresh_tokens WHERE token_hash = $1 AND used_at IS NULL) AS \"exists!\"",
        &token.hash()[..],
    )
    .fetch_one(connection)
    .await
}

async fn revoke_family(connection: &mut PgConnection, family: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE refresh_tokens SET revoked_at = now() WHERE family = $1 AND revoked_at IS NULL",
        family,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert(
    connection: &mut PgConnection,
    family: Uuid,
    user_id: Uuid,
    hash: &[u8; 32],
    origin: Origin<'_>,
    lifetime: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO refresh_tokens (token_hash, family, user_id, expires_at, ip, issuer) VALUES ($1, $2, $3, $4, $5, $6)",
        &hash[..],
        family,
        user_id,
        Utc::now() + lifetime,
        origin.ip,
        origin.issuer,
    )
    .execute(connection)
    .await?;
    Ok(())
}
