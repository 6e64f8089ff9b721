//! `CodexTask`: one prompt for Codex, and what became of it.

#![expect(
    clippy::duplicated_attributes,
    reason = "every printer column repeats the keys of the others"
)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::phase::Phase;

/// What a user asks for. Everything but `cancel` is fixed once the task is created.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[kube(
    group = "codexrunner.io",
    version = "v1alpha1",
    kind = "CodexTask",
    plural = "codextasks",
    singular = "codextask",
    shortname = "ctask",
    category = "codex",
    namespaced,
    status = "CodexTaskStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A CodexTask is one prompt for the Codex CLI, run in a Pod of its own.",
    selectable = ".status.phase",
    selectable = ".spec.user",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Repository",
        type_ = "string",
        json_path = ".status.repository"
    ),
    printcolumn(name = "User", type_ = "string", json_path = ".spec.user"),
    printcolumn(name = "Exit", type_ = "integer", json_path = ".status.exitCode"),
    printcolumn(name = "Duration", type_ = "string", json_path = ".status.duration"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.reason",
        priority = "1"
    ),
    printcolumn(
        name = "Queue",
        type_ = "integer",
        json_path = ".status.queuePosition",
        priority = "1"
    ),
    printcolumn(
        name = "Pod",
        type_ = "string",
        json_path = ".status.podName",
        priority = "1"
    )
)]
#[x_kube(validation = ("self.prompt == oldSelf.prompt && \
    has(self.cwd) == has(oldSelf.cwd) && (!has(self.cwd) || self.cwd == oldSelf.cwd) && \
    has(self.env) == has(oldSelf.env) && (!has(self.env) || self.env == oldSelf.env) && \
    has(self.model) == has(oldSelf.model) && (!has(self.model) || self.model == oldSelf.model) && \
    has(self.timeoutSeconds) == has(oldSelf.timeoutSeconds) && \
    (!has(self.timeoutSeconds) || self.timeoutSeconds == oldSelf.timeoutSeconds) && \
    has(self.resumeFrom) == has(oldSelf.resumeFrom) && \
    (!has(self.resumeFrom) || self.resumeFrom == oldSelf.resumeFrom) && \
    has(self.user) == has(oldSelf.user) && (!has(self.user) || self.user == oldSelf.user) && \
    has(self.ttlSecondsAfterFinished) == has(oldSelf.ttlSecondsAfterFinished) && \
    (!has(self.ttlSecondsAfterFinished) || self.ttlSecondsAfterFinished == oldSelf.ttlSecondsAfterFinished) && \
    has(self.queueName) == has(oldSelf.queueName) && (!has(self.queueName) || self.queueName == oldSelf.queueName)",
    "the spec of a CodexTask cannot change, except for cancel; create a new task instead"))]
#[x_kube(validation = ("!oldSelf.cancel || self.cancel", "cancel cannot be taken back; create a new task instead"))]
#[serde(rename_all = "camelCase")]
pub struct CodexTaskSpec {
    /// What Codex shall do. Given to it on standard input, never as an argument.
    #[schemars(length(min = 1, max = 262_144))]
    pub prompt: String,
    /// Absolute folder inside an allow-listed repository, for example `/srv/repos/app/server`. Without it the task runs in the
    /// default repository, or in the only one there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub cwd: Option<String>,
    /// Environment variables for Codex and its commands. Names that steer the loader, git or Codex itself are refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64), schema_with = "env_schema")]
    pub env: BTreeMap<String, String>,
    /// The model; without it the default of the repository or of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$")
    )]
    pub model: Option<String>,
    /// The time limit, in seconds from the start of the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub timeout_seconds: Option<i64>,
    /// The id of a finished task whose Codex session this one continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub resume_from: Option<String>,
    /// Who asked, for limits and for the record. The gateway sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub user: Option<String>,
    /// How long the finished task stays in Kubernetes, in seconds. Its record in the gateway stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub ttl_seconds_after_finished: Option<i64>,
    /// The LocalQueue of Kueue that the task's Pod waits in; without it that of the operator's configuration, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub queue_name: Option<String>,
    /// Set to true to end the task. It cannot be taken back.
    #[serde(default)]
    pub cancel: bool,
}

impl CodexTaskSpec {
    /// The time limit in force, in seconds.
    #[must_use]
    pub fn timeout_or(&self, repository_default: Option<i64>) -> i64 {
        self.timeout_seconds
            .or(repository_default)
            .unwrap_or(limits::DEFAULT_TIMEOUT_SECONDS)
            .clamp(limits::MIN_TIMEOUT_SECONDS, limits::MAX_TIMEOUT_SECONDS)
    }
}

impl CodexTask {
    /// The id of the task in the log, in the database and on the wire.
    ///
    /// The gateway names the resource after the id, a UUID. A task that was made with `kubectl` has a name that may be used again
    /// after a deletion; its record must not mix with the old one, so its id is the UID of the resource.
    #[must_use]
    pub fn task_id(&self) -> Option<String> {
        let name = self.metadata.name.as_deref()?;
        if is_uuid(name) {
            return Some(name.to_owned());
        }
        self.metadata.uid.clone()
    }

    /// The state in the status; `queued` while there is none.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.status
            .as_ref()
            .and_then(|status| status.phase)
            .unwrap_or_default()
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

/// What became of the task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CodexTaskStatus {
    /// The state of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The generation of the task that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Steps on the way, in the usual form of Kubernetes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Place in the queue, from 1; absent once the task has its turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<i64>,
    /// The repository that `cwd` was found in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The Pod of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
    /// When the Pod's container started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the task ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// From start to end, for people, for example `1m12s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// The exit code of Codex, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// One word for the outcome; see the module `reasons`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What happened and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Tokens that the thread has used so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The Codex thread, for follow-up turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    /// Number of the last frame of the log; set at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_frame: Option<i64>,
    /// Where the archived log is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// When the archive was complete; the time to live counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Time>,
}

/// Tokens, cumulative over the thread: Codex counts resumed turns in, so these numbers are never added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens read by the model.
    #[serde(default, alias = "input_tokens")]
    pub input_tokens: i64,
    /// The part of `inputTokens` that came from the cache.
    #[serde(default, alias = "cached_input_tokens")]
    pub cached_input_tokens: i64,
    /// Tokens written by the model.
    #[serde(default, alias = "output_tokens")]
    pub output_tokens: i64,
    /// The part of `outputTokens` that went into reasoning.
    #[serde(default, alias = "reasoning_output_tokens")]
    pub reasoning_output_tokens: i64,
}

fn env_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": limits::MAX_ENV_VARS,
        "additionalProperties": { "type": "string", "maxLength": limits::MAX_ENV_VALUE_BYTES },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uuid_names_are_ids() {
        let mut task = CodexTask::new(
            "0190d9f5-0000-7000-8000-0123456789ab",
            CodexTaskSpec::default(),
        );
        task.metadata.uid = Some("uid".into());
        assert_eq!(task.task_id().as_deref(), task.metadata.name.as_deref());
        task.metadata.name = Some("nightly".into());
        assert_eq!(task.task_id().as_deref(), Some("uid"));
        assert_eq!(task.phase(), Phase::Queued);
    }
}
