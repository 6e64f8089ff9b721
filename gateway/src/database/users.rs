//! People who may log in: finding them and making them. [`administration`](super::administration) changes them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::audit::{self, Action, Actor, Target};

/// What a user may do.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Deserialize,
    Serialize,
    sqlx::Type,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Run tasks, and see their own.
    #[default]
    User,
}

impl Role {
    /// The word in tokens.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
        }
    }
}

/// A statement that answers with [`User`]: what stands before its columns, what stands after them, and the parameters.
macro_rules! query_user {
    ($before:literal, $after:literal, $($parameter:tt)+) => {
        sqlx::query_as!(
            $crate::database::users::User,
            $before
                + " id, email, password_hash, role AS \"role: crate::database::users::Role\", disabled, session_epoch, created_at, \
                   last_login_at "
                + $after,
            $($parameter)+
        )
    };
}
pub(super) use query_user;

/// A user.
#[derive(Clone)]
pub struct User {
    /// The id.
    pub id: Uuid,
    /// The address as it was first written.
    pub email: String,
    /// An argon2id hash in PHC form; none for those who sign in elsewhere only.
    pub password_hash: Option<String>,
    /// What the user may do.
    pub role: Role,
    /// Whether the user may not do anything.
    pub disabled: bool,
    /// Access tokens of an earlier epoch are not good any more.
    pub session_epoch: i64,
    /// When the user was made.
    pub created_at: DateTime<Utc>,
    /// When the user last logged in; API tokens do not count.
    pub last_login_at: Option<DateTime<Utc>>,
}

/// A user that is to be made.
pub struct NewUser<'a> {
    /// The address.
    pub email: &'a str,
    /// An argon2id hash in PHC form; none for those who sign in elsewhere.
    pub password_hash: Option<&'a str>,
    /// What the user may do.
    pub role: Role,
}

/// Whose access token it is, as the database has it.
pub struct SessionUser {
    /// The id.
    pub id: Uuid,
    /// The address.
    pub email: String,
    /// What the user may do.
    pub role: Role,
}

/// The user with this address, in whatever case it is written.
///
/// # Errors
/// Those of the database.
pub async fn find_by_email<'a>(
    executor: impl sqlx::PgExecutor<'a>,
    email: &str,
) -> Result<Option<User>, sqlx::Error> {
    query_user!("SELECT", "FROM users WHERE lower(email) = lower($1)", email)
        .fetch_optional(executor)
        .await
}

/// The user with this id.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(
    executor: impl sqlx::PgExecutor<'a>,
    id: Uuid,
) -> Result<Option<User>, sqlx::Error> {
    query_user!("SELECT", "FROM users WHERE id = $1", id)
        .fetch_optional(executor)
        .await
}

/// The user of an access token, when the session that the token belongs to is not over.
///
/// # Errors
/// Those of the database.
pub async fn of_session(
    pool: &PgPool,
    id: Uuid,
    epoch: i64,
    session: Uuid,
) -> Result<Option<SessionUser>, sqlx::Error> {
    sqlx::query_as!(
        SessionUser,
        "SELECT id, email, role AS \"role: Role\" FROM users WHERE id = $1 AND NOT disabled AND session_epoch = $2 \
         AND NOT EXISTS (SELECT 1 FROM refresh_tokens WHERE family = $3 AND revoked_at IS NOT NULL)",
        id,
        epoch,
        session,
    )
    .fetch_optional(pool)
    .await
}

/// Notes a login, and answers whether the user is still who has proved to be it: not disabled meanwhile, nor with another password.
/// The row stays locked until the end of the transaction, so that a session that is begun in it cannot slip past the end of all sessions.
///
/// # Errors
/// Those of the database.
pub async fn note_login(
    connection: &mut PgConnection,
    id: Uuid,
    epoch: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE users SET last_login_at = now() WHERE id = $1 AND NOT disabled AND session_epoch = $2",
        id,
        epoch,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether anybody may log in.
///
/// # Errors
/// Those of the database.
pub async fn exist<'a>(executor: impl sqlx::PgExecutor<'a>) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!("SELECT EXISTS (SELECT 1 FROM users) AS \"exists!\"")
        .fetch_one(executor)
        .await
}

/// Adds a user, with an audit row.
///
/// # Errors
/// Those of the database; the constraint `users_email_key` when the address is taken.
pub async fn create(
    connection: &mut PgConnection,
    actor: &Actor,
    action: Action,
    user: &NewUser<'_>,
) -> Result<User, sqlx::Error> {
    let made = query_user!(
        "INSERT INTO users (id, email, password_hash, role) VALUES ($1, $2, $3, $4) RETURNING",
        "",
        Uuid::now_v7(),
        user.email,
        user.password_hash,
        user.role as Role,
    )
    .fetch_one(&mut *connection)
    .await?;
    audit::record_about(connection, actor, action, Target::User(made.id)).await?;
    Ok(made)
}

/// Adds the first user, unless there is one already; answers whether it did.
///
/// # Errors
/// Those of the database.
pub async fn create_first(pool: &PgPool, user: &NewUser<'_>) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    // Several gateways may start at once, and an empty table has no row to lock.
    sqlx::query!("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *transaction)
        .await?;
    let exists = exist(&mut *transaction).await?;
    if !exists {
        let actor = Actor::system(user.email);
        create(&mut transaction, &actor, Action::UserBootstrapped, user).await?;
    }
    transaction.commit().await?;
    Ok(!exists)
}
