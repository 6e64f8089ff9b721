//! How a task looks on the wire.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::database::status::TaskStatus;
use crate::database::tasks::TaskRow;
use crate::streams::encode::rfc3339;

/// A task.
#[derive(Debug, Serialize)]
pub struct Task {
    task_id: String,
    status: &'static str,
    owner: String,
    prompt: String,
    #[serde(skip_serializing_if = "is_false")]
    prompt_truncated: bool,
    cwd: Option<String>,
    repository: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    model: Option<String>,
    timeout_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_position: Option<i64>,
    exit_code: Option<i32>,
    reason: Option<String>,
    message: Option<String>,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    cancel_requested_at: Option<String>,
    usage: Option<Value>,
    thread_id: Option<String>,
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
            status: status.phase.as_str(),
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
            last_frame: status.last_frame,
        }
    }
}

/// The short answer to a request that made or changed a task.
#[derive(Debug, Serialize)]
pub struct Receipt {
    task_id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "is_false")]
    cancel_requested: bool,
}

impl From<&TaskStatus> for Receipt {
    fn from(status: &TaskStatus) -> Self {
        Self {
            task_id: status.id.to_string(),
            status: status.phase.as_str(),
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
