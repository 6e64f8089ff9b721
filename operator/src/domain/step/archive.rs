//! How long a task that has ended waits for its archive.

use jiff::Timestamp;

use super::{ArchiveState, FORCE_SLACK, Patience, Situation, Step, later};

pub(super) fn step(now: Timestamp, situation: &Situation, patience: &Patience) -> Step {
    let recorded_at = situation.archive_failure_recorded_at;
    let concluded_at = situation.concluded_at.unwrap_or(now);
    // An operator that starts long after the end gives the archive a chance before it gives it up.
    let begun_at = match situation.archive {
        ArchiveState::Failing => recorded_at
            .unwrap_or(now)
            .max(situation.finished_at.unwrap_or(concluded_at)),
        _ => concluded_at,
    };
    let mut give_up_at = later(begun_at, patience.archive);
    if situation.is_finish_forced {
        give_up_at = give_up_at.min(match situation.archive {
            ArchiveState::Failing => now,
            _ => later(concluded_at, FORCE_SLACK),
        });
    }
    match situation.archive {
        ArchiveState::Idle => Step::Archive,
        ArchiveState::Done => Step::RecordFinal,
        _ if now >= give_up_at => Step::RecordFinal,
        ArchiveState::Failing if recorded_at.is_none() => Step::RecordArchiveFailure,
        ArchiveState::Working if recorded_at.is_some() && situation.is_archive_proven => {
            Step::RecordArchiveRecovery
        }
        _ => Step::Wait(Some(give_up_at)),
    }
}
