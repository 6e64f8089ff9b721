//! What Kubernetes still has to hear of: new tasks, and requests to end some.
//!
//! A row with `outbox_at` in the past is due. Whoever claims it moves `outbox_at` ahead by [`LEASE`], works, and then settles
//! the row or puts it back; a dispatcher that dies in between leaves a row that becomes due again. No transaction is open
//! while Kubernetes is asked. A gateway that can begin at once writes the row as claimed by itself ([`Due`]).

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use super::status::{TaskStatus, query_status};
use super::tasks::NewTask;

/// For how long a claimed row is left alone. Longer than any call to Kubernetes may take.
pub const LEASE: Duration = Duration::from_secs(15);

/// When the outbox has to look at a new row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Any gateway may claim it now.
    Now,
    /// Whoever writes it works on it, and others have to look when the lease runs out.
    WithWriter,
}

impl Due {
    /// From now on.
    pub(super) const fn delay(self) -> Duration {
        match self {
            Self::Now => Duration::ZERO,
            Self::WithWriter => LEASE,
        }
    }

    /// How often the row was tried.
    pub(super) const fn attempts(self) -> i32 {
        match self {
            Self::Now => 0,
            Self::WithWriter => 1,
        }
    }
}

/// A row that is due.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The id of the task.
    pub id: Uuid,
    /// The name of the `CodexTask`.
    pub name: String,
    /// Who asked.
    pub owner: String,
    /// What Codex shall do.
    pub prompt: String,
    /// The folder, normalised.
    pub cwd: Option<String>,
    /// Environment variables.
    pub env: Json<std::collections::BTreeMap<String, String>>,
    /// The model.
    pub model: Option<String>,
    /// The time limit.
    pub timeout_seconds: Option<i64>,
    /// The task whose session it continues.
    pub resume_from: Option<Uuid>,
    /// The trace of the request that made it, as a W3C `traceparent`.
    pub traceparent: Option<String>,
    /// When the end was asked for.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// When the `CodexTask` was known to exist.
    pub cr_created_at: Option<DateTime<Utc>>,
    /// How often this was tried, this time included.
    pub outbox_attempts: i32,
}

impl Entry {
    /// What [`claim`] would answer with for a task that was accepted as [`Due::WithWriter`].
    #[must_use]
    pub fn of_writer(id: Uuid, owner: String, task: NewTask) -> Self {
        Self {
            id,
            name: id.to_string(),
            owner,
            prompt: task.prompt,
            cwd: Some(task.cwd),
            env: Json(task.env),
            model: task.model,
            timeout_seconds: task.timeout_seconds,
            resume_from: task.resume_from,
            traceparent: task.traceparent,
            cancel_requested_at: None,
            cr_created_at: None,
            outbox_attempts: Due::WithWriter.attempts(),
        }
    }
}

/// Claims up to `limit` rows that are due, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn claim(pool: &PgPool, limit: i64) -> Result<Vec<Entry>, sqlx::Error> {
    let mut entries = sqlx::query_as!(
        Entry,
        "UPDATE tasks SET outbox_at = now() + $2, outbox_attempts = outbox_attempts + 1 \
         WHERE id IN (SELECT id FROM tasks WHERE outbox_at <= now() ORDER BY outbox_at, id LIMIT $1 FOR UPDATE SKIP LOCKED) \
         RETURNING id, name, owner, prompt, cwd, env AS \"env: _\", model, timeout_seconds, resume_from, traceparent, \
         cancel_requested_at, cr_created_at, outbox_attempts",
        limit,
        LEASE as _,
    )
    .fetch_all(pool)
    .await?;
    // UUIDv7 sorts by time; UPDATE promises no order.
    entries.sort_by_key(|entry| entry.id);
    Ok(entries)
}

