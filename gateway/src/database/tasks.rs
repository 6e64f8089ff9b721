//! The record of tasks, as the HTTP API reads and writes it.

use std::collections::BTreeMap;

use codex_crds::{Phase, reasons};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::audit::{self, Action, Actor};
use super::status::{TaskStatus, status_columns};

/// How many characters of a prompt a list shows.
const PREVIEW: i32 = 280;

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
    const fn user(self) -> Option<Uuid> {
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
/// # Errors
/// Those of the database.
pub async fn accept(pool: &PgPool, actor: &Actor, task: &NewTask) -> Result<Accepted, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let id = Uuid::now_v7();
    let created: Option<TaskStatus> = sqlx::query_as(concat!(
        "INSERT INTO tasks (id, name, user_id, owner, prompt, cwd, repository, env, model, timeout_seconds, outbox_at, \
         idempotency_key, request_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now(), $11, $12) \
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
    .fetch_optional(&mut *transaction)
    .await?;
    if let Some(created) = created {
        audit::record(&mut transaction, actor, Action::TaskCreated, Some(id)).await?;
        transaction.commit().await?;
        return Ok(Accepted::Created(created));
    }
    let Some(idempotency) = &task.idempotency else {
        // Only the key can conflict: the id is new.
        return Err(sqlx::Error::RowNotFound);
    };
    repeated(&mut transaction, actor, idempotency).await
}

async fn repeated(
    connection: &mut PgConnection,
    actor: &Actor,
    idempotency: &Idempotency,
) -> Result<Accepted, sqlx::Error> {
    let before: Option<TaskStatus> = sqlx::query_as(concat!(
        "SELECT ",
        status_columns!(),
        " FROM tasks WHERE user_id = $1 AND idempotency_key = $2 AND request_hash = $3"
    ))
    .bind(actor.user_id)
    .bind(&idempotency.key)
    .bind(&idempotency.request_hash)
    .fetch_optional(connection)
    .await?;
    Ok(before.map_or(Accepted::KeyReused, Accepted::Repeated))
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
}

/// One task.
///
/// # Errors
/// Those of the database.
pub async fn find(pool: &PgPool, scope: Scope, id: Uuid) -> Result<Option<TaskRow>, sqlx::Error> {
    sqlx::query_as(concat!(
        "SELECT ",
        status_columns!(),
        ", name, owner, prompt, false AS prompt_truncated, cwd, repository, env, model, timeout_seconds, usage, thread_id \
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

/// Which part of which tasks.
#[derive(Clone, Debug)]
pub struct Query {
    /// Whose tasks.
    pub scope: Scope,
    /// How many of the newest to skip.
    pub offset: i64,
    /// How many to answer with.
    pub limit: i64,
    /// Only those in this state.
    pub phase: Option<Phase>,
    /// Only those whose prompt, repository, owner or id has this text.
    pub text: Option<String>,
}

/// A part of the tasks, newest first, and how many there are in all.
///
/// # Errors
/// Those of the database.
pub async fn list(pool: &PgPool, query: &Query) -> Result<(Vec<TaskRow>, i64), sqlx::Error> {
    let pattern = query.text.as_deref().map(like_pattern);
    let phase = query.phase.map(Phase::as_str);
    macro_rules! filter {
        () => {
            " FROM tasks WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR state = $2) \
             AND ($3::text IS NULL OR prompt ILIKE $3 OR repository ILIKE $3 OR owner ILIKE $3 OR id::text ILIKE $3)"
        };
    }
    let rows = sqlx::query_as(concat!(
        "SELECT ",
        status_columns!(),
        ", name, owner, left(prompt, $6) AS prompt, length(prompt) > $6 AS prompt_truncated, cwd, repository, \
         '{}'::jsonb AS env, model, timeout_seconds, usage, thread_id",
        filter!(),
        " ORDER BY created_at DESC, id DESC OFFSET $4 LIMIT $5"
    ))
    .bind(query.scope.user())
    .bind(phase)
    .bind(pattern.as_deref())
    .bind(query.offset)
    .bind(query.limit)
    .bind(PREVIEW)
    .fetch_all(pool)
    .await?;
    let total = sqlx::query_scalar(concat!("SELECT count(*)", filter!()))
        .bind(query.scope.user())
        .bind(phase)
        .bind(pattern.as_deref())
        .fetch_one(pool)
        .await?;
    Ok((rows, total))
}

/// Text to look for, with the characters escaped that mean something to LIKE.
fn like_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    #[test]
    fn wildcards_are_text() {
        assert_eq!(super::like_pattern(r"50%_\"), r"%50\%\_\\%");
    }
}
