//! The steps, situation by situation.

use codex_tasklog::End;

use super::*;
use crate::domain::pod::{Container, Deletion, PodPhase, Terminated};

mod end_of_the_log;

const PATIENCE: Patience = Patience {
    pending: SignedDuration::from_secs(300),
    grace: SignedDuration::from_secs(30),
    archive: SignedDuration::from_secs(600),
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(100_000 + second).unwrap()
}

/// A task that had its turn at 0.
fn admitted() -> Situation {
    Situation {
        has_finalizer: true,
        turn: Turn::Now,
        admitted_at: Some(at(0)),
        ..Situation::default()
    }
}

fn pending() -> PodFacts {
    PodFacts {
        phase: PodPhase::Pending,
        deadline_seconds: Some(60),
        ..PodFacts::default()
    }
}

fn running() -> PodFacts {
    PodFacts {
        phase: PodPhase::Running,
        is_bound: true,
        start_time: Some(at(0)),
        container: Container::Running { since: None },
        ..pending()
    }
}

fn followed(pod: PodFacts) -> Situation {
    Situation {
        is_start_recorded: true,
        pod: Some(pod),
        log: LogState::Following,
        ..admitted()
    }
}

fn canceled(second: i64, situation: Situation) -> Situation {
    Situation {
        intent: Some(Intent::Cancel),
        intent_recorded_at: Some(at(second)),
        ..situation
    }
}

fn step(second: i64, situation: &Situation) -> Step {
    next(at(second), situation, &PATIENCE)
}

fn reason(step: Step) -> String {
    match step {
        Step::Conclude(outcome) => outcome.reason,
        other => panic!("not an end: {other:?}"),
    }
}

#[test]
fn a_gated_pod_waits_for_as_long_as_it_takes() {
    let gated = PodFacts {
        gates: vec!["kueue.x-k8s.io/admission".into()],
        ..pending()
    };
    let mut situation = Situation {
        pod: Some(gated.clone()),
        ..admitted()
    };
    assert_eq!(step(1, &situation), Step::RecordGate);
    situation.is_gate_recorded = true;
    situation.is_gate_shown = true;
    assert_eq!(step(1, &situation), Step::RenewToken);
    situation.renewal_due = Some(at(301));
    assert_eq!(step(1, &situation), Step::Wait(Some(at(301))));
    // Long past the time in which a Pod has to start.
    assert_eq!(step(100_000, &situation), Step::RenewToken);
    assert_eq!(
        step(100_000, &canceled(100_000, situation.clone())),
        Step::DeletePod(None)
    );
    // Somebody deleted it; another one takes its place.
    let deleted = PodFacts {
        deletion: Some(Deletion {
            due: at(100_000),
            is_confirmed: true,
        }),
        ..gated
    };
    situation.pod = Some(deleted);
    assert_eq!(step(100_000, &situation), Step::ReleasePod);
}

#[test]
fn the_time_to_start_in_counts_from_the_end_of_the_gates() {
    let mut situation = Situation {
        pod: Some(pending()),
        is_gate_recorded: true,
        is_gate_shown: true,
        ..admitted()
    };
    assert_eq!(step(100_000, &situation), Step::RecordUngated);
    situation.is_gate_recorded = false;
    situation.ungated_at = Some(at(100_000));
    assert_eq!(step(100_001, &situation), Step::Wait(Some(at(100_300))));
    assert_eq!(step(100_300, &situation), Step::DeletePod(None));
}

#[test]
fn a_new_task_goes_through_the_queue() {
    let mut situation = Situation::default();
    assert_eq!(step(0, &situation), Step::AddFinalizer);
    situation.has_finalizer = true;
    assert_eq!(step(0, &situation), Step::Enter);
    situation.turn = Turn::Waiting { is_shown: false };
    assert_eq!(step(0, &situation), Step::ShowPlace);
    situation.turn = Turn::Waiting { is_shown: true };
    assert_eq!(step(0, &situation), Step::Wait(None));
    situation.turn = Turn::Now;
    assert_eq!(step(0, &situation), Step::RecordAdmission);
}

#[test]
fn a_pod_is_created_only_where_none_can_have_run() {
    assert_eq!(step(1, &admitted()), Step::CreatePod);
    let started = Situation {
        is_start_recorded: true,
        ..admitted()
    };
    assert_eq!(reason(step(1, &started)), "PodDeleted");
    let seen = Situation {
        log: LogState::Following,
        ..admitted()
    };
    assert_eq!(step(1, &seen), Step::Wait(None));
}

#[test]
fn refused_pods_are_tried_until_it_is_late() {
    let refused = Situation {
        last_error: Some("exceeded quota".into()),
        not_before: Some(at(10)),
        ..admitted()
    };
    assert_eq!(step(1, &refused), Step::Wait(Some(at(10))));
    assert_eq!(step(10, &refused), Step::CreatePod);
    assert_eq!(reason(step(300, &refused)), "PodRejected");
    let hopeless = Situation {
        is_refused: true,
        ..refused
    };
    assert_eq!(reason(step(1, &hopeless)), "PodRejected");
}

