//! API tokens: named, limited to scopes, good for a time, and stored as hashes.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::audit::{self, Action, Actor, Target};
use super::users::Role;

/// The most tokens that one user may have.
pub const MAX_PER_USER: i64 = 100;

/// A token as its owner sees it.
pub struct ApiToken {
    /// The id; not the token.
    pub id: Uuid,
    /// What its owner calls it.
    pub name: String,
    /// What it is good for.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops to be good.
    pub expires_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A token that is to be made.
pub struct NewApiToken<'a> {
    /// Whose it is.
    pub user_id: Uuid,
    /// What its owner calls it.
    pub name: &'a str,
    /// Its hash.
    pub hash: [u8; 32],
    /// What it is good for.
    pub scopes: Vec<&'static str>,
    /// When it stops to be good.
    pub expires_at: DateTime<Utc>,
}

/// What became of a new token.
pub enum Created {
    /// It is stored.
    Done(ApiToken),
    /// The user has [`MAX_PER_USER`] already.
    TooMany,
}

/// Who uses a token.
pub struct Bearer {
    /// The token.
    pub id: Uuid,
    /// What its owner calls it.
    pub name: String,
    /// What it is good for.
    pub scopes: Vec<String>,
    /// The user.
    pub user_id: Uuid,
    /// The address of the user.
    pub email: String,
    /// What the user may do.
    pub role: Role,
    /// Whether it has not been used within the last minute.
    pub is_unnoted: bool,
}

/// Who uses the token with this hash, when it is good.
///
/// # Errors
/// Those of the database.
pub async fn find_bearer(pool: &PgPool, hash: &[u8; 32]) -> Result<Option<Bearer>, sqlx::Error> {
    sqlx::query_as!(
        Bearer,
        "SELECT api_tokens.id, name, scopes, user_id, email, role AS \"role: Role\", \
         (last_used_at IS NULL OR last_used_at < now() - interval '1 minute') AS \"is_unnoted!\" \
         FROM api_tokens JOIN users ON users.id = user_id \
         WHERE token_hash = $1 AND expires_at > now() AND NOT disabled",
        &hash[..],
    )
    .fetch_optional(pool)
    .await
}

/// Notes that a token is used.
///
/// # Errors
/// Those of the database.
pub async fn note_use(pool: &PgPool, id: Uuid) -> Result<(), sqlx::Error> {
    // Many requests may find at once that it is not noted; the first is enough.
    sqlx::query!(
        "UPDATE api_tokens SET last_used_at = now() WHERE id = (SELECT id FROM api_tokens WHERE id = $1 \
         AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute') FOR UPDATE SKIP LOCKED)",
        id,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A user's tokens, newest first; expired ones too.
///
/// # Errors
/// Those of the database.
pub async fn list(pool: &PgPool, user_id: Uuid) -> Result<Vec<ApiToken>, sqlx::Error> {
    sqlx::query_as!(
        ApiToken,
        "SELECT id, name, scopes, created_at, expires_at, last_used_at FROM api_tokens \
         WHERE user_id = $1 ORDER BY created_at DESC, id DESC",
        user_id,
    )
    .fetch_all(pool)
    .await
}

/// Stores a token, with an audit row.
///
/// # Errors
/// Those of the database; the constraint `api_tokens_name_key` when the user has one of that name.
pub async fn create(
    pool: &PgPool,
    actor: &Actor,
    token: &NewApiToken<'_>,
) -> Result<Created, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    // Requests of one user one after the other, so that the count holds, and none past the user's being disabled.
    sqlx::query_scalar!(
        "SELECT id FROM users WHERE id = $1 AND NOT disabled FOR NO KEY UPDATE",
        token.user_id,
    )
    .fetch_one(&mut *transaction)
    .await?;
    let count = sqlx::query_scalar!(
        "SELECT count(*) AS \"count!\" FROM api_tokens WHERE user_id = $1",
        token.user_id,
    )
    .fetch_one(&mut *transaction)
    .await?;
    if count >= MAX_PER_USER {
        return Ok(Created::TooMany);
    }
    let made = sqlx::query_as!(
        ApiToken,
        "INSERT INTO api_tokens (id, user_id, name, token_hash, scopes, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id, name, scopes, created_at, expires_at, last_used_at",
        Uuid::now_v7(),
        token.user_id,
        token.name,
        &token.hash[..],
        &token.scopes as &[&str],
        token.expires_at,
    )
    .fetch_one(&mut *transaction)
    .await?;
    audit::record_about(
        &mut transaction,
        actor,
        Action::ApiTokenCreated,
        Target::ApiToken(made.id),
    )
    .await?;
    transaction.commit().await?;
    Ok(Created::Done(made))
}

/// Revokes a token, with an audit row; answers whether there was one. Without `owner` it may be anybody's.
///
/// # Errors
/// Those of the database.
pub async fn delete(
    pool: &PgPool,
    actor: &Actor,
    owner: Option<Uuid>,
    id: Uuid,
) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let done = sqlx::query!(
        "DELETE FROM api_tokens WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)",
        id,
        owner,
    )
    .execute(&mut *transaction)
    .await?;
    let existed = done.rows_affected() == 1;
    if existed {
        audit::record_about(
            &mut transaction,
            actor,
            Action::ApiTokenRevoked,
            Target::ApiToken(id),
        )
        .await?;
    }
    transaction.commit().await?;
    Ok(existed)
}

/// Revokes all of a user's, as a part of another act.
///
/// # Errors
/// Those of the database.
pub async fn delete_all(connection: &mut PgConnection, user_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM api_tokens WHERE user_id = $1", user_id)
        .execute(connection)
        .await?;
    Ok(())
}
