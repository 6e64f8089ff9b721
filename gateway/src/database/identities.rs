//! People as other providers know them.

use sqlx::PgPool;
use uuid::Uuid;

use super::administration::is_last_admin;
use super::audit::{self, Action, Actor, Target};
use super::users::{self, NewUser, Role, User, query_user};

/// Somebody whom a provider has vouched for.
pub struct Person<'a> {
    /// Which provider.
    pub issuer: &'a str,
    /// Who it is there, for ever.
    pub subject: &'a str,
    /// The address, when the provider has verified it.
    pub verified_email: Option<&'a str>,
    /// What the provider's groups make of the user; the role here stays as it is without.
    pub role: Option<Role>,
    /// Whether somebody who is not known yet becomes a user.
    pub may_join: bool,
}

/// What became of a sign-in.
pub enum Admission {
    /// This is the user.
    Admitted(Box<User>),
    /// The provider has not verified the address, and nobody is known under issuer and subject.
    Unverified,
    /// The user is disabled.
    Disabled,
    /// Nobody of that address is a user, and nobody new may join.
    Unknown,
}

/// Finds the user, by issuer and subject, or else by the verified address, or makes one; brings the role up to date.
///
/// # Errors
/// Those of the database.
pub async fn admit(
    pool: &PgPool,
    actor: &Actor,
    person: &Person<'_>,
) -> Result<Admission, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    // The same person may sign in twice at once, and must not become two users.
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
        format!("{}\n{}", person.issuer, person.subject),
    )
    .execute(&mut *transaction)
    .await?;
    let known = query_user!(
        "SELECT",
        "FROM users WHERE id = (SELECT user_id FROM user_identities WHERE issuer = $1 AND subject = $2)",
        person.issuer,
        person.subject,
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let mut user = match (known, person.verified_email) {
        (Some(user), _) => user,
        (None, None) => return Ok(Admission::Unverified),
        (None, Some(email)) => {
            let user = match users::find_by_email(&mut *transaction, email).await? {
                Some(user) => user,
                None if !person.may_join => return Ok(Admission::Unknown),
                None => {
                    let new = NewUser {
                        email,
                        password_hash: None,
                        role: person.role.unwrap_or_default(),
                    };
                    let actor = named(actor, email, None);
                    users::create(&mut transaction, &actor, Action::UserProvisioned, &new).await?
                }
            };
            if user.disabled {
                return Ok(Admission::Disabled);
            }
            sqlx::query!(
                "INSERT INTO user_identities (issuer, subject, user_id) VALUES ($1, $2, $3)",
                person.issuer,
                person.subject,
                user.id,
            )
            .execute(&mut *transaction)
            .await?;
            let actor = named(actor, &user.email, Some(user.id));
            let target = Target::User(user.id);
            audit::record_about(&mut transaction, &actor, Action::UserLinked, target).await?;
            user
        }
    };
    if user.disabled {
        return Ok(Admission::Disabled);
    }
    if let Some(role) = person.role.filter(|role| *role != user.role) {
        if user.role == Role::Admin && is_last_admin(&mut transaction, user.id).await? {
            tracing::warn!(user.id = %user.id, "the groups of the last administrator make a user of them; they stay administrator");
        } else {
            sqlx::query!(
                "UPDATE users SET role = $2 WHERE id = $1",
                user.id,
                role as Role,
            )
            .execute(&mut *transaction)
            .await?;
            let actor = named(actor, &user.email, Some(user.id));
            let target = Target::User(user.id);
            audit::record_about(&mut transaction, &actor, Action::UserRoleChanged, target).await?;
            user.role = role;
        }
    }
    transaction.commit().await?;
    Ok(Admission::Admitted(Box::new(user)))
}

fn named(actor: &Actor, email: &str, user_id: Option<Uuid>) -> Actor {
    Actor {
        name: email.to_owned(),
        user_id,
        ..actor.clone()
    }
}
