//! From Kubernetes objects to what decisions need.

use codex_crds::{CodexTask, conditions, reasons};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::domain::outcome::Intent;
use crate::domain::pod::{Container, Deletion, PodFacts, PodPhase, Terminated, later};
use crate::plan::CONTAINER;

/// The facts about a Pod.
#[must_use]
pub fn pod_facts(pod: &Pod) -> PodFacts {
    let status = pod.status.clone().unwrap_or_default();
    let spec = pod.spec.as_ref();
    let condition = |kind: &str, value: &str| {
        status
            .conditions
            .iter()
            .flatten()
            .find(|condition| condition.type_ == kind && condition.status == value)
    };
    let container = status
        .container_statuses
        .iter()
        .flatten()
        .find(|container| container.name == CONTAINER)
        .and_then(|container| container.state.as_ref())
        .map_or(Container::Unknown, container);
    PodFacts {
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        phase: match status.phase.as_deref() {
            Some("Running") => PodPhase::Running,
            Some("Succeeded") => PodPhase::Succeeded,
            Some("Failed") => PodPhase::Failed,
            Some("Unknown") => PodPhase::Unknown,
            _ => PodPhase::Pending,
        },
        is_bound: spec
            .and_then(|spec| spec.node_name.as_deref())
            .is_some_and(|node| !node.is_empty()),
        start_time: status.start_time.as_ref().map(|time| time.0),
        deadline_seconds: spec.and_then(|spec| spec.active_deadline_seconds),
        deletion: pod
            .metadata
            .deletion_timestamp
            .as_ref()
            .map(|time| Deletion {
                due: time.0,
                is_confirmed: pod.metadata.deletion_grace_period_seconds == Some(0),
            }),
        container,
        gates: spec
            .iter()
            .flat_map(|spec| spec.scheduling_gates.iter().flatten())
            .map(|gate| gate.name.clone())
            .collect(),
        unschedulable: condition("PodScheduled", "False")
            .and_then(|condition| condition.message.clone()),
        disruption: condition("DisruptionTarget", "True")
            .and_then(|condition| condition.reason.clone())
            // Evictions through the API, for example by a drain, are deletions with a cause of their own.
            .filter(|reason| reason.starts_with("Deletion")),
        reason: status.reason,
        message: status.message,
    }
}

fn container(state: &ContainerState) -> Container {
    if let Some(terminated) = &state.terminated {
        return Container::Terminated(Terminated {
            exit_code: terminated.exit_code,
            reason: terminated.reason.clone(),
            message: terminated.message.clone(),
            started_at: terminated.started_at.as_ref().map(|time| time.0),
            finished_at: terminated.finished_at.as_ref().map(|time| time.0),
        });
    }
    if let Some(running) = &state.running {
        return Container::Running {
            since: running.started_at.as_ref().map(|time| time.0),
        };
    }
    state
        .waiting
        .as_ref()
        .map_or(Container::Unknown, |waiting| Container::Waiting {
            reason: waiting.reason.clone(),
            message: waiting.message.clone(),
        })
}

/// The condition of this type, when it is true.
#[must_use]
pub fn true_condition<'a>(task: &'a CodexTask, kind: &str) -> Option<&'a Condition> {
    condition(task, kind).filter(|condition| condition.status == "True")
}

/// The condition of this type.
#[must_use]
pub fn condition<'a>(task: &'a CodexTask, kind: &str) -> Option<&'a Condition> {
    task.status
        .iter()
        .flat_map(|status| &status.conditions)
        .find(|condition| condition.type_ == kind)
}

/// Whether the status says that the Pod waits for its scheduling gates.
#[must_use]
pub fn is_gate_recorded(task: &CodexTask) -> bool {
    condition(task, conditions::STARTED)
        .is_some_and(|condition| condition.reason == reasons::SCHEDULING_GATED)
}

