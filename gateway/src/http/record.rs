//! How a task looks on the wire.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use codex_crds::Phase;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::database::status::TaskStatus;
use crate::database::tasks::TaskRow;
use crate::streams::encode::rfc3339;

/// The state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TaskState)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Accepted, and waiting for its turn.
    Queued,
    /// Codex works.
    Running,
    /// Codex ended with exit code 0.
    Completed,
    /// It ended otherwise; `reason` and `message` say how.
    Error,
    /// Somebody asked for the end.
    Canceled,
}

impl From<Phase> for State {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Queued => Self::Queued,
            Phase::Running => Self::Running,
            Phase::Completed => Self::Completed,
            Phase::Error => Self::Error,
            Phase::Canceled => Self::Canceled,
        }
    }
}

/// A task.
#[derive(Debug, Serialize, ToSchema)]
pub struct Task {
    #[schema(format = Uuid)]
    task_id: String,
    status: State,
    /// Who asked: an email address, or what the `CodexTask` says.
    owner: String,
    /// What Codex shall do; in a list only the beginning.
    prompt: String,
    /// Whether `prompt` is only the beginning; left out when not.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "is_false")]
    prompt_truncated: bool,
    /// The folder.
    #[schema(required)]
    cwd: Option<String>,
    /// The name of the repository that it is in.
    #[schema(required)]
    repository: Option<String>,
    /// Environment variables; left out when there are none, and in lists.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    #[schema(required)]
    model: Option<String>,
    #[schema(required)]
    timeout_seconds: Option<i64>,
    /// Place in the queue, from 1; known while the task waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_position: Option<i64>,
    /// What Codex ended with, where it ended by itself.
    #[schema(required)]
    exit_code: Option<i32>,
    /// One word for the outcome, or for why the task waits.
    #[schema(required)]
    reason: Option<String>,
    /// What happened, and what to do about it.
    #[schema(required)]
    message: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(required, format = DateTime)]
    started_at: Option<String>,
    #[schema(required, format = DateTime)]
    finished_at: Option<String>,
    #[schema(required, format = DateTime)]
    cancel_requested_at: Option<String>,
    /// Tokens of the thread, as Codex reports them.
    #[schema(required, value_type = Option<Object>)]
    usage: Option<Value>,
    /// The Codex thread.
    #[schema(required)]
    thread_id: Option<String>,
    /// The task whose session it continues; left out when it began a session of its own.
    #[schema(required = false, format = Uuid)]
    #[serde(skip_serializing_if = "Option::is_none")]
    resume_from: Option<String>,
    /// The number of the last frame of the log; known at the end.
    #[schema(required)]
    last_frame: Option<i64>,
    /// The name of the `CodexTask`, where it is not the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<String>,
}

impl From<TaskRow> for Task {
    fn from(row: TaskRow) -> Self {
        let status = row.status;
        let task_id = status.id.to_string();
        Self {
            resource_name: (row.name != task_id).then_some(row.name),
            task_id,
            status: status.phase.into(),
            owner: row.owner,
            prompt: row.prompt,
            prompt_truncated: row.prompt_truncated,
            cwd: row.cwd,
            repository: row.repository,
            env: row.env.0,
            model: row.model,
            timeout_seconds: row.timeout_seconds,
            queue_position: status.queue_position,
            exit_code: status.exit_code,
            reason: status.reason,
            message: status.message,
            created_at: rfc3339(status.created_at),
            started_at: optional(status.started_at),
            finished_at: optional(status.finished_at),
            cancel_requested_at: optional(status.cancel_requested_at),
            usage: row.usage.map(|usage| usage.0),
            thread_id: row.thread_id,
            resume_from: row.resume_from.map(|id| id.to_string()),
            last_frame: status.last_frame,
        }
    }
}

/// The short answer to a request that made or changed a task.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    #[schema(format = Uuid)]
    task_id: String,
    status: State,
    /// Whether the end was asked for; left out when not.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "is_false")]
    cancel_requested: bool,
}

impl From<&TaskStatus> for Receipt {
    fn from(status: &TaskStatus) -> Self {
        Self {
            task_id: status.id.to_string(),
            status: status.phase.into(),
            cancel_requested: status.cancel_requested_at.is_some(),
        }
    }
}

fn optional(time: Option<DateTime<Utc>>) -> Option<String> {
    time.map(rfc3339)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}
