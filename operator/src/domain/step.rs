//! What has to be done next for a task.
//!
//! A pass looks at the whole situation and takes one step; the next pass looks again. Because nothing depends on
//! what an earlier pass remembers, an operator that starts anew goes on where the old one stopped. These are the points at
//! which it may die, and why each is safe:
//!
//! | after | what the next operator finds and does |
//! |---|---|
//! | the finalizer | a task without status; it enters the queue |
//! | the recorded admission | `podName` without Pod, not started; it creates the Pod |
//! | the Secret | the same; the Secret is written again |
//! | the Pod | the Pod, by its fixed name; it goes on with it |
//! | the recorded gate | a Pod with scheduling gates, or one whose gates are gone; the time to start in counts from when that is recorded |
//! | the recorded start | a running Pod; it reads the log again from its start |
//! | frames in the spool, or in the live log | the same; frames that the stores have already are dropped by number |
//! | the end of the log | the same, since the Pod stays until the final state is recorded |
//! | a chunk, or the manifest | the same; the archive goes on where its chunks end |
//! | the archive | the same; an archive that is complete stays as it is, also where the log cannot be read any more |
//! | the final state | a finished task with a Pod; it deletes the Pod |
//! | the Pod's deletion | a finished task; it waits for the time to live, or removes the finalizer |
//!
//! A Pod carries a finalizer of the operator, so it cannot vanish unseen: where a task says `podName`, has not started and has
//! no Pod, no Pod has ever run for it, and creating one is safe. Where it has started, a second Pod is never made.

mod archive;
mod running;

use codex_crds::Phase;
use jiff::{SignedDuration, Timestamp};

use super::outcome::{self, Intent, LogState, Outcome};
use super::pod::{DELETION_SLACK, PodFacts, later};

/// How long after the grace period a Pod is deleted by force; also what an archive that works has, when it is given up, to be completed.
const FORCE_SLACK: SignedDuration = SignedDuration::from_secs(15);
/// What the admission says about a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// It does not know the task yet.
    #[default]
    Unknown,
    /// The task waits; whether the status shows the right place.
    Waiting {
        /// The status shows it already.
        is_shown: bool,
    },
    /// The task has its turn.
    Now,
}

/// How far the archive is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArchiveState {
    /// Nobody has begun.
    #[default]
    Idle,
    /// It is being written.
    Working,
    /// The store refuses; it is tried again.
    Failing,
    /// It is complete.
    Done,
}

/// Everything that a step depends on.
#[derive(Clone, Debug, Default)]
pub struct Situation {
    /// The recorded state.
    pub phase: Phase,
    /// Whether the operator's finalizer is on the task.
    pub has_finalizer: bool,
    /// Whether the task is being deleted.
    pub is_deleting: bool,
    /// Why the end is wanted, where it is.
    pub intent: Option<Intent>,
    /// When that was recorded.
    pub intent_recorded_at: Option<Timestamp>,
    /// What the admission says; it matters only before `admitted_at`.
    pub turn: Turn,
    /// When the task had its turn, as recorded together with the name of the Pod.
    pub admitted_at: Option<Timestamp>,
    /// Whether the start is recorded.
    pub is_start_recorded: bool,
    /// The Pod.
    pub pod: Option<PodFacts>,
    /// Whether the status says that the Pod waits for scheduling gates.
    pub is_gate_recorded: bool,
    /// Whether it says so of exactly those that the Pod has.
    pub is_gate_shown: bool,
    /// When it was recorded that the gates are gone.
    pub ungated_at: Option<Timestamp>,
    /// When the token in the Secret of a Pod that waits has to be replaced; it might expire before its task ends otherwise.
    pub renewal_due: Option<Timestamp>,
    /// Whether the time limit of the Pod has been lowered to end it.
    pub is_deadline_lowered: bool,
    /// Why the Pod could not be created the last time.
    pub last_error: Option<String>,
    /// When the Pod may be created again after a failure.
    pub not_before: Option<Timestamp>,
    /// Whether a refusal of the Pod is for good.
    pub is_refused: bool,
    /// The log.
    pub log: LogState,
    /// Whether the outcome is known; it never changes then.
    pub is_concluded: bool,
    /// The archive.
    pub archive: ArchiveState,
    /// Whether the archive cannot be written, while the task runs or after.
    pub is_archive_failing: bool,
    /// Whether it has been written to since the operator started, and does not fail.
    pub is_archive_proven: bool,
    /// Since when the status says that the archive cannot be written.
    pub archive_failure_recorded_at: Option<Timestamp>,
    /// When the outcome became known here.
    pub concluded_at: Option<Timestamp>,
    /// When the runner ended, where that is known.
    pub finished_at: Option<Timestamp>,
    /// Whether an administrator gives up on the archive.
    pub is_finish_forced: bool,
    /// When a finished task may go.
    pub expires_at: Option<Timestamp>,
}

