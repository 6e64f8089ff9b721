//! How a task ended: from the end of its log, its Pod, and what users asked for.
//!
//! Rules, first match wins:
//! 1. The log ends with exit code 0 and the runner was not told to stop: `completed`, even when a cancel came in the same
//!    moment, because the work is done and the user should see that it is.
//! 2. A user asked for the end before that: `canceled`.
//! 3. The Pod says why it ended: time limit, memory, eviction, deletion, loss of the node.
//! 4. The end frame says why: its reason, or the exit code of Codex.
//! 5. There is no end frame: `RunnerLost`.

use codex_crds::{Phase, reasons};
use codex_tasklog::End;
use jiff::Timestamp;

use super::pod::{Container, PodFacts};

/// Why the end of a task is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// `spec.cancel` is true.
    Cancel,
    /// The `CodexTask` is being deleted.
    Delete,
}

/// How far the log has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogState {
    /// Nobody reads it.
    #[default]
    Unread,
    /// It is being read.
    Following,
    /// It ended with the runner's end frame.
    Ended(End),
    /// The runner cannot write any more, everything there was has been read, and there was no end frame.
    Exhausted,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The final state.
    pub phase: Phase,
    /// One word.
    pub reason: String,
    /// What happened and what to do about it.
    pub message: Option<String>,
    /// The exit code of Codex.
    pub exit_code: Option<i32>,
    /// When the runner ended, where that is known.
    pub finished_at: Option<Timestamp>,
}

impl Outcome {
    /// An outcome without exit code.
    #[must_use]
    pub fn error(reason: &str, message: impl Into<String>) -> Self {
        Self {
            phase: Phase::Error,
            reason: reason.to_owned(),
            message: Some(message.into()),
            exit_code: None,
            finished_at: None,
        }
    }

    /// The end that a user asked for.
    #[must_use]
    pub fn canceled(intent: Intent) -> Self {
        let message = match intent {
            Intent::Cancel => "The task was canceled on request.",
            Intent::Delete => "The task was canceled because its CodexTask was deleted.",
        };
        Self {
            phase: Phase::Canceled,
            ..Self::error(reasons::CANCELED, message)
        }
    }

    /// The end of a task whose Pod is not there any more.
    #[must_use]
    pub fn pod_deleted() -> Self {
        Self::error(
            reasons::POD_DELETED,
            "Somebody deleted the Pod of the task. Create the task again to run it once more.",
        )
    }
}

/// Decides how a task whose runner started has ended; `None` while it is too early to say.
#[must_use]
pub fn judge(
    pod: Option<&PodFacts>,
    log: &LogState,
    intent: Option<Intent>,
    now: Timestamp,
) -> Option<Outcome> {
    let end = match log {
        LogState::Unread | LogState::Following => return None,
        LogState::Ended(end) => Some(end),
        LogState::Exhausted => None,
    };
    let terminated = pod.and_then(PodFacts::terminated);
    let finished_at = terminated.and_then(|terminated| terminated.finished_at);
    let exit_code = end.and_then(|end| end.exit_code);
    let outcome = |outcome: Outcome| {
        Some(Outcome {
            exit_code,
            finished_at,
            ..outcome
        })
    };

    if let Some(end) = end
        && end.exit_code == Some(0)
        && end
            .reason
            .as_deref()
            .is_none_or(|reason| reason == reasons::COMPLETED)
    {
        return outcome(Outcome {
            phase: Phase::Completed,
            message: end.message.clone(),
            ..Outcome::error(reasons::COMPLETED, "")
        });
    }
    if let Some(intent) = intent {
        return outcome(Outcome::canceled(intent));
    }
    // Anything but a clean end has a cause that only the Pod may know, so it is heard first.
    if let Some(pod) = pod {
        if !pod.is_terminal() && pod.deletion.is_none() {
            return None;
        }
        if let Some(cause) = cause_in_pod(pod, now) {
            return outcome(cause);
        }
    }
    match end {
        Some(end) if end.reason.as_deref() == Some(reasons::CANCELED) => outcome(match pod {
            None => Outcome::pod_deleted(),
            Some(_) => Outcome::error(
                reasons::RUNNER_LOST,
                "The runner was told to stop, but not by the operator. Look for what stops Pods on the node, and create the task again.",
            ),
        }),
        Some(end) => outcome(from_end(end)),
        None => outcome(runner_lost(pod)),
    }
}

