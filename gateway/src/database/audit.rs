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
    /// An administrator changed the role of a user.
    UserRoleChanged,
    /// An administrator disabled a user, which ended all sessions and API tokens.
    UserDisabled,
    /// An administrator let a user in again.
    UserEnabled,
    /// An administrator set a user's password, which ended all sessions.
    UserPasswordReset,
    /// An administrator removed a user.
    UserDeleted,
    /// Somebody who signed in elsewhere became a user.
    UserProvisioned,
    /// A user signed in elsewhere for the first time.
    UserLinked,
    /// Somebody made an API token.
    ApiTokenCreated,
    /// Somebody revoked an API token.
    ApiTokenRevoked,
    /// Somebody changed the own password, which ended all other sessions.
    PasswordChanged,
    /// Somebody logged in.
    Login,
    /// Somebody signed in with another provider.
    LoginOidc,
    /// A login was refused.
    LoginRefused,
    /// A session went on at another address than the one it came from.
    SessionMoved,
    /// A refresh token was used twice, and its session ended.
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
            Self::UserRoleChanged => "user.role",
            Self::UserDisabled => "user.disable",
            Self::UserEnabled => "user.enable",
            Self::UserPasswordReset => "user.password_reset",
            Self::UserDeleted => "user.delete",
            Self::UserProvisioned => "user.provision",
            Self::UserLinked => "user.link",
            Self::ApiTokenCreated => "api_token.create",
            Self::ApiTokenRevoked => "api_token.revoke",
            Self::PasswordChanged => "auth.password_change",
            Self::Login => "auth.login",
            Self::LoginOidc => "auth.login_oidc",
            Self::LoginRefused => "auth.login_refused",
            Self::SessionMoved => "auth.session_moved",
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
    /// With what; nothing for parts of the system and for whoever has not proved anything.
    pub credential: Option<Credential>,
}

/// With what somebody acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The tokens that descend from one login.
    Session(Uuid),
    /// An API token.
    ApiToken {
        /// The id; not the token.
        id: Uuid,
        /// What its owner calls it.
        name: String,
    },
}

impl Credential {
    /// What the owner calls it.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Session(_) => None,
            Self::ApiToken { name, .. } => Some(name),
        }
    }
}

impl std::fmt::Display for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Session(id) => write!(f, "session:{id}"),
            Self::ApiToken { id, .. } => write!(f, "api_token:{id}"),
        }
    }
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
    insert(connection, actor, action, task, None).await
}

/// What an act was done to, where that is no task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A user.
    User(Uuid),
    /// An API token.
    ApiToken(Uuid),
    /// What descends from one login.
    Session(Uuid),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::ApiToken(id) => write!(f, "api_token:{id}"),
            Self::Session(id) => write!(f, "session:{id}"),
        }
    }
}

/// Adds a row about something that is no task. Call it in the transaction of the act.
///
/// # Errors
/// Those of the database.
pub async fn record_about(
    connection: &mut PgConnection,
    actor: &Actor,
    action: Action,
    target: Target,
) -> Result<(), sqlx::Error> {
    insert(connection, actor, action, None, Some(target)).await
}

async fn insert(
    connection: &mut PgConnection,
    actor: &Actor,
    action: Action,
    task: Option<Uuid>,
    target: Option<Target>,
) -> Result<(), sqlx::Error> {
    let credential = actor.credential.as_ref();
    sqlx::query!(
        "INSERT INTO audit (actor, user_id, action, task_id, target, ip, request_id, credential, credential_name) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        actor.name,
        actor.user_id,
        action.as_str(),
        task,
        target.map(|target| target.to_string()),
        actor.ip.as_deref(),
        actor.request_id.as_deref(),
        credential.map(Credential::to_string),
        credential.and_then(Credential::name),
    )
    .execute(connection)
    .await?;
    Ok(())
}