/// Times that the configuration sets.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the turn until the runner must have started.
    pub pending: SignedDuration,
    /// What a Pod has to end in after it was told to.
    pub grace: SignedDuration,
    /// How long after its end a task waits for its archive before it is finished without.
    pub archive: SignedDuration,
}

/// What has to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put the operator's finalizer on the task.
    AddFinalizer,
    /// Record that the end is wanted, before anything is done about it.
    RecordIntent,
    /// Check the task and put it into the queue.
    Enter,
    /// Show the place in the queue.
    ShowPlace,
    /// Record the turn and the name of the Pod.
    RecordAdmission,
    /// Create the Secret and the Pod.
    CreatePod,
    /// Record for which scheduling gates the Pod waits.
    RecordGate,
    /// Record that they are gone.
    RecordUngated,
    /// Put a new token into the Secret of a Pod that waits for its gates.
    RenewToken,
    /// Read the log.
    Follow,
    /// Record that the runner runs.
    RecordStart,
    /// End the Pod gently: lower its time limit to this many seconds.
    LowerDeadline(i64),
    /// Delete the Pod, with this grace period in seconds or its own.
    DeletePod(Option<u32>),
    /// Let go of a deleted Pod that never ran.
    ReleasePod,
    /// Keep the outcome.
    Conclude(Outcome),
    /// Write the archive.
    Archive,
    /// Record that the archive cannot be written.
    RecordArchiveFailure,
    /// Record that it can be written again.
    RecordArchiveRecovery,
    /// Record the final state.
    RecordFinal,
    /// Delete Pod and Secret of a finished task.
    CleanUp,
    /// Remove the operator's finalizer from the task.
    RemoveFinalizer,
    /// Delete the task, whose time to live is over.
    Expire,
    /// Nothing, until something changes or this time has come.
    Wait(Option<Timestamp>),
}

/// Decides.
#[must_use]
pub fn next(now: Timestamp, situation: &Situation, patience: &Patience) -> Step {
    let Situation {
        phase,
        has_finalizer,
        is_deleting,
        ..
    } = *situation;
    if phase.is_final() {
        return after_the_end(now, situation);
    }
    if !has_finalizer {
        return if is_deleting {
            Step::Wait(None)
        } else {
            Step::AddFinalizer
        };
    }
    if situation.intent.is_some() && situation.intent_recorded_at.is_none() {
        return Step::RecordIntent;
    }
    if situation.is_concluded {
        return archive::step(now, situation, patience);
    }
    let Some(admitted_at) = situation.admitted_at else {
        return before_the_turn(situation);
    };
    // Time in which Kueue, or somebody else, held the Pod back does not count against it.
    let admitted_at = situation
        .ungated_at
        .map_or(admitted_at, |at| at.max(admitted_at));
    let is_late = now >= later(admitted_at, patience.pending);
    match &situation.pod {
        None if situation.is_start_recorded || situation.log != LogState::Unread => {
            without_pod(now, situation)
        }
        None => create(now, admitted_at, is_late, situation, patience),
        Some(pod) if !pod.has_started() && !situation.is_start_recorded => {
            not_started(now, admitted_at, is_late, pod, situation, patience)
        }
        Some(pod) => running::step(now, pod, situation, patience),
    }
}

