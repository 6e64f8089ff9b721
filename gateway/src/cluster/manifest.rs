//! From a row of the outbox to the resource, and from the resource to what is recorded of it. Pure functions.

use chrono::{DateTime, Utc};
use codex_crds::{CodexTask, CodexTaskSpec, meta};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use uuid::Uuid;

use crate::database::observed::{Adopted, Observation};
use crate::database::outbox::Entry;

/// Who owns a task that names nobody.
const KUBECTL: &str = "kubectl";

/// The resource of an accepted task.
///
/// It carries the gateway's finalizer from the start, so that it cannot disappear before its end is on record, and the wish to
/// end, so that a task that was canceled in the meantime never starts.
#[must_use]
pub fn task_resource(entry: &Entry) -> CodexTask {
    let spec = CodexTaskSpec {
        prompt: entry.prompt.clone(),
        cwd: entry.cwd.clone(),
        env: entry.env.0.clone(),
        model: entry.model.clone(),
        timeout_seconds: entry.timeout_seconds,
        resume_from: entry.resume_from.map(|id| id.to_string()),
        user: Some(entry.owner.clone()),
        cancel: entry.cancel_requested_at.is_some(),
        ..CodexTaskSpec::default()
    };
    let mut task = CodexTask::new(&entry.name, spec);
    task.metadata.finalizers = Some(vec![meta::GATEWAY_FINALIZER.to_owned()]);
    task.metadata.labels = Some([(meta::TASK_LABEL.to_owned(), entry.id.to_string())].into());
    task.metadata.annotations = entry
        .traceparent
        .as_ref()
        .map(|trace| [(meta::TRACEPARENT_ANNOTATION.to_owned(), trace.clone())].into());
    task
}

/// What Kubernetes says about a task.
#[must_use]
pub fn observation(task: &CodexTask) -> Observation {
    let Some(status) = &task.status else {
        return Observation::default();
    };
    Observation {
        phase: task.phase(),
        queue_position: status.queue_position,
        exit_code: status.exit_code,
        reason: text(status.reason.as_deref()),
        message: text(status.message.as_deref()),
        started_at: timestamp(status.started_at.as_ref()),
        finished_at: timestamp(status.finished_at.as_ref()),
        // The API speaks snake_case, as Codex itself does.
        usage: status.usage.map(|usage| {
            serde_json::json!({
                "input_tokens": usage.input_tokens,
                "cached_input_tokens": usage.cached_input_tokens,
                "output_tokens": usage.output_tokens,
                "reasoning_output_tokens": usage.reasoning_output_tokens,
            })
        }),
        thread_id: text(status.thread_id.as_deref()),
        last_frame: status.last_frame,
        repository: text(status.repository.as_deref()),
    }
}

/// The first record of a task that the gateway did not make.
#[must_use]
pub fn adopted(id: Uuid, task: &CodexTask) -> Adopted {
    let spec = &task.spec;
    let env = spec
        .env
        .iter()
        .map(|(name, value)| (clean(name), clean(value)));
    Adopted {
        id,
        name: task.metadata.name.clone().unwrap_or_default(),
        owner: text(spec.user.as_deref()).unwrap_or_else(|| KUBECTL.to_owned()),
        prompt: clean(&spec.prompt),
        cwd: text(spec.cwd.as_deref()),
        env: env.collect(),
        model: text(spec.model.as_deref()),
        timeout_seconds: spec.timeout_seconds,
        resume_from: spec.resume_from.as_deref().and_then(|id| id.parse().ok()),
        created_at: timestamp(task.metadata.creation_timestamp.as_ref()).unwrap_or_else(Utc::now),
    }
}

fn timestamp(time: Option<&Time>) -> Option<DateTime<Utc>> {
    let time = time?.0;
    let nanoseconds = u32::try_from(time.subsec_nanosecond()).unwrap_or(0);
    DateTime::from_timestamp(time.as_second(), nanoseconds)
}

fn text(value: Option<&str>) -> Option<String> {
    value.filter(|text| !text.is_empty()).map(clean)
}

/// Kubernetes allows NUL in strings, PostgreSQL does not.
fn clean(value: &str) -> String {
    value.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use codex_crds::{CodexTaskStatus, Phase};

    #[test]
    fn a_task_that_was_made_by_hand_is_taken_over_as_it_is() {
        let spec = CodexTaskSpec {
            prompt: "a\0b".into(),
            ..CodexTaskSpec::default()
        };
        let mut task = CodexTask::new("nightly", spec);
        let id = Uuid::now_v7();
        let row = adopted(id, &task);
        assert_eq!(
            (row.owner.as_str(), row.name.as_str()),
            ("kubectl", "nightly")
        );
        assert_eq!(row.prompt, "a\u{fffd}b");
        task.spec.user = Some("ci".into());
        assert_eq!(adopted(id, &task).owner, "ci");
    }

    #[test]
    fn times_keep_their_fractions() {
        let mut task = CodexTask::new("x", CodexTaskSpec::default());
        assert_eq!(observation(&task).phase, Phase::Queued);
        task.status = Some(CodexTaskStatus {
            phase: Some(Phase::Running),
            started_at: Some(Time("2026-01-02T03:04:05.25Z".parse().unwrap())),
            ..CodexTaskStatus::default()
        });
        let seen = observation(&task);
        assert_eq!(
            seen.started_at.unwrap().to_rfc3339(),
            "2026-01-02T03:04:05.250+00:00"
        );
    }
}
