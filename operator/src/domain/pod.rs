//! What is known about the Pod of a task.

use jiff::{SignedDuration, Timestamp};

/// How long after its due time a deletion that nobody confirmed counts as done.
pub const DELETION_SLACK: SignedDuration = SignedDuration::from_secs(15);

/// The phase in the Pod's status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodPhase {
    /// Not every container has been started.
    #[default]
    Pending,
    /// The container runs.
    Running,
    /// It ended with exit code 0.
    Succeeded,
    /// It ended otherwise, or the node refused or evicted the Pod.
    Failed,
    /// The node does not answer.
    Unknown,
}

/// The container with the runner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Container {
    /// The node has not spoken of it yet.
    #[default]
    Unknown,
    /// It cannot start yet.
    Waiting {
        /// One word.
        reason: Option<String>,
        /// What the node says.
        message: Option<String>,
    },
    /// It runs.
    Running {
        /// Since when.
        since: Option<Timestamp>,
    },
    /// It ended.
    Terminated(Terminated),
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terminated {
    /// The exit code of PID 1.
    pub exit_code: i32,
    /// One word, for example `Completed` or `OOMKilled`.
    pub reason: Option<String>,
    /// What the node says.
    pub message: Option<String>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// A deletion that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When it is due, grace period included.
    pub due: Timestamp,
    /// Whether the node has confirmed that nothing runs any more.
    pub is_confirmed: bool,
}

/// What is known about the Pod of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFacts {
    /// Its UID.
    pub uid: String,
    /// Its phase.
    pub phase: PodPhase,
    /// The reason in its status, for example `Evicted` or `DeadlineExceeded`.
    pub reason: Option<String>,
    /// The message in its status.
    pub message: Option<String>,
    /// Whether a node has been chosen.
    pub is_bound: bool,
    /// When the node took it up.
    pub start_time: Option<Timestamp>,
    /// The time limit, in seconds from `start_time`.
    pub deadline_seconds: Option<i64>,
    /// A deletion that is under way.
    pub deletion: Option<Deletion>,
    /// The container with the runner.
    pub container: Container,
    /// What keeps the scheduler from looking for a node, for example Kueue.
    pub gates: Vec<String>,
    /// Why no node was found, where that is so.
    pub unschedulable: Option<String>,
    /// Why Kubernetes took the Pod away from its node, where that is so.
    pub disruption: Option<String>,
}

impl PodFacts {
    /// Whether the runner has ever run.
    #[must_use]
    pub const fn has_started(&self) -> bool {
        matches!(
            self.container,
            Container::Running { .. } | Container::Terminated(_)
        )
    }

    /// Whether the phase is one of the two last ones.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        matches!(self.phase, PodPhase::Succeeded | PodPhase::Failed)
    }

    /// Whether the Pod is deleted and nothing of it runs any more; only the operator's finalizer keeps the object.
    #[must_use]
    pub fn is_gone(&self, now: Timestamp) -> bool {
        self.deletion.is_some_and(|deletion| {
            deletion.is_confirmed
                || !self.is_bound
                || self.is_terminal()
                || now > later(deletion.due, DELETION_SLACK)
        })
    }

    /// Whether the runner cannot write any more.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.is_terminal()
            || self.is_gone(now)
            || matches!(self.container, Container::Terminated(_))
    }

    /// How the container ended, where it has.
    #[must_use]
    pub const fn terminated(&self) -> Option<&Terminated> {
        match &self.container {
            Container::Terminated(terminated) => Some(terminated),
            _ => None,
        }
    }

    /// When the runner started, where it has.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        match &self.container {
            Container::Running { since } => *since,
            Container::Terminated(terminated) => terminated.started_at,
            _ => None,
        }
    }
}

/// `time + duration`; the end of time where there is no such time.
#[must_use]
pub fn later(time: Timestamp, duration: SignedDuration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}
