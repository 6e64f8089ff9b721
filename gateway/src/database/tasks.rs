//! The record of tasks, as the HTTP API reads and writes it.

use std::collections::BTreeMap;

use codex_crds::{Phase, reasons};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::audit::{self, Action, Actor};
use super::status::{TaskStatus, status_columns};

/// Tells the locks of submissions from others.
const SUBMISSIONS: i32 = 0x7461_736b;

/// Whose tasks may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    All,
    /// Those of one user.
    User(Uuid),
}

impl Scope {
    /// The filter of the statements: NULL lets every row pass.
    pub(super) const fn user(self) -> Option<Uuid> {
        match self {
            Self::All => None,
            Self::User(id) => Some(id),
        }
    }
}

/// A task that was validated and is to be accepted.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// What Codex shall do.
    pub prompt: String,
    /// The folder, normalised.
    pub cwd: String,
    /// The repository that it is in.
    pub repository: String,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// The model.
    pub model: Option<String>,
    /// The time limit.
    pub timeout_seconds: Option<i64>,
    /// The task whose session it continues.
    pub resume_from: Option<Uuid>,
    /// The `Idempotency-Key` of the request, and the hash of its body.
    pub idempotency: Option<Idempotency>,
}

/// What makes a repeated request recognisable.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// The key that the client chose.
    pub key: String,
    /// SHA-256 of the request.
    pub request_hash: Vec<u8>,
}

/// What became of a request to accept a task.
#[derive(Debug)]
pub enum Accepted {
    /// The task is on record and due in the outbox.
    Created(TaskStatus),
    /// The same request was accepted before, as this task.
    Repeated(TaskStatus),
    /// The key was used before, for something else.
    KeyReused,
    /// The user has as many tasks queued or running as one may.
    TooMany,
}

/// What became of a request to end a task.
#[derive(Debug)]
pub enum Canceled {
    /// Kubernetes had not heard of the task: it has ended.
    AtOnce(TaskStatus),
    /// The request is due in the outbox, or was made before.
    Requested(TaskStatus),
    /// The task had ended before.
    AlreadyFinal(Phase),
    /// There is no such task in the scope.
    NotFound,
}

/// Writes the task and its audit row in one transaction. From here on it is accepted.
///
/// A user may have `limit` tasks queued or running; 0 is without limit.
///
/// # Errors
/// Those of the database.
pub async fn accept(
    pool: &PgPool,
    actor: &Actor,
    task: &NewTask,
    limit: i64,
) -> Result<Accepted, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    if limit > 0 {
        // Requests that come at once must not all find the last place free; those of other users do not wait. A statement of its own,
        // because the next one has to see what the one before it has committed.
        sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext($2::text))")
            .bind(SUBMISSIONS)
            .bind(actor.user_id)
            .execute(&mut *transaction)
            .await?;
    }
    let id = Uuid::now_v7();
    let created: Option<TaskStatus> = sqlx::query_as(concat!(
        "INSERT INTO tasks (id, name, user_id, owner, prompt, cwd, repository, env, model, timeout_seconds, outbox_at, \
         idempotency_key, request_hash, resume_from) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now(), $11, $12, $14 \
         WHERE $13 = 0 OR (SELECT count(*) FROM tasks WHERE user_id = $3 AND state IN ('queued', 'running')) < $13 \
         ON CONFLICT (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING ",
        status_columns!()
    ))
    .bind(id)
    .bind(id.to_string())
    .bind(actor.user_id)
    .bind(&actor.name)
    .bind(&task.prompt)
    .bind(&task.cwd)
    .bind(&task.repository)
    .bind(Json(&task.env))
    .bind(task.model.as_deref())
    .bind(task.timeout_seconds)
    .bind(task.idempotency.as_ref().map(|it| it.key.as_str()))
    .bind(task.idempotency.as_ref().map(|it| it.request_hash.as_slice()))
    .bind(limit)
    .bind(task.resume_from)
    .fetch_optional(&mut *transaction)
    .await?;
    if let Some(created) = created {
        audit::record(&mut transaction, actor, Action::TaskCreated, Some(id)).await?;
        transaction.commit().await?;
        return Ok(Accepted::Created(created));
    }
    let Some(idempotency) = &task.idempotency else {
        // Only the key can conflict: the id is new.
        return Ok(Accepted::TooMany);
    };
    repeated(&mut transaction, actor, idempotency).await
}

/// A request that is repeated is answered also when there is no place for another.
async fn repeated(
    connection: &mut PgConnection,
    actor: &Actor,
    idempotency: &Idempotency,
) -> Result<Accepted, sqlx::Error> {
    let before: Option<Before> = sqlx::query_as(concat!(
        "SELECT request_hash = $3 AS is_same, ",
        status_columns!(),
        " FROM tasks WHERE user_id = $1 AND idempotency_key = $2"
    ))
    .bind(actor.user_id)
    .bind(&idempotency.key)
    .bind(&idempotency.request_hash)
    .fetch_optional(connection)
    .await?;
    Ok(match before {
        Some(before) if before.is_same => Accepted::Repeated(before.status),
        Some(_) => Accepted::KeyReused,
        None => Accepted::TooMany,
    })
}

