//! From the end of the log to a complete archive.

use super::*;

#[test]
fn the_end_of_the_log_ends_the_task() {
    let ended = Situation {
        log: LogState::Ended(End {
            exit_code: Some(0),
            ..End::default()
        }),
        ..followed(running())
    };
    assert_eq!(reason(step(5, &ended)), "Completed");
    let over = followed(PodFacts {
        phase: PodPhase::Failed,
        container: Container::Terminated(Terminated::default()),
        ..running()
    });
    assert_eq!(step(5, &over), Step::Wait(None));
    let exhausted = Situation {
        log: LogState::Exhausted,
        ..over
    };
    assert_eq!(reason(step(5, &exhausted)), "RunnerLost");
}

#[test]
fn nothing_is_final_before_it_is_archived() {
    let mut situation = Situation {
        is_concluded: true,
        concluded_at: Some(at(5)),
        ..followed(running())
    };
    assert_eq!(step(5, &situation), Step::Archive);
    situation.archive = ArchiveState::Working;
    assert_eq!(step(5, &situation), Step::Wait(Some(at(605))));
    assert_eq!(step(605, &situation), Step::RecordFinal);
    situation.archive = ArchiveState::Failing;
    assert_eq!(step(5, &situation), Step::RecordArchiveFailure);
    situation.archive_failure_recorded_at = Some(at(5));
    assert_eq!(step(6, &situation), Step::Wait(Some(at(605))));
    assert_eq!(step(605, &situation), Step::RecordFinal);
    situation.is_finish_forced = true;
    assert_eq!(step(6, &situation), Step::RecordFinal);
    situation.is_finish_forced = false;
    situation.archive = ArchiveState::Done;
    assert_eq!(step(6, &situation), Step::RecordFinal);
}

#[test]
fn patience_with_the_archive_begins_at_the_end_of_the_task() {
    let mut situation = Situation {
        archive: ArchiveState::Failing,
        is_archive_failing: true,
        archive_failure_recorded_at: Some(at(1)),
        is_concluded: true,
        concluded_at: Some(at(2_000)),
        finished_at: Some(at(1_000)),
        ..followed(running())
    };
    // It has failed for long, but the task has only just ended.
    assert_eq!(step(1_000, &situation), Step::Wait(Some(at(1_600))));
    assert_eq!(step(1_600, &situation), Step::RecordFinal);
    // An operator that comes long after the end tries first.
    situation.archive = ArchiveState::Working;
    situation.archive_failure_recorded_at = None;
    assert_eq!(step(2_001, &situation), Step::Wait(Some(at(2_600))));
    // One that is given up has a moment if it works.
    situation.is_finish_forced = true;
    assert_eq!(step(2_001, &situation), Step::Wait(Some(at(2_015))));
    assert_eq!(step(2_015, &situation), Step::RecordFinal);
}

#[test]
fn a_running_task_shows_how_its_archive_does() {
    let mut situation = followed(running());
    situation.is_archive_failing = true;
    assert_eq!(step(5, &situation), Step::RecordArchiveFailure);
    situation.archive_failure_recorded_at = Some(at(5));
    assert!(matches!(step(6, &situation), Step::Wait(_)));
    // A new operator does not know yet, and must not begin the time anew for which the archive has failed.
    situation.is_archive_failing = false;
    assert!(matches!(step(7, &situation), Step::Wait(_)));
    situation.is_archive_proven = true;
    assert_eq!(step(7, &situation), Step::RecordArchiveRecovery);
}

#[test]
fn a_log_that_cannot_be_read_to_its_end_is_given_up() {
    let over = PodFacts {
        phase: PodPhase::Failed,
        container: Container::Terminated(Terminated {
            finished_at: Some(at(10)),
            ..Terminated::default()
        }),
        ..running()
    };
    let mut situation = followed(over);
    assert_eq!(step(11, &situation), Step::Wait(Some(at(610))));
    assert_eq!(reason(step(610, &situation)), "RunnerLost");
    situation.is_finish_forced = true;
    assert_eq!(reason(step(11, &situation)), "RunnerLost");
    // Without its Pod.
    situation.pod = None;
    assert_eq!(reason(step(11, &situation)), "PodDeleted");
}
