//! The state of a task, as far as streams and the recorder need it.

use chrono::{DateTime, Utc};
use codex_crds::Phase;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, PgPool, Postgres, Type};
use uuid::Uuid;

use super::tasks::Scope;

/// A statement that answers with [`TaskStatus`]: what stands before its columns, what stands after them, and the parameters.
macro_rules! query_status {
    ($before:literal, $after:literal, $($parameter:expr),+ $(,)?) => {
        sqlx::query_as!(
            $crate::database::status::TaskStatus,
            $before
                + " id, revision, state AS \"phase: crate::database::status::State\", queue_position, exit_code, reason, message, \
                   created_at, started_at, finished_at, updated_at, last_frame, cancel_requested_at, \
                   cr_created_at IS NOT NULL AS \"in_cluster!\" "
                + $after,
            $($parameter),+
        )
    };
}
pub(crate) use query_status;

/// A [`Phase`] in a row: its own crate knows nothing of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(pub Phase);

impl From<State> for Phase {
    fn from(State(phase): State) -> Self {
        phase
    }
}

impl Type<Postgres> for State {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }

    fn compatible(info: &PgTypeInfo) -> bool {
        <str as Type<Postgres>>::compatible(info)
    }
}

impl<'r> Decode<'r, Postgres> for State {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let word = <&str as Decode<Postgres>>::decode(value)?;
        Ok(Self(word.parse()?))
    }
}

impl Encode<'_, Postgres> for State {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <&str as Encode<Postgres>>::encode_by_ref(&self.0.as_str(), buffer)
    }
}

/// The state of a task at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStatus {
    /// The id of the task.
    pub id: Uuid,
    /// Grows with every change.
    pub revision: i64,
    /// The state.
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

/// The present state of a task that is in the scope.
///
/// # Errors
/// Those of the database.
pub async fn find(
    pool: &PgPool,
    scope: Scope,
    id: Uuid,
) -> Result<Option<TaskStatus>, sqlx::Error> {
    query_status!(
        "SELECT",
        "FROM tasks WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)",
        id,
        scope.user(),
    )
    .fetch_optional(pool)
    .await
}