#[derive(sqlx::FromRow)]
struct Before {
    is_same: bool,
    #[sqlx(flatten)]
    status: TaskStatus,
}

/// Forgets up to `limit` idempotency keys that are older than a day; answers with how many.
///
/// # Errors
/// Those of the database.
pub async fn forget_idempotency_keys(pool: &PgPool, limit: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE tasks SET idempotency_key = NULL, request_hash = NULL WHERE id IN (\
         SELECT id FROM tasks WHERE idempotency_key IS NOT NULL AND created_at < now() - interval '1 day' \
         ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
    )
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// Puts the request to end a task on record, with its audit row, in one transaction.
///
/// A task that Kubernetes has not heard of ends at once. If an attempt to create it may still be under way, the row stays in
/// the outbox, so that a `CodexTask` that appears after all is told to end too.
///
/// # Errors
/// Those of the database.
pub async fn cancel(
    pool: &PgPool,
    actor: &Actor,
    scope: Scope,
    id: Uuid,
) -> Result<Canceled, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let present: Option<TaskStatus> = sqlx::query_as(concat!(
        "SELECT ",
        status_columns!(),
        " FROM tasks WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2) FOR UPDATE"
    ))
    .bind(id)
    .bind(scope.user())
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(present) = present else {
        return Ok(Canceled::NotFound);
    };
    if present.phase.is_final() {
        return Ok(Canceled::AlreadyFinal(present.phase));
    }
    if present.cancel_requested_at.is_some() {
        return Ok(Canceled::Requested(present));
    }
    let statement = if present.in_cluster {
        concat!(
            "UPDATE tasks SET cancel_requested_at = now(), outbox_at = now(), updated_at = now(), \
             revision = revision + 1 WHERE id = $1 AND $2::text IS NOT NULL RETURNING ",
            status_columns!()
        )
    } else {
        concat!(
            "UPDATE tasks SET cancel_requested_at = now(), state = 'canceled', finished_at = now(), queue_position = NULL, \
             reason = $2, message = 'The task was canceled before it started.', \
             outbox_at = CASE WHEN outbox_attempts = 0 THEN NULL ELSE outbox_at END, \
             updated_at = now(), revision = revision + 1 WHERE id = $1 RETURNING ",
            status_columns!()
        )
    };
    let changed: TaskStatus = sqlx::query_as(statement)
        .bind(id)
        .bind(reasons::CANCELED)
        .fetch_one(&mut *transaction)
        .await?;
    audit::record(&mut transaction, actor, Action::TaskCanceled, Some(id)).await?;
    transaction.commit().await?;
    Ok(if changed.phase.is_final() {
        Canceled::AtOnce(changed)
    } else {
        Canceled::Requested(changed)
    })
}

/// A task, for its owner.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct TaskRow {
    /// The state.
    #[sqlx(flatten)]
    pub status: TaskStatus,
    /// The name of the `CodexTask`.
    pub name: String,
    /// Who asked.
    pub owner: String,
    /// What Codex shall do; in a list only the beginning.
    pub prompt: String,
    /// Whether `prompt` is only the beginning.
    pub prompt_truncated: bool,
    /// The folder.
    pub cwd: Option<String>,
    /// The repository that it is in.
    pub repository: Option<String>,
    /// Environment variables; empty in a list.
    pub env: Json<BTreeMap<String, String>>,
    /// The model.
    pub model: Option<String>,
    /// The time limit.
    pub timeout_seconds: Option<i64>,
    /// Tokens of the thread.
    pub usage: Option<Json<Value>>,
    /// The Codex thread.
    pub thread_id: Option<String>,
    /// The task whose session it continues.
    pub resume_from: Option<Uuid>,
}

/// One task.
///
/// # Errors
/// Those of the database.
pub async fn find(pool: &PgPool, scope: Scope, id: Uuid) -> Result<Option<TaskRow>, sqlx::Error> {
    sqlx::query_as(concat!(
        "SELECT ",
        status_columns!(),
        ", name, owner, prompt, false AS prompt_truncated, cwd, repository, env, model, timeout_seconds, usage, thread_id, \
         resume_from \
         FROM tasks WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)"
    ))
    .bind(id)
    .bind(scope.user())
    .fetch_optional(pool)
    .await
}

/// Whether there is such a task in the scope.
///
/// # Errors
/// Those of the database.
pub async fn is_visible(pool: &PgPool, scope: Scope, id: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM tasks WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2))",
    )
    .bind(id)
    .bind(scope.user())
    .fetch_one(pool)
    .await
}
