//! Sign-ins elsewhere that are done, until the client that began them collects its tokens.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// Stores a code, good for a minute.
///
/// # Errors
/// Those of the database.
pub async fn issue(
    pool: &PgPool,
    hash: &[u8; 32],
    user_id: Uuid,
    challenge: &[u8; 32],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO login_codes (code_hash, user_id, challenge, expires_at) \
         VALUES ($1, $2, $3, now() + interval '1 minute')",
        &hash[..],
        user_id,
        &challenge[..],
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Uses a code up, also when the challenge is not met: whoever has the code without the secret gets one try. Answers with the user.
///
/// # Errors
/// Those of the database.
pub async fn redeem(
    connection: &mut PgConnection,
    hash: &[u8; 32],
    challenge: &[u8; 32],
) -> Result<Option<Uuid>, sqlx::Error> {
    let found = sqlx::query!(
        "DELETE FROM login_codes WHERE code_hash = $1 \
         RETURNING user_id, expires_at > now() AND challenge = $2 AS \"is_good!\"",
        &hash[..],
        &challenge[..],
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.and_then(|found| found.is_good.then_some(found.user_id)))
}

/// Forgets codes that nobody has collected.
///
/// # Errors
/// Those of the database.
pub async fn forget_expired(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM login_codes WHERE expires_at < now()")
        .execute(pool)
        .await?;
    Ok(())
}
