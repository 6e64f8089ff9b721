//! The record of tasks, as the HTTP API reads and writes it.

use std::collections::BTreeMap;

use codex_crds::{Phase, reasons};
use serde_json::Value;
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use super::audit::{self, Action, Actor};
use super::outbox::Due;
use super::status::{State, TaskStatus, query_status};

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
    /// The trace that its making belongs to, as a W3C `traceparent`.
    pub traceparent: Option<String>,
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

/// Under which terms a task is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How many tasks the user may have queued or running; 0 is without limit.
    pub limit: i64,
    /// When the outbox has to look at the task.
    pub due: Due,
}

/// Writes the task and its audit row in one statement, which is a transaction and a round trip. From here on it is accepted.
///
/// # Errors
/// Those of the database.
pub async fn accept(
    pool: &PgPool,
    actor: &Actor,
    task: &NewTask,
    terms: Terms,
) -> Result<Accepted, sqlx::Error> {
    let id = Uuid::now_v7();
    let credential = actor.credential.as_ref();
    let created = sqlx::query_as!(
        TaskStatus,
        "WITH task AS (\
         INSERT INTO tasks (id, name, user_id, owner, prompt, cwd, repository, env, model, timeout_seconds, \
         idempotency_key, request_hash, resume_from, traceparent, outbox_at, outbox_attempts) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, now() + $15, $16 \
         WHERE $17::bigint = 0 OR has_room_for_task($3, $17) \
         ON CONFLICT (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING *), \
         noted AS (\
         INSERT INTO audit (actor, user_id, action, task_id, ip, request_id, credential, credential_name) \
         SELECT $4, $3, $18, id, $19, $20, $21, $22 FROM task) \
         SELECT id AS \"id!\", revision AS \"revision!\", state AS \"phase!: State\", queue_position, exit_code, reason, message, \
         created_at AS \"created_at!\", started_at, finished_at, updated_at AS \"updated_at!\", last_frame, cancel_requested_at, \
         cr_created_at IS NOT NULL AS \"in_cluster!\" FROM task",
        id,
        id.to_string(),
        actor.user_id,
        actor.name,
        task.prompt,
        task.cwd,
        task.repository,
        Json(&task.env) as _,
        task.model.as_deref(),
        task.timeout_seconds,
        task.idempotency.as_ref().map(|it| it.key.as_str()),
        task.idempotency.as_ref().map(|it| it.request_hash.as_slice()),
        task.resume_from,
        task.traceparent.as_deref(),
        terms.due.delay() as _,
        terms.due.attempts(),
        terms.limit,
        Action::TaskCreated.as_str(),
        actor.ip.as_deref(),
        actor.request_id.as_deref(),
        credential.map(audit::Credential::to_string),
        credential.and_then(audit::Credential::name),
    )
    .fetch_optional(pool)
    .await?;
    match (created, &task.idempotency) {
        (Some(created), _) => Ok(Accepted::Created(created)),
        (None, Some(idempotency)) => repeated(pool, actor, idempotency).await,
        // Only the key can conflict: the id is new.
        (None, None) => Ok(Accepted::TooMany),
    }
}

/// A request that is repeated is answered also when there is no place for another.
async fn repeated(
    pool: &PgPool,
    actor: &Actor,
    idempotency: &Idempotency,
) -> Result<Accepted, sqlx::Error> {
    let before = sqlx::query!(
        "SELECT id, request_hash = $3 AS \"is_same!\" FROM tasks WHERE user_id = $1 AND idempotency_key = $2",
        actor.user_id,
        idempotency.key,
        idempotency.request_hash,
    )
    .fetch_optional(pool)
    .await?;
    Ok(match before {
        Some(before) if before.is_same => {
            let status = query_status!("SELECT", "FROM tasks WHERE id = $1", before.id)
                .fetch_one(pool)
                .await?;
            Accepted::Repeated(status)
        }
        Some(_) => Accepted::KeyReused,
        None => Accepted::TooMany,
    })
}

