//! Refresh tokens: good for one use, and a second use betrays a copy.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::audit::{self, Action, Actor};

/// What became of the use of a refresh token.
#[derive(Debug, PartialEq, Eq)]
pub enum Exchange {
    /// The token was good; the next one is stored in its place.
    Rotated {
        /// Whose token it is.
        user_id: Uuid,
    },
    /// The token is unknown, too old or revoked.
    Refused,
    /// The token had been used before: somebody has a copy, so everything that descends from the same login is revoked.
    Reused,
}

#[derive(sqlx::FromRow)]
struct Row {
    family: Uuid,
    user_id: Uuid,
    expires_at: DateTime<Utc>,
    used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

/// Stores the first token of a login.
///
/// # Errors
/// Those of the database.
pub async fn issue(
    connection: &mut PgConnection,
    user_id: Uuid,
    hash: &[u8],
    lifetime: Duration,
) -> Result<(), sqlx::Error> {
    // Logins are the moment to forget what has expired, so that no job is needed for it.
    sqlx::query("DELETE FROM refresh_tokens WHERE expires_at < now() - interval '1 day'")
        .execute(&mut *connection)
        .await?;
    insert(connection, Uuid::now_v7(), user_id, hash, lifetime).await
}

/// Uses a token up and stores the next one of its family.
///
/// # Errors
/// Those of the database.
pub async fn exchange(
    pool: &PgPool,
    hash: &[u8],
    next_hash: &[u8],
    lifetime: Duration,
) -> Result<Exchange, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let row: Option<Row> = sqlx::query_as(
        "SELECT family, user_id, expires_at, used_at, revoked_at FROM refresh_tokens WHERE token_hash = $1 FOR UPDATE",
    )
    .bind(hash)
    .fetch_optional(&mut *transaction)
    .await?;
    let outcome = match row {
        Some(row) if row.revoked_at.is_some() || row.expires_at <= Utc::now() => Exchange::Refused,
        Some(row) if row.used_at.is_some() => {
            revoke_family(&mut transaction, row.family).await?;
            let actor = Actor {
                name: "gateway".to_owned(),
                user_id: Some(row.user_id),
                ..Actor::default()
            };
            audit::record(&mut transaction, &actor, Action::RefreshReused, None).await?;
            Exchange::Reused
        }
        Some(row) => {
            sqlx::query("UPDATE refresh_tokens SET used_at = now() WHERE token_hash = $1")
                .bind(hash)
                .execute(&mut *transaction)
                .await?;
            insert(
                &mut transaction,
                row.family,
                row.user_id,
                next_hash,
                lifetime,
            )
            .await?;
            Exchange::Rotated {
                user_id: row.user_id,
            }
        }
        None => Exchange::Refused,
    };
    transaction.commit().await?;
    Ok(outcome)
}

/// Revokes everything that descends from the same login as this token; answers with the user.
///
/// # Errors
/// Those of the database.
pub async fn revoke(
    connection: &mut PgConnection,
    hash: &[u8],
) -> Result<Option<Uuid>, sqlx::Error> {
    let found: Option<(Uuid, Uuid)> =
        sqlx::query_as("SELECT family, user_id FROM refresh_tokens WHERE token_hash = $1")
            .bind(hash)
            .fetch_optional(&mut *connection)
            .await?;
    let Some((family, user_id)) = found else {
        return Ok(None);
    };
    revoke_family(connection, family).await?;
    Ok(Some(user_id))
}

async fn revoke_family(connection: &mut PgConnection, family: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE refresh_tokens SET revoked_at = now() WHERE family = $1 AND revoked_at IS NULL",
    )
    .bind(family)
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert(
    connection: &mut PgConnection,
    family: Uuid,
    user_id: Uuid,
    hash: &[u8],
    lifetime: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO refresh_tokens (token_hash, family, user_id, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(hash)
        .bind(family)
        .bind(user_id)
        .bind(Utc::now() + lifetime)
        .execute(connection)
        .await?;
    Ok(())
}
