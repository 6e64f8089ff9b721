//! Who may still do what they were let in for.

use sqlx::PgPool;
use uuid::Uuid;

/// What somebody was let in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The user.
    pub user_id: Uuid,
    /// Whether as an administrator.
    pub is_admin: bool,
    /// With what.
    pub credential: Credential,
}

/// What proved who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// An access token.
    Session {
        /// The login that it descends from.
        family: Uuid,
        /// The epoch of the user's sessions.
        epoch: i64,
    },
    /// An API token.
    ApiToken(Uuid),
}

/// Those of the holders who may not do any more what they were let in for.
///
/// # Errors
/// Those of the database.
pub async fn find_ended(pool: &PgPool, holders: &[Holder]) -> Result<Vec<Holder>, sqlx::Error> {
    let mut users = Vec::with_capacity(holders.len());
    let mut admins = Vec::with_capacity(holders.len());
    let mut families = Vec::with_capacity(holders.len());
    let mut epochs = Vec::with_capacity(holders.len());
    let mut tokens = Vec::with_capacity(holders.len());
    for holder in holders {
        users.push(holder.user_id);
        admins.push(holder.is_admin);
        let (family, epoch, token) = match holder.credential {
            Credential::Session { family, epoch } => (Some(family), Some(epoch), None),
            Credential::ApiToken(id) => (None, None, Some(id)),
        };
        families.push(family);
        epochs.push(epoch);
        tokens.push(token);
    }
    let ended = sqlx::query_scalar!(
        "SELECT h.number AS \"number!\" FROM unnest($1::uuid[], $2::bool[], $3::uuid[], $4::bigint[], $5::uuid[]) \
         WITH ORDINALITY AS h (user_id, is_admin, family, epoch, token, number) \
         WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = h.user_id AND NOT u.disabled \
         AND (NOT h.is_admin OR u.role = 'admin') AND (h.epoch IS NULL OR h.epoch = u.session_epoch)) \
         OR (h.family IS NOT NULL AND EXISTS (SELECT 1 FROM refresh_tokens r \
         WHERE r.family = h.family AND r.revoked_at IS NOT NULL)) \
         OR (h.token IS NOT NULL AND NOT EXISTS (SELECT 1 FROM api_tokens t \
         WHERE t.id = h.token AND t.expires_at > now()))",
        &users,
        &admins,
        &families as &[Option<Uuid>],
        &epochs as &[Option<i64>],
        &tokens as &[Option<Uuid>],
    )
    .fetch_all(pool)
    .await?;
    Ok(ended
        .into_iter()
        .filter_map(|number| holders.get(usize::try_from(number - 1).ok()?).copied())
        .collect())
}
