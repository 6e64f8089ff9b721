//! What is done about a Pod that has started, until the task has its outcome.

use jiff::{SignedDuration, Timestamp};

use super::{FORCE_SLACK, Patience, Situation, Step};
use crate::domain::outcome::{self, LogState};
use crate::domain::pod::{DELETION_SLACK, PodFacts, later};

/// How long after its time limit a Pod that its node does not end is deleted by force.
const OVERDUE_SLACK: SignedDuration = SignedDuration::from_secs(60);

pub(super) fn step(
    now: Timestamp,
    pod: &PodFacts,
    situation: &Situation,
    patience: &Patience,
) -> Step {
    if situation.log == LogState::Unread {
        return Step::Follow;
    }
    if !situation.is_start_recorded {
        return Step::RecordStart;
    }
    if let Some(outcome) = outcome::judge(Some(pod), &situation.log, situation.intent, now) {
        return Step::Conclude(outcome);
    }
    match (
        situation.is_archive_failing,
        situation.archive_failure_recorded_at,
    ) {
        (true, None) => return Step::RecordArchiveFailure,
        (false, Some(_)) if situation.is_archive_proven => return Step::RecordArchiveRecovery,
        _ => {}
    }
    if pod.is_over(now) {
        // The reader of the log comes to its end by itself and says so, unless the stores take nothing any more.
        let finished_at = pod.terminated().and_then(|end| end.finished_at);
        let give_up_at = finished_at.map(|end| later(end, patience.archive));
        let is_over = situation.is_finish_forced || give_up_at.is_some_and(|at| at <= now);
        return match outcome::judge(Some(pod), &LogState::Exhausted, situation.intent, now) {
            Some(outcome) if is_over => Step::Conclude(outcome),
            _ => Step::Wait(give_up_at.filter(|at| *at > now)),
        };
    }
    if let (Some(_), Some(asked_at)) = (situation.intent, situation.intent_recorded_at) {
        return end_gently(now, asked_at, pod, situation, patience);
    }
    if let Some(deletion) = pod.deletion {
        return Step::Wait(Some(later(deletion.due, DELETION_SLACK)));
    }
    match (pod.start_time, pod.deadline_seconds) {
        (Some(start), Some(seconds)) => {
            let due = later(start, SignedDuration::from_secs(seconds));
            let overdue = later(later(due, patience.grace), OVERDUE_SLACK);
            if now >= overdue {
                Step::DeletePod(Some(0))
            } else {
                Step::Wait(Some(overdue))
            }
        }
        _ => Step::Wait(None),
    }
}

fn end_gently(
    now: Timestamp,
    asked_at: Timestamp,
    pod: &PodFacts,
    situation: &Situation,
    patience: &Patience,
) -> Step {
    let force_at = later(later(asked_at, patience.grace), FORCE_SLACK);
    if now >= force_at {
        return match pod.deletion {
            Some(deletion) if deletion.due <= now => {
                Step::Wait(Some(later(deletion.due, DELETION_SLACK)))
            }
            _ => Step::DeletePod(Some(0)),
        };
    }
    if pod.deletion.is_some() || situation.is_deadline_lowered {
        return Step::Wait(Some(force_at));
    }
    // The time limit never fires for a Pod that no node has taken up.
    let Some(start) = pod.start_time else {
        return Step::DeletePod(None);
    };
    let elapsed = now.duration_since(start).as_secs().max(1);
    if pod.deadline_seconds.is_some_and(|limit| limit <= elapsed) {
        return Step::Wait(Some(force_at));
    }
    Step::LowerDeadline(elapsed)
}
