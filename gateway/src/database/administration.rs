//! What administrators do to users. Somebody who can administrate is always left.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::audit::{self, Action, Actor, Target};
use super::users::{Role, User, query_user};
use super::{api_tokens, refresh_tokens};

/// Which users are asked for.
pub struct Query {
    /// A part of the address, in whatever case; all users without.
    pub text: Option<String>,
    /// Only those that stand after this address, which need not be anybody's.
    pub after: Option<String>,
    /// How many to skip.
    pub offset: i64,
    /// How many to answer with, at most.
    pub limit: i64,
}

/// What shall become different; what is not named stays.
#[derive(Default)]
pub struct Change {
    /// What the user may do.
    pub role: Option<Role>,
    /// Whether the user may not do anything.
    pub disabled: Option<bool>,
    /// An argon2id hash of a new password.
    pub password_hash: Option<String>,
}

/// What became of a change.
pub enum Changed {
    /// It is done. The user's tasks that have not ended go on; this is how many there are.
    Done(Box<User>, i64),
    /// There is no such user.
    NotFound,
    /// Nobody could administrate any more.
    LastAdmin,
}

/// What became of a removal.
pub enum Deleted {
    /// It is done.
    Done,
    /// There is no such user.
    NotFound,
    /// Nobody could administrate any more.
    LastAdmin,
    /// The user has tasks that have not ended: so many.
    HasOpenTasks(i64),
}

/// Users by address, and how many match in all.
///
/// # Errors
/// Those of the database.
pub async fn list(pool: &PgPool, query: &Query) -> Result<(Vec<User>, i64), sqlx::Error> {
    // strpos and not LIKE: the text is no pattern.
    let rows = query_user!(
        "SELECT",
        "FROM users WHERE ($1::text IS NULL OR strpos(lower(email), lower($1)) > 0) \
         AND ($4::text IS NULL OR lower(email) > lower($4)) ORDER BY lower(email) OFFSET $2 LIMIT $3",
        query.text.as_deref(),
        query.offset,
        query.limit,
        query.after.as_deref(),
    )
    .fetch_all(pool)
    .await?;
    let total = sqlx::query_scalar!(
        "SELECT count(*) AS \"count!\" FROM users \
         WHERE ($1::text IS NULL OR strpos(lower(email), lower($1)) > 0)",
        query.text.as_deref(),
    )
    .fetch_one(pool)
    .await?;
    Ok((rows, total))
}

/// How many tasks of a user have not ended.
///
/// # Errors
/// Those of the database.
pub async fn open_tasks<'a>(
    executor: impl sqlx::PgExecutor<'a>,
    id: Uuid,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT count(*) AS \"count!\" FROM tasks WHERE user_id = $1 AND state IN ('queued', 'running')",
        id,
    )
    .fetch_one(executor)
    .await
}

/// Changes a user. Disabling one and setting a password ends all sessions; disabling revokes the API tokens too. Tasks go on.
///
/// # Errors
/// Those of the database.
pub async fn change(
    pool: &PgPool,
    actor: &Actor,
    id: Uuid,
    change: &Change,
) -> Result<Changed, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let admins = lock_admins(&mut transaction).await?;
    let Some(before) = lock(&mut transaction, id).await? else {
        return Ok(Changed::NotFound);
    };
    let role = change.role.unwrap_or(before.role);
    let disabled = change.disabled.unwrap_or(before.disabled);
    if (disabled || role != Role::Admin) && admins == [id] {
        return Ok(Changed::LastAdmin);
    }
    let is_disabled_now = disabled && !before.disabled;
    let ends_sessions = is_disabled_now || change.password_hash.is_some();
    let after = query_user!(
        "UPDATE users SET role = $2, disabled = $3, password_hash = coalesce($4, password_hash), \
         session_epoch = session_epoch + $5 WHERE id = $1 RETURNING",
        "",
        id,
        role as Role,
        disabled,
        change.password_hash.as_deref(),
        i64::from(ends_sessions),
    )
    .fetch_one(&mut *transaction)
    .await?;
    if ends_sessions {
        refresh_tokens::revoke_all(&mut transaction, id).await?;
    }
    if is_disabled_now {
        api_tokens::delete_all(&mut transaction, id).await?;
    }
    let acts = [
        (before.role != role, Action::UserRoleChanged),
        (is_disabled_now, Action::UserDisabled),
        (before.disabled && !disabled, Action::UserEnabled),
        (change.password_hash.is_some(), Action::UserPasswordReset),
    ];
    for (_, action) in acts.into_iter().filter(|(happened, _)| *happened) {
        audit::record_about(&mut transaction, actor, action, Target::User(id)).await?;
    }
    let open = open_tasks(&mut *transaction, id).await?;
    transaction.commit().await?;
    Ok(Changed::Done(Box::new(after), open))
}

/// Sets a password that its user chose, and ends all sessions; nothing when the user was disabled or got another password meanwhile.
///
/// # Errors
/// Those of the database.
pub async fn set_own_password(
    connection: &mut PgConnection,
    id: Uuid,
    epoch: i64,
    hash: &str,
) -> Result<Option<User>, sqlx::Error> {
    let user = query_user!(
        "UPDATE users SET password_hash = $3, session_epoch = session_epoch + 1 \
         WHERE id = $1 AND session_epoch = $2 AND NOT disabled RETURNING",
        "",
        id,
        epoch,
        hash,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if user.is_some() {
        refresh_tokens::revoke_all(connection, id).await?;
    }
    Ok(user)
}

/// Removes a user, when none of the user's tasks is under way. The record of the tasks stays, for administrators.
///
/// # Errors
/// Those of the database.
pub async fn delete(pool: &PgPool, actor: &Actor, id: Uuid) -> Result<Deleted, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let admins = lock_admins(&mut transaction).await?;
    if lock(&mut transaction, id).await?.is_none() {
        return Ok(Deleted::NotFound);
    }
    if admins == [id] {
        return Ok(Deleted::LastAdmin);
    }
    // A task that is accepted now waits for the lock on its user, and then fails, because there is none.
    let open = open_tasks(&mut *transaction, id).await?;
    if open > 0 {
        return Ok(Deleted::HasOpenTasks(open));
    }
    sqlx::query!("DELETE FROM users WHERE id = $1", id)
        .execute(&mut *transaction)
        .await?;
    audit::record_about(
        &mut transaction,
        actor,
        Action::UserDeleted,
        Target::User(id),
    )
    .await?;
    transaction.commit().await?;
    Ok(Deleted::Done)
}

/// Whether all others could be without administrator if this one were none; locks those who count, so that two who demote each other do
/// it one after the other.
///
/// # Errors
/// Those of the database.
pub async fn is_last_admin(connection: &mut PgConnection, id: Uuid) -> Result<bool, sqlx::Error> {
    Ok(lock_admins(connection).await? == [id])
}

async fn lock_admins(connection: &mut PgConnection) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM users WHERE role = 'admin' AND NOT disabled ORDER BY id FOR NO KEY UPDATE",
    )
    .fetch_all(connection)
    .await
}

/// The whole row, against tasks too that are about to refer to it.
async fn lock(connection: &mut PgConnection, id: Uuid) -> Result<Option<User>, sqlx::Error> {
    query_user!("SELECT", "FROM users WHERE id = $1 FOR UPDATE", id)
        .fetch_optional(connection)
        .await
}