/// These `CodexTask`s exist. Answers with those whose end has been asked for in the meantime, which they were not told.
///
/// The commit is not waited for: when PostgreSQL loses it in a crash, the rows become due again, and the resources are found under their names.
/// They cannot be gone by then, because they stay until their end is on record, and that commit carries every one before it to the disk.
///
/// # Errors
/// Those of the database.
pub async fn settle_created(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
    let settled = sqlx::query!(
        "UPDATE tasks SET cr_created_at = COALESCE(cr_created_at, now()), outbox_at = NULL, outbox_attempts = 0 \
         FROM set_config('synchronous_commit', 'off', true) \
         WHERE id = ANY($1) RETURNING id, cancel_requested_at IS NOT NULL AS \"is_canceled!\"",
        ids,
    )
    .fetch_all(pool)
    .await?;
    Ok(settled
        .into_iter()
        .filter(|row| row.is_canceled)
        .map(|row| row.id)
        .collect())
}

/// The request to end the task was delivered, or there is nothing that it could be delivered to.
///
/// # Errors
/// Those of the database.
pub async fn settle_canceled(pool: &PgPool, id: Uuid, in_cluster: bool) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE tasks SET outbox_at = NULL, outbox_attempts = 0, \
         cr_created_at = CASE WHEN $2 THEN COALESCE(cr_created_at, now()) ELSE cr_created_at END WHERE id = $1",
        id,
        in_cluster,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Puts a row back, to be tried again after `delay`.
///
/// # Errors
/// Those of the database.
pub async fn postpone(pool: &PgPool, id: Uuid, delay: Duration) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE tasks SET outbox_at = now() + $2 WHERE id = $1",
        id,
        delay as _,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Kubernetes refuses the task for good. Answers with the new state, or with nothing when the task had ended already.
///
/// # Errors
/// Those of the database.
pub async fn reject(
    pool: &PgPool,
    id: Uuid,
    reason: &str,
    message: &str,
) -> Result<Option<TaskStatus>, sqlx::Error> {
    query_status!(
        "UPDATE tasks SET state = CASE WHEN state = 'queued' THEN 'error' ELSE state END, \
         reason = CASE WHEN state = 'queued' THEN $2 ELSE reason END, \
         message = CASE WHEN state = 'queued' THEN $3 ELSE message END, \
         queue_position = NULL, finished_at = COALESCE(finished_at, now()), updated_at = now(), \
         outbox_at = NULL, revision = revision + 1 \
         WHERE id = $1 AND cr_created_at IS NULL RETURNING",
        "",
        id,
        reason,
        message,
    )
    .fetch_optional(pool)
    .await
}

/// Makes a row due whose request to end has not reached Kubernetes; answers whether it did.
///
/// # Errors
/// Those of the database.
pub async fn repeat_cancel(pool: &PgPool, id: Uuid) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE tasks SET outbox_at = now() \
         WHERE id = $1 AND cancel_requested_at IS NOT NULL AND outbox_at IS NULL",
        id,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How many tasks have not ended, by state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenTasks {
    /// Those that wait for their turn, or for Kubernetes to hear of them.
    pub queued: i64,
    /// Those that run.
    pub running: i64,
}

/// How many tasks have not ended. Those that have are nearly all that there ever were, and would have to be counted one by one.
///
/// # Errors
/// Those of the database.
pub async fn open_tasks(pool: &PgPool) -> Result<OpenTasks, sqlx::Error> {
    sqlx::query_as!(
        OpenTasks,
        "SELECT count(*) FILTER (WHERE state = 'queued') AS \"queued!\", \
         count(*) FILTER (WHERE state = 'running') AS \"running!\" \
         FROM tasks WHERE state IN ('queued', 'running')",
    )
    .fetch_one(pool)
    .await
}

/// How many rows wait.
///
/// # Errors
/// Those of the database.
pub async fn pending(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!("SELECT count(*) AS \"count!\" FROM tasks WHERE outbox_at IS NOT NULL")
        .fetch_one(pool)
        .await
}