/// Forgets up to `limit` idempotency keys that are older than a day; answers with how many.
///
/// # Errors
/// Those of the database.
pub async fn forget_idempotency_keys(pool: &PgPool, limit: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE tasks SET idempotency_key = NULL, request_hash = NULL WHERE id IN (\
         SELECT id FROM tasks WHERE idempotency_key IS NOT NULL AND created_at < now() - interval '1 day' \
         ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
        limit,
    )
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
    let present = query_status!(
        "SELECT",
        "FROM tasks WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2) FOR UPDATE",
        id,
        scope.user(),
    )
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
    let changed = if present.in_cluster {
        query_status!(
            "UPDATE tasks SET cancel_requested_at = now(), outbox_at = now(), updated_at = now(), \
             revision = revision + 1 WHERE id = $1 RETURNING",
            "",
            id,
        )
        .fetch_one(&mut *transaction)
        .await?
    } else {
        query_status!(
            "UPDATE tasks SET cancel_requested_at = now(), state = 'canceled', finished_at = now(), queue_position = NULL, \
             reason = $2, message = 'The task was canceled before it started.', \
             outbox_at = CASE WHEN outbox_attempts = 0 THEN NULL ELSE outbox_at END, \
             updated_at = now(), revision = revision + 1 WHERE id = $1 RETURNING",
            "",
            id,
            reasons::CANCELED,
        )
        .fetch_one(&mut *transaction)
        .await?
    };
    audit::record(&mut transaction, actor, Action::TaskCanceled, Some(id)).await?;
    transaction.commit().await?;
    Ok(if changed.phase.is_final() {
        Canceled::AtOnce(changed)
    } else {
        Canceled::Requested(changed)
    })
}

/// A task, for its owner.
#[derive(Clone, Debug)]
pub struct TaskRow {
    /// The state.
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

/// A statement that answers with [`TaskRow`]: the columns that lists have shorter, what stands after all columns, and the parameters.
macro_rules! query_task {
    ($columns:literal, $after:literal, $($parameter:expr),+ $(,)?) => {
        sqlx::query!(
            "SELECT id, revision, state AS \"phase: crate::database::status::State\", queue_position, exit_code, reason, message, \
             created_at, started_at, finished_at, updated_at, last_frame, cancel_requested_at, \
             cr_created_at IS NOT NULL AS \"in_cluster!\", name, owner, cwd, repository, model, timeout_seconds, \
             usage AS \"usage: sqlx::types::Json<serde_json::Value>\", thread_id, resume_from, "
                + $columns
                + $after,
            $($parameter),+
        )
        .map(|row| $crate::database::tasks::TaskRow {
            status: $crate::database::status::TaskStatus {
                id: row.id,
                revision: row.revision,
                phase: row.phase.into(),
                queue_position: row.queue_position,
                exit_code: row.exit_code,
                reason: row.reason,
                message: row.message,
                created_at: row.created_at,
                started_at: row.started_at,
                finished_at: row.finished_at,
                updated_at: row.updated_at,
                last_frame: row.last_frame,
                cancel_requested_at: row.cancel_requested_at,
                in_cluster: row.in_cluster,
            },
            name: row.name,
            owner: row.owner,
            prompt: row.prompt,
            prompt_truncated: row.prompt_truncated,
            cwd: row.cwd,
            repository: row.repository,
            env: row.env,
            model: row.model,
            timeout_seconds: row.timeout_seconds,
            usage: row.usage,
            thread_id: row.thread_id,
            resume_from: row.resume_from,
        })
    };
}
pub(super) use query_task;

/// One task.
///
/// # Errors
/// Those of the database.
pub async fn find(pool: &PgPool, scope: Scope, id: Uuid) -> Result<Option<TaskRow>, sqlx::Error> {
    query_task!(
        "prompt, false AS \"prompt_truncated!\", env AS \"env: Json<BTreeMap<String, String>>\"",
        " FROM tasks WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)",
        id,
        scope.user(),
    )
    .fetch_optional(pool)
    .await
}

/// Whether there is such a task in the scope.
///
/// # Errors
/// Those of the database.
pub async fn is_visible(pool: &PgPool, scope: Scope, id: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT EXISTS (SELECT 1 FROM tasks WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)) AS \"exists!\"",
        id,
        scope.user(),
    )
    .fetch_one(pool)
    .await
}