/// Why a Pod never came to run the task, in words for the user.
#[must_use]
pub fn never_started(pod: Option<&PodFacts>, last_error: Option<&str>) -> Outcome {
    let Some(pod) = pod else {
        return Outcome::error(
            reasons::POD_REJECTED,
            format!(
                "The Pod of the task could not be created: {}. Ask an administrator to check quotas and admission policies.",
                last_error.unwrap_or("the Kubernetes API refused it")
            ),
        );
    };
    let detail = |message: &Option<String>| message.clone().unwrap_or_default();
    match &pod.container {
        Container::Waiting {
            reason: Some(reason),
            message,
        } if is_image_trouble(reason) => Outcome::error(
            reasons::IMAGE_PULL,
            format!(
                "The image of the runner cannot be pulled ({reason}): {}. Ask an administrator to check the image name and the registry.",
                detail(message)
            ),
        ),
        Container::Waiting {
            reason: Some(reason),
            message,
        } if reason != "ContainerCreating" && reason != "PodInitializing" => Outcome::error(
            reasons::POD_REJECTED,
            format!(
                "The container of the task could not be started ({reason}): {}",
                detail(message)
            ),
        ),
        _ => {
            if let Some(message) = &pod.unschedulable {
                return Outcome::error(
                    reasons::UNSCHEDULABLE,
                    format!(
                        "No node has room for the Pod: {message}. Try again later, or ask for more nodes or smaller limits."
                    ),
                );
            }
            Outcome::error(
                reasons::POD_REJECTED,
                format!(
                    "The node did not start the Pod ({}): {}",
                    pod.reason.as_deref().unwrap_or("no reason given"),
                    detail(&pod.message)
                ),
            )
        }
    }
}

/// Whether waiting longer cannot help.
#[must_use]
pub fn is_hopeless(pod: &PodFacts) -> bool {
    matches!(&pod.container, Container::Waiting { reason: Some(reason), .. }
        if reason == "InvalidImageName" || reason == "ErrImageNeverPull")
}

fn is_image_trouble(reason: &str) -> bool {
    reason.contains("Image")
}

/// The end of a task by its time limit.
#[must_use]
pub fn timeout(deadline_seconds: Option<i64>) -> Outcome {
    let limit = deadline_seconds.map_or_else(String::new, |seconds| format!(" of {seconds} s"));
    Outcome::error(
        reasons::TIMEOUT,
        format!(
            "The time limit{limit} ended the task. Give it more time with timeoutSeconds, or split the work."
        ),
    )
}

fn cause_in_pod(pod: &PodFacts, now: Timestamp) -> Option<Outcome> {
    let detail = pod.message.as_deref().unwrap_or_default();
    let container_reason = pod
        .terminated()
        .and_then(|terminated| terminated.reason.as_deref());
    match pod.reason.as_deref() {
        Some("DeadlineExceeded") => return Some(timeout(pod.deadline_seconds)),
        Some("Evicted") => {
            return Some(Outcome::error(
                reasons::EVICTED,
                format!(
                    "The node evicted the Pod: {detail} Use less disk or memory, or ask for higher limits of the repository."
                ),
            ));
        }
        Some("NodeLost") => return Some(node_lost()),
        _ => {}
    }
    if container_reason == Some("OOMKilled") {
        return Some(Outcome::error(
            reasons::OOM_KILLED,
            "The task used more memory than its limit. Ask for a higher memory limit of the repository, or run smaller commands.",
        ));
    }
    if pod.disruption.is_some() || (pod.is_gone(now) && pod.terminated().is_none()) {
        return Some(node_lost());
    }
    if pod.deletion.is_some() {
        return Some(Outcome::pod_deleted());
    }
    None
}

fn node_lost() -> Outcome {
    Outcome::error(
        reasons::NODE_LOST,
        "The node of the task is gone, or had to give up the Pod. Create the task again to run it elsewhere.",
    )
}

fn from_end(end: &End) -> Outcome {
    let reason = end.reason.as_deref().unwrap_or(reasons::EXIT_CODE);
    let message = end.message.clone().unwrap_or_else(|| match end.exit_code {
        Some(code) => format!("Codex ended with exit code {code}; the end of the log says why."),
        None => "Codex did not end by itself; the end of the log says why.".to_owned(),
    });
    Outcome::error(reason, message)
}

fn runner_lost(pod: Option<&PodFacts>) -> Outcome {
    let Some(pod) = pod else {
        return Outcome::pod_deleted();
    };
    let message = pod.terminated().map_or_else(
        || "The log ended before the runner said how Codex ended.".to_owned(),
        |terminated| {
            format!(
                "The runner ended with exit code {} ({}) without saying how Codex ended. {}",
                terminated.exit_code,
                terminated.reason.as_deref().unwrap_or("no reason given"),
                terminated.message.as_deref().unwrap_or_default()
            )
        },
    );
    Outcome::error(reasons::RUNNER_LOST, message.trim_end().to_owned())
}

#[cfg(test)]
mod tests;