#[test]
fn a_pod_that_does_not_start_is_given_up_in_the_end() {
    let situation = |pod| Situation {
        pod: Some(pod),
        ..admitted()
    };
    assert_eq!(step(1, &situation(pending())), Step::Wait(Some(at(300))));
    assert_eq!(step(300, &situation(pending())), Step::DeletePod(None));
    let deleted = PodFacts {
        deletion: Some(Deletion {
            due: at(301),
            is_confirmed: false,
        }),
        ..pending()
    };
    // Unscheduled and deleted: gone. Before it is late another Pod follows, after that none does.
    assert_eq!(step(5, &situation(deleted.clone())), Step::ReleasePod);
    let unschedulable = PodFacts {
        unschedulable: Some("no node".into()),
        ..deleted.clone()
    };
    assert_eq!(
        reason(step(302, &situation(unschedulable))),
        "Unschedulable"
    );
    // A node may be about to start it: wait for its word.
    let bound = PodFacts {
        is_bound: true,
        ..deleted
    };
    assert_eq!(
        step(302, &situation(bound.clone())),
        Step::Wait(Some(at(316)))
    );
    assert_eq!(
        step(317, &situation(bound)),
        Step::Conclude(outcome::never_started(
            Some(&PodFacts {
                is_bound: true,
                deletion: Some(Deletion {
                    due: at(301),
                    is_confirmed: false
                }),
                ..pending()
            }),
            None
        ))
    );
    let rejected = PodFacts {
        phase: PodPhase::Failed,
        reason: Some("OutOfcpu".into()),
        is_bound: true,
        ..pending()
    };
    assert_eq!(step(1, &situation(rejected)), Step::DeletePod(None));
}

#[test]
fn a_running_pod_is_read_first_and_recorded_then() {
    let mut situation = Situation {
        pod: Some(running()),
        ..admitted()
    };
    assert_eq!(step(1, &situation), Step::Follow);
    situation.log = LogState::Following;
    assert_eq!(step(1, &situation), Step::RecordStart);
    situation.is_start_recorded = true;
    // The next look is when even its node should have ended it: limit, grace and a minute.
    assert_eq!(step(1, &situation), Step::Wait(Some(at(150))));
    assert_eq!(step(150, &situation), Step::DeletePod(Some(0)));
}

#[test]
fn a_cancel_is_recorded_before_it_acts() {
    let asked = Situation {
        intent: Some(Intent::Cancel),
        ..followed(running())
    };
    assert_eq!(step(5, &asked), Step::RecordIntent);
    let recorded = canceled(5, followed(running()));
    assert_eq!(step(7, &recorded), Step::LowerDeadline(7));
    let lowered = Situation {
        is_deadline_lowered: true,
        ..recorded
    };
    assert_eq!(step(8, &lowered), Step::Wait(Some(at(50))));
    assert_eq!(step(50, &lowered), Step::DeletePod(Some(0)));
    // In the first second, and after a restart that finds the limit lowered already.
    assert_eq!(
        step(0, &canceled(0, followed(running()))),
        Step::LowerDeadline(1)
    );
    let found = canceled(
        5,
        followed(PodFacts {
            deadline_seconds: Some(6),
            ..running()
        }),
    );
    assert_eq!(step(7, &found), Step::Wait(Some(at(50))));
}

#[test]
fn a_cancel_before_the_start_needs_no_grace() {
    let queued = canceled(
        1,
        Situation {
            admitted_at: None,
            turn: Turn::Waiting { is_shown: true },
            ..admitted()
        },
    );
    assert_eq!(reason(step(1, &queued)), "Canceled");
    assert_eq!(reason(step(1, &canceled(1, admitted()))), "Canceled");
    let waiting = canceled(
        1,
        Situation {
            pod: Some(pending()),
            ..admitted()
        },
    );
    assert_eq!(step(1, &waiting), Step::DeletePod(None));
    let gone = PodFacts {
        deletion: Some(Deletion {
            due: at(1),
            is_confirmed: true,
        }),
        ..pending()
    };
    let gone = canceled(
        1,
        Situation {
            pod: Some(gone),
            ..admitted()
        },
    );
    assert_eq!(reason(step(2, &gone)), "Canceled");
}

#[test]
fn a_finished_task_is_cleaned_up_and_expires() {
    let mut situation = Situation {
        phase: Phase::Completed,
        expires_at: Some(at(100)),
        ..followed(running())
    };
    assert_eq!(step(5, &situation), Step::CleanUp);
    situation.pod = None;
    assert_eq!(step(5, &situation), Step::Wait(Some(at(100))));
    assert_eq!(step(100, &situation), Step::Expire);
    situation.is_deleting = true;
    assert_eq!(step(100, &situation), Step::RemoveFinalizer);
    situation.has_finalizer = false;
    assert_eq!(step(100, &situation), Step::Wait(None));
}

#[test]
fn a_task_that_goes_before_it_was_ours_is_left_alone() {
    let situation = Situation {
        is_deleting: true,
        intent: Some(Intent::Delete),
        ..Situation::default()
    };
    assert_eq!(step(0, &situation), Step::Wait(None));
}
