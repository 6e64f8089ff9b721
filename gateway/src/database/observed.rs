//! What the recorder writes: the states that Kubernetes reports.

use chrono::{DateTime, Utc};
use codex_crds::Phase;
use serde_json::Value;
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use super::audit::{self, Action, Actor};
use super::status::{State, TaskStatus, query_status};

/// A task as Kubernetes shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// The state.
    pub phase: Phase,
    /// Place in the queue, from 1.
    pub queue_position: Option<i64>,
    /// The exit code of Codex.
    pub exit_code: Option<i32>,
    /// One word for the outcome.
    pub reason: Option<String>,
    /// What happened and what to do about it.
    pub message: Option<String>,
    /// When the container started.
    pub started_at: Option<DateTime<Utc>>,
    /// When the task ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Tokens of the thread.
    pub usage: Option<Value>,
    /// The Codex thread.
    pub thread_id: Option<String>,
    /// Number of the last frame.
    pub last_frame: Option<i64>,
    /// The repository of the task's `cwd`.
    pub repository: Option<String>,
}

/// What is on record of a task, as far as an observation can change it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Grows with every change.
    pub revision: i64,
    /// The state.
    pub phase: Phase,
    queue_position: Option<i64>,
    exit_code: Option<i32>,
    reason: Option<String>,
    message: Option<String>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    usage: Option<Json<Value>>,
    thread_id: Option<String>,
    last_frame: Option<i64>,
    repository: Option<String>,
    /// Whether somebody asked for the end.
    pub cancel_requested: bool,
}

impl Recorded {
    /// One word for the state, for the log.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The record after an observation; nothing when the observation adds nothing or is older than the record.
    ///
    /// States only move forward, and what is known of a task is never forgotten: a field that the observation lacks keeps
    /// its value, except for the place in the queue and the reason to wait. That the resource exists is nothing new by itself: whoever
    /// made it is about to write it down, or the lease of the outbox runs out and another does.
    #[must_use]
    pub fn after(&self, seen: &Observation) -> Option<Self> {
        if !self.phase.may_become(seen.phase) {
            return None;
        }
        // A reason to wait is over with the waiting; the reason of an end stays.
        let same_end = self.phase.is_final();
        let next = Self {
            phase: seen.phase,
            queue_position: seen.queue_position.filter(|_| seen.phase == Phase::Queued),
            exit_code: seen.exit_code.or(self.exit_code),
            reason: seen
                .reason
                .clone()
                .or_else(|| self.reason.clone().filter(|_| same_end)),
            message: seen
                .message
                .clone()
                .or_else(|| self.message.clone().filter(|_| same_end)),
            started_at: seen.started_at.or(self.started_at),
            finished_at: seen.finished_at.or(self.finished_at),
            usage: seen.usage.clone().map(Json).or_else(|| self.usage.clone()),
            thread_id: seen.thread_id.clone().or_else(|| self.thread_id.clone()),
            last_frame: seen.last_frame.or(self.last_frame),
            repository: seen.repository.clone().or_else(|| self.repository.clone()),
            ..self.clone()
        };
        (next != *self).then_some(next)
    }
}

/// A task that was made in Kubernetes, for its first record.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// The id.
    pub id: Uuid,
    /// The name of the `CodexTask`.
    pub name: String,
    /// Who asked.
    pub owner: String,
    /// What Codex shall do.
    pub prompt: String,
    /// The folder.
    pub cwd: Option<String>,
    /// Environment variables.
    pub env: std::collections::BTreeMap<String, String>,
    /// The model.
    pub model: Option<String>,
    /// The time limit.
    pub timeout_seconds: Option<i64>,
    /// The task whose session it continues.
    pub resume_from: Option<Uuid>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// What is on record of a task.
///
/// # Errors
/// Those of the database.
pub async fn find(pool: &PgPool, id: Uuid) -> Result<Option<Recorded>, sqlx::Error> {
    sqlx::query_as!(
        Recorded,
        "SELECT revision, state AS \"phase: State\", queue_position, exit_code, reason, message, started_at, finished_at, \
         usage AS \"usage: Json<Value>\", thread_id, last_frame, repository, \
         cancel_requested_at IS NOT NULL AS \"cancel_requested!\" FROM tasks WHERE id = $1",
        id,
    )
    .fetch_optional(pool)
    .await
}

