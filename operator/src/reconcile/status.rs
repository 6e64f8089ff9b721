//! The status of a task: pure changes of it, and the one way to write it.
//!
//! The operator is the only writer of the status. It writes all of it each time, by server-side apply with one field manager,
//! and with the version that it read, so that an operator that lost its place cannot put an old status over a new one.

use codex_crds::{CodexTask, CodexTaskStatus, Phase, conditions, meta, reasons};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::domain::admission::Blocked;
use crate::domain::outcome::{Intent, Outcome};
use crate::error::Error;
use crate::follow::Archived;

/// Changes to a status that begin with what is recorded.
pub(super) struct Draft {
    status: CodexTaskStatus,
    generation: Option<i64>,
    now: Timestamp,
}

struct Entry<'a> {
    kind: &'a str,
    is: Is,
    reason: &'a str,
    message: &'a str,
}

/// What a condition says.
#[derive(Clone, Copy)]
enum Is {
    True,
    False,
    Unknown,
}

impl Is {
    const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl Draft {
    pub(super) fn new(task: &CodexTask, now: Timestamp) -> Self {
        let mut status = task.status.clone().unwrap_or_default();
        status.observed_generation = task.metadata.generation;
        Self {
            status,
            generation: task.metadata.generation,
            now,
        }
    }

    /// Moves the state forward, never back.
    fn phase(&mut self, phase: Phase) {
        let present = self.status.phase.unwrap_or_default();
        if present.may_become(phase) {
            self.status.phase = Some(phase);
        }
    }

    fn set(&mut self, entry: &Entry<'_>) {
        let status = entry.is.as_str();
        let found = self
            .status
            .conditions
            .iter()
            .position(|condition| condition.type_ == entry.kind);
        let since = found
            .map(|at| &self.status.conditions[at])
            .filter(|condition| condition.status == status)
            .map_or(Time(self.now), |condition| {
                condition.last_transition_time.clone()
            });
        let condition = Condition {
            type_: entry.kind.to_owned(),
            status: status.to_owned(),
            reason: entry.reason.to_owned(),
            message: entry.message.to_owned(),
            observed_generation: self.generation,
            last_transition_time: since,
        };
        match found {
            Some(at) => self.status.conditions[at] = condition,
            None => self.status.conditions.push(condition),
        }
    }

    pub(super) fn place(mut self, position: usize, blocked: Blocked) -> CodexTaskStatus {
        self.phase(Phase::Queued);
        self.status.queue_position = i64::try_from(position).ok();
        let (reason, message) = match blocked {
            Blocked::User => (
                reasons::USER_LIMIT,
                "The user has as many running tasks as allowed.",
            ),
            Blocked::Global => (
                reasons::GLOBAL_LIMIT,
                "The cluster has as many running tasks as allowed.",
            ),
            Blocked::Storage => (
                reasons::STORAGE_PRESSURE,
                "The logs of running tasks wait for the stores in the operator's spool, which is nearly full. The task starts when the live log and the archive take them.",
            ),
        };
        self.set(&Entry {
            kind: conditions::ADMITTED,
            is: Is::False,
            reason,
            message,
        });
        self.status
    }

    pub(super) fn admitted(mut self, id: &str, repository: &str) -> CodexTaskStatus {
        self.phase(Phase::Queued);
        self.status.queue_position = None;
        self.status.pod_name = Some(meta::pod_name(id));
        self.status.repository = Some(repository.to_owned());
        self.set(&Entry {
            kind: conditions::ADMITTED,
            is: Is::True,
            reason: reasons::ADMITTED,
            message: "",
        });
        self.status
    }

    /// The Pod is there, and somebody holds it back.
    pub(super) fn gated(mut self, message: &str) -> CodexTaskStatus {
        self.phase(Phase::Queued);
        self.status.reason = Some(reasons::SCHEDULING_GATED.to_owned());
        self.status.message = Some(message.to_owned());
        self.set(&Entry {
            kind: conditions::STARTED,
            is: Is::False,
            reason: reasons::SCHEDULING_GATED,
            message,
        });
        self.status
    }

    /// Nobody holds the Pod back any more. The time of this change is what its time to start in counts from.
    pub(super) fn ungated(mut self) -> CodexTaskStatus {
        self.not_waiting();
        self.set(&Entry {
            kind: conditions::STARTED,
            is: Is::Unknown,
            reason: reasons::SCHEDULING,
            message: "",
        });
        self.status
    }

    /// A reason to wait is over with the waiting.
    fn not_waiting(&mut self) {
        self.status.reason = None;
        self.status.message = None;
    }

    pub(super) fn started(mut self, at: Timestamp) -> CodexTaskStatus {
        self.phase(Phase::Running);
        self.not_waiting();
        self.status.started_at.get_or_insert(Time(at));
        self.set(&Entry {
            kind: conditions::STARTED,
            is: Is::True,
            reason: reasons::RUNNING,
            message: "",
        });
        self.status
    }

    pub(super) fn cancel_requested(mut self, intent: Intent) -> CodexTaskStatus {
        let (reason, message) = match intent {
            Intent::Cancel => (reasons::CANCEL, "The end of the task was asked for."),
            Intent::Delete => (reasons::DELETED, "The CodexTask is being deleted."),
        };
        self.set(&Entry {
            kind: conditions::CANCEL_REQUESTED,
            is: Is::True,
            reason,
            message,
        });
        self.status
    }

    pub(super) fn archive_failing(mut self, error: &str) -> CodexTaskStatus {
        self.set(&Entry {
            kind: conditions::ARCHIVED,
            is: Is::False,
            reason: reasons::STORAGE_UNAVAILABLE,
            message: &format!(
                "The log cannot be archived: {error}. The operator tries again; the annotation {}=true gives the log up.",
                meta::FORCE_FINISH_ANNOTATION
            ),
        });
        self.status
    }

    pub(super) fn archive_recovered(mut self) -> CodexTaskStatus {
        self.set(&Entry {
            kind: conditions::ARCHIVED,
            is: Is::Unknown,
            reason: reasons::UPLOADING,
            message: "",
        });
        self.status
    }

    pub(super) fn finished(
        mut self,
        outcome: &Outcome,
        archived: Option<&Archived>,
    ) -> CodexTaskStatus {
        self.phase(outcome.phase);
        let now = self.now;
        let finished_at = outcome.finished_at.unwrap_or(now);
        let status = &mut self.status;
        status.queue_position = None;
        status.finished_at = Some(Time(finished_at));
        status.duration = status
            .started_at
            .as_ref()
            .map(|start| duration_text(finished_at.duration_since(start.0).as_secs().max(0)));
        status.exit_code = outcome.exit_code;
        status.reason = Some(outcome.reason.clone());
        status.message.clone_from(&outcome.message);
        if let Some(archived) = archived {
            status.usage = archived.picks.usage;
            status.thread_id.clone_from(&archived.picks.thread_id);
            status.last_frame = i64::try_from(archived.last).ok();
            status.archive = Some(archived.location.clone());
            status.archived_at = Some(Time(now));
        }
        self.set(&Entry {
            kind: conditions::FINISHED,
            is: Is::True,
            reason: &outcome.reason,
            message: outcome.message.as_deref().unwrap_or_default(),
        });
        match archived {
            Some(Archived {
                problem: Some(problem),
                ..
            }) => self.set(&Entry {
                kind: conditions::ARCHIVED,
                is: Is::True,
                reason: reasons::LOG_INCOMPLETE,
                message: problem,
            }),
            Some(_) => self.set(&Entry {
                kind: conditions::ARCHIVED,
                is: Is::True,
                reason: reasons::ARCHIVED,
                message: "",
            }),
            None => self.set(&Entry {
                kind: conditions::ARCHIVED,
                is: Is::False,
                reason: reasons::STORAGE_UNAVAILABLE,
                message: "The log could not be archived and was given up.",
            }),
        }
        self.status
    }
}

/// Whether the status shows this place in the queue.
pub(super) fn shows_place(task: &CodexTask, position: usize, blocked: Blocked) -> bool {
    let Some(status) = &task.status else {
        return false;
    };
    let reason = match blocked {
        Blocked::User => reasons::USER_LIMIT,
        Blocked::Global => reasons::GLOBAL_LIMIT,
        Blocked::Storage => reasons::STORAGE_PRESSURE,
    };
    status.queue_position == i64::try_from(position).ok()
        && status
            .conditions
            .iter()
            .any(|condition| condition.type_ == conditions::ADMITTED && condition.reason == reason)
}

/// Writes a status; answers with the task as it is then.
pub(super) async fn write(
    api: &Api<CodexTask>,
    task: &CodexTask,
    status: CodexTaskStatus,
) -> Result<CodexTask, Error> {
    let name = task
        .metadata
        .name
        .as_deref()
        .ok_or(Error::Incomplete("a name"))?;
    let patch = json!({
        "apiVersion": <CodexTask as kube::Resource>::api_version(&()),
        "kind": <CodexTask as kube::Resource>::kind(&()),
        "metadata": {"name": name, "resourceVersion": task.metadata.resource_version},
        "status": status,
    });
    let params = PatchParams::apply(meta::OPERATOR_NAME).force();
    Ok(api
        .patch_status(name, &params, &Patch::Apply(patch))
        .await?)
}

/// Seconds for people: `9s`, `1m12s`, `2h05m`.
fn duration_text(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration_text(9), "9s");
        assert_eq!(duration_text(72), "1m12s");
        assert_eq!(duration_text(7500), "2h05m");
    }

    #[test]
    fn a_condition_keeps_its_time_while_it_stays() {
        let mut task = CodexTask::default();
        let early = Timestamp::from_second(100).unwrap();
        let late = Timestamp::from_second(200).unwrap();
        task.status = Some(Draft::new(&task, early).place(2, Blocked::User));
        task.status = Some(Draft::new(&task, late).place(1, Blocked::Global));
        let status = task.status.as_ref().unwrap();
        assert_eq!(status.conditions.len(), 1);
        assert_eq!(status.conditions[0].last_transition_time.0, early);
        assert!(shows_place(&task, 1, Blocked::Global));
        assert!(!shows_place(&task, 1, Blocked::User));
        let status = Draft::new(&task, late).admitted("t", "app");
        assert_eq!(status.conditions[0].last_transition_time.0, late);
        assert_eq!(status.queue_position, None);
    }

    #[test]
    fn a_reason_to_wait_goes_with_the_waiting() {
        let mut task = CodexTask::default();
        let early = Timestamp::from_second(100).unwrap();
        let late = Timestamp::from_second(200).unwrap();
        let status = Draft::new(&task, early).gated("Kueue has it.");
        assert_eq!(status.reason.as_deref(), Some(reasons::SCHEDULING_GATED));
        task.status = Some(status);
        assert!(crate::observe::is_gate_recorded(&task));
        let status = Draft::new(&task, late).ungated();
        assert_eq!((&status.reason, &status.message), (&None, &None));
        task.status = Some(status);
        assert!(!crate::observe::is_gate_recorded(&task));
        assert_eq!(crate::observe::ungated_at(&task), Some(late));
    }

    #[test]
    fn a_final_state_stays() {
        let mut task = CodexTask::default();
        let now = Timestamp::from_second(100).unwrap();
        task.status =
            Some(Draft::new(&task, now).finished(&Outcome::canceled(Intent::Cancel), None));
        let status = Draft::new(&task, now).started(now);
        assert_eq!(status.phase, Some(Phase::Canceled));
    }
}
