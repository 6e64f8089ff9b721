//! How tasks end, case by case.

use jiff::SignedDuration;

use super::*;
use crate::domain::pod::{Deletion, PodPhase, Terminated};

fn now() -> Timestamp {
    Timestamp::from_second(10_000).unwrap()
}

fn end(exit_code: Option<i32>, reason: Option<&str>) -> LogState {
    LogState::Ended(End {
        exit_code,
        reason: reason.map(Into::into),
        ..End::default()
    })
}

fn running() -> PodFacts {
    PodFacts {
        phase: PodPhase::Running,
        is_bound: true,
        container: Container::Running { since: None },
        deadline_seconds: Some(60),
        ..PodFacts::default()
    }
}

fn failed(container_reason: &str) -> PodFacts {
    PodFacts {
        phase: PodPhase::Failed,
        container: Container::Terminated(Terminated {
            exit_code: 137,
            reason: Some(container_reason.into()),
            finished_at: Some(now()),
            ..Terminated::default()
        }),
        ..running()
    }
}

fn failed_pod(reason: &str) -> PodFacts {
    PodFacts {
        reason: Some(reason.into()),
        ..failed("Error")
    }
}

fn deleted(pod: PodFacts) -> PodFacts {
    PodFacts {
        deletion: Some(Deletion {
            due: now() - SignedDuration::from_secs(1),
            is_confirmed: false,
        }),
        ..pod
    }
}

/// What is expected: the state, the reason, the exit code.
fn check(
    pod: Option<&PodFacts>,
    log: &LogState,
    intent: Option<Intent>,
    expected: (Phase, &str, Option<i32>),
) {
    let outcome = judge(pod, log, intent, now())
        .unwrap_or_else(|| panic!("undecided: {pod:?} {log:?} {intent:?}"));
    assert_eq!(
        (outcome.phase, outcome.reason.as_str(), outcome.exit_code),
        expected,
        "{pod:?} {log:?} {intent:?}"
    );
    if outcome.phase == Phase::Error {
        assert!(outcome.message.is_some_and(|message| message.len() > 20));
    }
}

#[test]
fn a_clean_end_needs_no_witness() {
    let expected = (Phase::Completed, "Completed", Some(0));
    check(Some(&running()), &end(Some(0), None), None, expected);
    check(None, &end(Some(0), Some("Completed")), None, expected);
    // The cancel came when the work was done.
    check(
        Some(&running()),
        &end(Some(0), None),
        Some(Intent::Cancel),
        expected,
    );
    check(
        Some(&failed_pod("DeadlineExceeded")),
        &end(Some(0), None),
        None,
        expected,
    );
}

#[test]
fn a_cancel_wins_over_every_other_end() {
    let canceled = |code| (Phase::Canceled, "Canceled", code);
    let cancel = Some(Intent::Cancel);
    check(
        Some(&running()),
        &end(Some(130), Some("Canceled")),
        cancel,
        canceled(Some(130)),
    );
    check(
        Some(&running()),
        &end(Some(0), Some("Canceled")),
        cancel,
        canceled(Some(0)),
    );
    check(
        Some(&failed("OOMKilled")),
        &LogState::Exhausted,
        cancel,
        canceled(None),
    );
    check(
        None,
        &LogState::Exhausted,
        Some(Intent::Delete),
        canceled(None),
    );
    check(
        Some(&running()),
        &end(Some(1), None),
        cancel,
        canceled(Some(1)),
    );
}

#[test]
fn anything_else_waits_for_the_pod() {
    for log in [
        end(Some(1), None),
        end(Some(130), Some("Canceled")),
        end(None, Some("CodexCrashed")),
        LogState::Exhausted,
    ] {
        assert_eq!(judge(Some(&running()), &log, None, now()), None);
    }
    for log in [LogState::Unread, LogState::Following] {
        assert_eq!(judge(Some(&failed("Error")), &log, None, now()), None);
    }
}