/// Writes `next` when the record is still at the revision that it was derived from; nothing otherwise.
///
/// # Errors
/// Those of the database.
pub async fn write(
    pool: &PgPool,
    id: Uuid,
    next: &Recorded,
) -> Result<Option<TaskStatus>, sqlx::Error> {
    query_status!(
        "UPDATE tasks SET state = $3, queue_position = $4, exit_code = $5, reason = $6, message = $7, started_at = $8, \
         finished_at = CASE WHEN $3 IN ('queued', 'running') THEN NULL ELSE COALESCE($9, now()) END, \
         usage = $10, thread_id = $11, last_frame = $12, repository = $13, \
         cr_created_at = COALESCE(cr_created_at, now()), updated_at = now(), revision = revision + 1 \
         WHERE id = $1 AND revision = $2 RETURNING",
        "",
        id,
        next.revision,
        State(next.phase) as State,
        next.queue_position,
        next.exit_code,
        next.reason.as_deref(),
        next.message.as_deref(),
        next.started_at,
        next.finished_at,
        next.usage.as_ref() as Option<&Json<Value>>,
        next.thread_id.as_deref(),
        next.last_frame,
        next.repository.as_deref(),
    )
    .fetch_optional(pool)
    .await
}

/// Takes a task that was made in Kubernetes into the record, together with its audit row. Nothing happens when it is there.
///
/// # Errors
/// Those of the database.
pub async fn adopt(pool: &PgPool, task: &Adopted) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let done = sqlx::query!(
        "INSERT INTO tasks (id, name, owner, prompt, cwd, env, model, timeout_seconds, created_at, cr_created_at, \
         resume_from) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), $10) ON CONFLICT (id) DO NOTHING",
        task.id,
        task.name,
        task.owner,
        task.prompt,
        task.cwd.as_deref(),
        Json(&task.env) as _,
        task.model.as_deref(),
        task.timeout_seconds,
        task.created_at,
        task.resume_from,
    )
    .execute(&mut *transaction)
    .await?;
    if done.rows_affected() == 1 {
        let actor = Actor::system(&task.owner);
        audit::record(&mut transaction, &actor, Action::TaskAdopted, Some(task.id)).await?;
    }
    transaction.commit().await
}

/// The tasks that have a `CodexTask` and have not ended, with the name of the resource.
///
/// # Errors
/// Those of the database.
pub async fn open_tasks(pool: &PgPool) -> Result<Vec<(Uuid, String)>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, name FROM tasks WHERE state IN ('queued', 'running') AND cr_created_at IS NOT NULL",
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(phase: Phase) -> Recorded {
        Recorded {
            revision: 1,
            phase,
            queue_position: None,
            exit_code: None,
            reason: None,
            message: None,
            started_at: None,
            finished_at: None,
            usage: None,
            thread_id: None,
            last_frame: None,
            repository: Some("app".into()),
            cancel_requested: false,
        }
    }

    fn seen(phase: Phase) -> Observation {
        Observation {
            phase,
            ..Observation::default()
        }
    }

    #[test]
    fn old_news_change_nothing() {
        for from in Phase::ALL {
            for to in Phase::ALL {
                let next = recorded(from).after(&seen(to));
                assert_eq!(
                    next.is_some(),
                    from != to && from.may_become(to),
                    "{from} to {to}"
                );
            }
        }
    }

    #[test]
    fn what_is_known_stays_known() {
        let mut observation = seen(Phase::Running);
        observation.thread_id = Some("t".into());
        observation.queue_position = Some(3);
        let running = recorded(Phase::Queued).after(&observation).unwrap();
        assert_eq!(running.queue_position, None);
        let done = running.after(&seen(Phase::Completed)).unwrap();
        assert_eq!(done.thread_id.as_deref(), Some("t"));
        assert_eq!(done.repository.as_deref(), Some("app"));
        assert_eq!(done.after(&seen(Phase::Completed)), None);
    }

    #[test]
    fn places_in_the_queue_come_and_go() {
        let mut observation = seen(Phase::Queued);
        observation.queue_position = Some(2);
        let waiting = recorded(Phase::Queued).after(&observation).unwrap();
        assert_eq!(waiting.queue_position, Some(2));
        assert_eq!(
            waiting.after(&seen(Phase::Queued)).unwrap().queue_position,
            None
        );
    }
}