/// When the scheduling gates of the Pod were gone.
#[must_use]
pub fn ungated_at(task: &CodexTask) -> Option<Timestamp> {
    condition(task, conditions::STARTED)
        .filter(|condition| condition.reason == reasons::SCHEDULING)
        .map(|condition| condition.last_transition_time.0)
}

/// When the task had its turn.
#[must_use]
pub fn admitted_at(task: &CodexTask) -> Option<Timestamp> {
    true_condition(task, conditions::ADMITTED).map(|condition| condition.last_transition_time.0)
}

/// Why the end of the task is wanted.
#[must_use]
pub fn intent(task: &CodexTask) -> Option<Intent> {
    if task.spec.cancel {
        Some(Intent::Cancel)
    } else if task.metadata.deletion_timestamp.is_some() {
        Some(Intent::Delete)
    } else {
        None
    }
}

/// When the finished task may be deleted.
#[must_use]
pub fn expires_at(task: &CodexTask) -> Option<Timestamp> {
    let status = task.status.as_ref()?;
    let end = status
        .archived_at
        .as_ref()
        .or(status.finished_at.as_ref())?;
    let ttl = task
        .spec
        .ttl_seconds_after_finished
        .unwrap_or(codex_crds::limits::DEFAULT_TTL_SECONDS);
    Some(later(end.0, SignedDuration::from_secs(ttl)))
}

/// When the task was submitted. Kubernetes counts in whole seconds, and may have heard of the task only later; the id that a gateway
/// gives to a task has the time in it (UUID version 7). It counts where it is within a day before the making of the resource, because
/// with `kubectl` anybody may choose it.
#[must_use]
pub fn submitted_at(task: &CodexTask) -> Timestamp {
    let created = task.metadata.creation_timestamp.as_ref();
    let created = created.map_or_else(Timestamp::now, |time| time.0);
    let named = task
        .task_id()
        .and_then(|id| uuid::Uuid::parse_str(&id).ok())
        .and_then(|id| id.get_timestamp())
        .and_then(|time| {
            let (seconds, nanoseconds) = time.to_unix();
            Timestamp::new(
                i64::try_from(seconds).ok()?,
                i32::try_from(nanoseconds).ok()?,
            )
            .ok()
        });
    named
        .filter(|named| {
            let before = created.duration_since(*named);
            // The second of the making was cut off.
            before > SignedDuration::from_secs(-1) && before < SignedDuration::from_hours(24)
        })
        .unwrap_or(created)
}

/// When the task was made, in microseconds since 1970.
#[must_use]
pub fn created_at(task: &CodexTask) -> i64 {
    task.metadata
        .creation_timestamp
        .as_ref()
        .map_or(0, |time| time.0.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_is_read() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"uid": "u", "deletionTimestamp": "2026-01-01T00:00:30Z", "deletionGracePeriodSeconds": 30},
            "spec": {"nodeName": "n", "activeDeadlineSeconds": 60, "containers": []},
            "status": {
                "phase": "Failed", "reason": "DeadlineExceeded", "startTime": "2026-01-01T00:00:00Z",
                "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}],
                "containerStatuses": [
                    {"name": "sidecar", "ready": true, "restartCount": 0, "image": "", "imageID": "", "state": {"running": {}}},
                    {"name": "codex", "ready": false, "restartCount": 0, "image": "", "imageID": "",
                     "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
                ]
            }
        }))
        .unwrap();
        let facts = pod_facts(&pod);
        assert_eq!(facts.phase, PodPhase::Failed);
        assert!(facts.is_bound && facts.has_started() && facts.is_terminal());
        assert_eq!(facts.deadline_seconds, Some(60));
        assert_eq!(facts.disruption.as_deref(), Some("DeletionByTaintManager"));
        assert_eq!(
            facts.terminated().unwrap().reason.as_deref(),
            Some("OOMKilled")
        );
        assert!(!facts.deletion.unwrap().is_confirmed);
    }
}