fn before_the_turn(situation: &Situation) -> Step {
    if let Some(intent) = situation.intent {
        return Step::Conclude(Outcome::canceled(intent));
    }
    match situation.turn {
        Turn::Unknown => Step::Enter,
        Turn::Waiting { is_shown: false } => Step::ShowPlace,
        Turn::Waiting { is_shown: true } => Step::Wait(None),
        Turn::Now => Step::RecordAdmission,
    }
}

fn create(
    now: Timestamp,
    admitted_at: Timestamp,
    is_late: bool,
    situation: &Situation,
    patience: &Patience,
) -> Step {
    if let Some(intent) = situation.intent {
        return Step::Conclude(Outcome::canceled(intent));
    }
    if situation.is_refused || (is_late && situation.last_error.is_some()) {
        return Step::Conclude(outcome::never_started(
            None,
            situation.last_error.as_deref(),
        ));
    }
    match situation.not_before {
        Some(time) if time > now => {
            Step::Wait(Some(time.min(later(admitted_at, patience.pending))))
        }
        _ => Step::CreatePod,
    }
}

fn not_started(
    now: Timestamp,
    admitted_at: Timestamp,
    is_late: bool,
    pod: &PodFacts,
    situation: &Situation,
    patience: &Patience,
) -> Step {
    let give_up = (is_late && pod.gates.is_empty()) || outcome::is_hopeless(pod);
    if pod.is_gone(now) {
        return match situation.intent {
            Some(intent) => Step::Conclude(Outcome::canceled(intent)),
            None if give_up => Step::Conclude(outcome::never_started(Some(pod), None)),
            None => Step::ReleasePod,
        };
    }
    if let Some(deletion) = pod.deletion {
        return Step::Wait(Some(later(deletion.due, DELETION_SLACK)));
    }
    if situation.intent.is_some() {
        return Step::DeletePod(None);
    }
    if pod.is_terminal() && pod.reason.as_deref() == Some("DeadlineExceeded") {
        return Step::Conclude(outcome::timeout(pod.deadline_seconds));
    }
    if !pod.gates.is_empty() && !pod.is_terminal() {
        return gated(now, situation);
    }
    if situation.is_gate_recorded {
        return Step::RecordUngated;
    }
    if pod.is_terminal() || give_up {
        return Step::DeletePod(None);
    }
    Step::Wait(Some(later(admitted_at, patience.pending)))
}

/// A Pod that the scheduler must leave alone, for as long as whoever gated it likes.
fn gated(now: Timestamp, situation: &Situation) -> Step {
    if !situation.is_gate_shown {
        return Step::RecordGate;
    }
    match situation.renewal_due {
        Some(due) if due > now => Step::Wait(Some(due)),
        _ => Step::RenewToken,
    }
}

fn without_pod(now: Timestamp, situation: &Situation) -> Step {
    match &situation.log {
        LogState::Unread => Step::Conclude(
            situation
                .intent
                .map_or_else(Outcome::pod_deleted, Outcome::canceled),
        ),
        LogState::Following if situation.is_finish_forced => {
            outcome::judge(None, &LogState::Exhausted, situation.intent, now)
                .map_or(Step::Wait(None), Step::Conclude)
        }
        log => outcome::judge(None, log, situation.intent, now)
            .map_or(Step::Wait(None), Step::Conclude),
    }
}

fn after_the_end(now: Timestamp, situation: &Situation) -> Step {
    if situation.pod.is_some() {
        return Step::CleanUp;
    }
    if situation.is_deleting {
        return if situation.has_finalizer {
            Step::RemoveFinalizer
        } else {
            Step::Wait(None)
        };
    }
    match situation.expires_at {
        Some(time) if time <= now => Step::Expire,
        time => Step::Wait(time),
    }
}

#[cfg(test)]
mod tests;