#[test]
fn the_pod_knows_causes() {
    let stopped = end(Some(130), Some("Canceled"));
    let error = |reason, code| (Phase::Error, reason, code);
    check(
        Some(&failed_pod("DeadlineExceeded")),
        &stopped,
        None,
        error("Timeout", Some(130)),
    );
    check(
        Some(&failed_pod("DeadlineExceeded")),
        &LogState::Exhausted,
        None,
        error("Timeout", None),
    );
    check(
        Some(&failed_pod("Evicted")),
        &LogState::Exhausted,
        None,
        error("Evicted", None),
    );
    check(
        Some(&failed("OOMKilled")),
        &LogState::Exhausted,
        None,
        error("OOMKilled", None),
    );
    check(
        Some(&failed("OOMKilled")),
        &end(Some(137), None),
        None,
        error("OOMKilled", Some(137)),
    );
    check(
        Some(&deleted(failed("Error"))),
        &stopped,
        None,
        error("PodDeleted", Some(130)),
    );
    check(None, &stopped, None, error("PodDeleted", Some(130)));
    let disrupted = PodFacts {
        disruption: Some("DeletionByTaintManager".into()),
        ..deleted(running())
    };
    check(
        Some(&disrupted),
        &LogState::Exhausted,
        None,
        error("NodeLost", None),
    );
    let silent = PodFacts {
        deletion: Some(Deletion {
            due: now() - SignedDuration::from_secs(60),
            is_confirmed: false,
        }),
        ..running()
    };
    check(
        Some(&silent),
        &LogState::Exhausted,
        None,
        error("NodeLost", None),
    );
}

#[test]
fn the_end_frame_says_the_rest() {
    let error = |reason, code| (Phase::Error, reason, code);
    check(
        Some(&failed("Error")),
        &end(Some(3), None),
        None,
        error("ExitCode", Some(3)),
    );
    check(
        Some(&failed("Error")),
        &end(None, Some("CodexMissing")),
        None,
        error("CodexMissing", None),
    );
    check(
        Some(&failed("Error")),
        &end(Some(1), Some("InvalidCwd")),
        None,
        error("InvalidCwd", Some(1)),
    );
    // An exit code of 0 with a reason is no success.
    check(
        Some(&failed("Error")),
        &end(Some(0), Some("Workspace")),
        None,
        error("Workspace", Some(0)),
    );
    // Somebody on the node stopped the runner.
    check(
        Some(&failed("Error")),
        &end(Some(130), Some("Canceled")),
        None,
        error("RunnerLost", Some(130)),
    );
}

#[test]
fn without_an_end_frame_the_runner_is_lost() {
    check(
        Some(&failed("Error")),
        &LogState::Exhausted,
        None,
        (Phase::Error, "RunnerLost", None),
    );
    let clean = PodFacts {
        phase: PodPhase::Succeeded,
        ..failed("Completed")
    };
    check(
        Some(&clean),
        &LogState::Exhausted,
        None,
        (Phase::Error, "RunnerLost", None),
    );
}

#[test]
fn a_pod_that_never_started_says_why() {
    let waiting = |reason: &str| PodFacts {
        container: Container::Waiting {
            reason: Some(reason.into()),
            message: Some("because".into()),
        },
        ..PodFacts::default()
    };
    for (pod, reason) in [
        (waiting("ErrImagePull"), "ImagePull"),
        (waiting("ImagePullBackOff"), "ImagePull"),
        (waiting("InvalidImageName"), "ImagePull"),
        (waiting("CreateContainerConfigError"), "PodRejected"),
        (
            PodFacts {
                unschedulable: Some("0/1 nodes".into()),
                ..PodFacts::default()
            },
            "Unschedulable",
        ),
        (
            PodFacts {
                reason: Some("OutOfcpu".into()),
                ..PodFacts::default()
            },
            "PodRejected",
        ),
    ] {
        assert_eq!(never_started(Some(&pod), None).reason, reason, "{pod:?}");
    }
    let outcome = never_started(None, Some("exceeded quota"));
    assert_eq!(outcome.reason, "PodRejected");
    assert!(outcome.message.unwrap().contains("exceeded quota"));
    assert!(is_hopeless(&waiting("InvalidImageName")));
    assert!(!is_hopeless(&waiting("ErrImagePull")));
}
