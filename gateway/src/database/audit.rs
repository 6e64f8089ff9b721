//! Who did what, written in the transaction of the act.

use sqlx::PgConnection;
use uuid::Uuid;

/// An act that is put on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The first administrator was made from the configuration.
    UserBootstrapped,
    /// An administrator made a user.
    UserCreated,
    /// Somebody logged in.
    Login,
    /// A login was refused.
    LoginRefused,
    /// A refresh token was used twice, and its family revoked.
    RefreshReused,
    /// Somebody logged out.
    Logout,
    /// A task was accepted.
    TaskCreated,
    /// A task that was made in Kubernetes was taken into the record.
    TaskAdopted,
    /// Somebody asked for the end of a task.
    TaskCanceled,
    /// An administrator took the audit log away as a file.
    AuditExported,
    /// Rows of the audit log that were past their time were removed.
    AuditExpired,
}

impl Action {
    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserBootstrapped => "user.bootstrap",
            Self::UserCreated => "user.create",
            Self::Login => "auth.login",
            Self::LoginRefused => "auth.login_refused",
            Self::RefreshReused => "auth.refresh_reused",
            Self::Logout => "auth.logout",
            Self::TaskCreated => "task.create",
            Self::TaskAdopted => "task.adopt",
            Self::TaskCanceled => "task.cancel",
            Self::AuditExported => "audit.export",
            Self::AuditExpired => "audit.expire",
        }
    }
}

/// Who acts, and where the request came from.
#[derive(Clone, Debug, Default)]
pub struct Actor {
    /// An email address, or the name of a part of the system.
    pub name: String,
    /// The user, where there is one.
    pub user_id: Option<Uuid>,
    /// The address of the client.
    pub ip: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
}

impl Actor {
    /// A part of the system that acts by itself.
    #[must_use]
    pub fn system(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

/// Adds a row. Call it in the transaction of the act.
///
/// # Errors
/// Those of the database.
pub async fn record(
    connection: &mut PgConnection,
    actor: &Actor,
    action: Action,
    task: Option<Uuid>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO audit (actor, user_id, action, task_id, ip, request_id) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&actor.name)
    .bind(actor.user_id)
    .bind(action.as_str())
    .bind(task)
    .bind(actor.ip.as_deref())
    .bind(actor.request_id.as_deref())
    .execute(connection)
    .await?;
    Ok(())
}
