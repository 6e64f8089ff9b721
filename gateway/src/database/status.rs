//! The state of a task, as far as streams and the recorder need it.

use chrono::{DateTime, Utc};
use codex_crds::Phase;
use sqlx::PgPool;
use uuid::Uuid;

/// The columns of [`TaskStatus`], for the statements that answer with one.
macro_rules! status_columns {
    () => {
        "id, revision, state, queue_position, exit_code, reason, message, created_at, started_at, finished_at, \
         updated_at, last_frame, cancel_requested_at, cr_created_at IS NOT NULL AS in_cluster"
    };
}
pub(crate) use status_columns;

/// The state of a task at one revision.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TaskStatus {
    /// The id of the task.
    pub id: Uuid,
    /// Grows with every change.
    pub revision: i64,
    /// The state.
    #[sqlx(rename = "state", try_from = "String")]
    pub phase: Phase,
    /// Place in the queue, from 1.
    pub queue_position: Option<i64>,
    /// The exit code of Codex, where it has one.
    pub exit_code: Option<i32>,
    /// One word for the outcome.
    pub reason: Option<String>,
    /// What happened and what to do about it.
    pub message: Option<String>,
    /// When the task was accepted.
    pub created_at: DateTime<Utc>,
    /// When it started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// When this row last changed.
    pub updated_at: DateTime<Utc>,
    /// Number of the last frame of the log; known at the end.
    pub last_frame: Option<i64>,
    /// When somebody asked for the end.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// Whether there ever was a `CodexTask`, and so perhaps a log.
    pub in_cluster: bool,
}

impl TaskStatus {
    /// When the present state was reached.
    #[must_use]
    pub fn since(&self) -> DateTime<Utc> {
        match self.phase {
            Phase::Queued => self.created_at,
            Phase::Running => self.started_at.unwrap_or(self.updated_at),
            Phase::Completed | Phase::Error | Phase::Canceled => {
                self.finished_at.unwrap_or(self.updated_at)
            }
        }
    }
}

/// The present state of a task.
///
/// # Errors
/// Those of the database.
pub async fn find(pool: &PgPool, id: Uuid) -> Result<Option<TaskStatus>, sqlx::Error> {
    sqlx::query_as(concat!(
        "SELECT ",
        status_columns!(),
        " FROM tasks WHERE id = $1"
    ))
    .bind(id)
    .fetch_optional(pool)
    .await
}
