//! People who may log in.

use sqlx::PgPool;
use uuid::Uuid;

use super::audit::{self, Action, Actor};

/// A user as the login needs it.
#[derive(Clone, sqlx::FromRow)]
pub struct User {
    /// The id.
    pub id: Uuid,
    /// The address as it was first written.
    pub email: String,
    /// An argon2id hash in PHC form.
    pub password_hash: String,
    /// `admin` or `user`.
    pub role: String,
    /// Whether the user may not do anything.
    pub disabled: bool,
}

/// A user that is to be made.
pub struct NewUser<'a> {
    /// The address.
    pub email: &'a str,
    /// An argon2id hash in PHC form.
    pub password_hash: &'a str,
    /// `admin` or `user`.
    pub role: &'a str,
}

/// The user with this address, in whatever case it is written.
///
/// # Errors
/// Those of the database.
pub async fn find_by_email(pool: &PgPool, email: &str) -> Result<Option<User>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, email, password_hash, role, disabled FROM users WHERE lower(email) = lower($1)",
    )
    .bind(email)
    .fetch_optional(pool)
    .await
}

/// The user with this id.
///
/// # Errors
/// Those of the database.
pub async fn find(pool: &PgPool, id: Uuid) -> Result<Option<User>, sqlx::Error> {
    sqlx::query_as("SELECT id, email, password_hash, role, disabled FROM users WHERE id = $1")
        .bind(id)
        .fetch_optional(pool)
        .await
}

/// Whether anybody may log in.
///
/// # Errors
/// Those of the database.
pub async fn exist(pool: &PgPool) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users)")
        .fetch_one(pool)
        .await
}

/// Adds a user, with an audit row; answers with its id.
///
/// # Errors
/// Those of the database; the constraint `users_email_key` when the address is taken.
pub async fn create(pool: &PgPool, actor: &Actor, user: &NewUser<'_>) -> Result<Uuid, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let id = Uuid::now_v7();
    sqlx::query("INSERT INTO users (id, email, password_hash, role) VALUES ($1, $2, $3, $4)")
        .bind(id)
        .bind(user.email)
        .bind(user.password_hash)
        .bind(user.role)
        .execute(&mut *transaction)
        .await?;
    audit::record(&mut transaction, actor, Action::UserCreated, None).await?;
    transaction.commit().await?;
    Ok(id)
}

/// Adds the first user, unless there is one already; answers whether it did.
///
/// # Errors
/// Those of the database.
pub async fn create_first(pool: &PgPool, user: &NewUser<'_>) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    // Several gateways may start at once, and an empty table has no row to lock.
    sqlx::query("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *transaction)
        .await?;
    let id = Uuid::now_v7();
    let done = sqlx::query(
        "INSERT INTO users (id, email, password_hash, role) \
         SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT 1 FROM users)",
    )
    .bind(id)
    .bind(user.email)
    .bind(user.password_hash)
    .bind(user.role)
    .execute(&mut *transaction)
    .await?;
    let created = done.rows_affected() == 1;
    if created {
        let actor = Actor {
            name: user.email.to_owned(),
            user_id: Some(id),
            ..Actor::default()
        };
        audit::record(&mut transaction, &actor, Action::UserBootstrapped, None).await?;
    }
    transaction.commit().await?;
    Ok(created)
}
