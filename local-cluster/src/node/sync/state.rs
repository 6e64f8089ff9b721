//! What a Pod's containers do, and what has to happen next: pure, so that it can be tested without running anything.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};

use crate::node::shim::state::{Exit, Outcome, Started};

/// First pause before a container is started again; doubled each time.
const FIRST_BACKOFF: Duration = Duration::from_secs(10);
/// Longest pause before a container is started again.
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
/// A container that ran this long counts as healthy: the pauses begin anew.
const HEALTHY: Duration = Duration::from_secs(600);

/// Restart policy of a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Containers are started again whatever happens.
    Always,
    /// Containers are started again when they fail.
    OnFailure,
    /// Containers run once.
    Never,
}

impl RestartPolicy {
    /// The policy of a Pod.
    pub fn of(pod: &Pod) -> Self {
        match pod
            .spec
            .as_ref()
            .and_then(|spec| spec.restart_policy.as_deref())
        {
            Some("Never") => Self::Never,
            Some("OnFailure") => Self::OnFailure,
            _ => Self::Always,
        }
    }
}

/// One container, over all its runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerState {
    /// What it does now.
    pub phase: Phase,
    /// Number of the present run's folder.
    pub attempt: Option<u32>,
    /// Times that it was started again.
    pub restarts: u32,
    /// The run before the present one.
    pub previous: Option<Run>,
    /// Failures in a row, which the pause before the next start grows with.
    pub failures: u32,
    /// It ended, and waits for its pause to pass.
    pub backing_off: bool,
}

/// What a container does now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It doesn't run.
    Waiting {
        /// Why, as one word.
        reason: &'static str,
        /// Why, in words.
        message: Option<String>,
    },
    /// A shim was started and hasn't reported.
    Starting,
    /// It runs.
    Running(Started),
    /// It ended.
    Ended(Run),
}

impl Default for Phase {
    fn default() -> Self {
        Self::Waiting {
            reason: crate::node::plan::reasons::CONTAINER_CREATING,
            message: None,
        }
    }
}

/// A run that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its start, if it came to that.
    pub started: Option<Started>,
    /// Its end.
    pub exit: Exit,
}

impl Run {
    /// Whether it did what it was for.
    pub fn succeeded(&self) -> bool {
        matches!(self.exit.outcome, Outcome::Exited { code: 0, .. })
    }
}

impl ContainerState {
    /// Whether a process may exist.
    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Running(_))
    }

    /// Takes in that the container runs.
    pub fn start(&mut self, started: Started) {
        self.phase = Phase::Running(started);
    }

    /// Takes in that the container ended.
    pub fn end(&mut self, exit: Exit) {
        let started = match std::mem::take(&mut self.phase) {
            Phase::Running(started) => Some(started),
            _ => None,
        };
        if exit.outcome == Outcome::NeverStarted {
            return;
        }
        let long = started
            .as_ref()
            .is_some_and(|started| elapsed(started.at, exit.at) >= HEALTHY);
        self.failures = if long { 1 } else { self.failures + 1 };
        self.phase = Phase::Ended(Run { started, exit });
    }

    /// Goes on to a phase in which the last run is history.
    pub fn replace_phase(&mut self, phase: Phase) {
        if let Phase::Ended(run) = std::mem::replace(&mut self.phase, phase) {
            self.previous = Some(run);
            self.restarts += 1;
        }
        self.backing_off = false;
    }

    /// When it may be started again.
    fn restart_at(&self, run: &Run) -> Timestamp {
        let doublings = self.failures.saturating_sub(1).min(10);
        run.exit.at + (FIRST_BACKOFF * 2_u32.pow(doublings)).min(LONGEST_BACKOFF)
    }
}

/// All containers of a Pod.
pub type Containers = BTreeMap<String, ContainerState>;

/// What has to happen next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// Containers to start now.
    pub start: Vec<String>,
    /// Containers that wait for their pause to end.
    pub backing_off: Vec<String>,
    /// When to look again.
    pub again_at: Option<Timestamp>,
    /// The Pod is over.
    pub finished: Option<Finish>,
}

/// How a Pod is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Every container ended with 0.
    Succeeded,
    /// A container failed and isn't started again.
    Failed,
}

/// Says what has to happen next in a Pod that nobody wants to end.
pub fn next(pod: &Pod, containers: &Containers, now: Timestamp) -> Next {
    let mut next = Next::default();
    let policy = RestartPolicy::of(pod);
    let state =
        |container: &Container| containers.get(&container.name).cloned().unwrap_or_default();
    let Some(spec) = &pod.spec else { return next };
    for container in spec.init_containers.iter().flatten() {
        let state = state(container);
        match &state.phase {
            Phase::Ended(run) if run.succeeded() => continue,
            Phase::Ended(_) if policy == RestartPolicy::Never => {
                next.finished = Some(Finish::Failed);
            }
            _ => next.consider(&container.name, &state, now),
        }
        return next;
    }
    let mut over = true;
    let mut failed = false;
    for container in &spec.containers {
        let state = state(container);
        let for_good = match &state.phase {
            Phase::Ended(run) => match policy {
                RestartPolicy::Always => false,
                RestartPolicy::OnFailure => run.succeeded(),
                RestartPolicy::Never => true,
            },
            _ => false,
        };
        if for_good {
            failed |= matches!(&state.phase, Phase::Ended(run) if !run.succeeded());
        } else {
            over = false;
            next.consider(&container.name, &state, now);
        }
    }
    if over {
        next.finished = Some(if failed {
            Finish::Failed
        } else {
            Finish::Succeeded
        });
    }
    next
}

impl Next {
    fn consider(&mut self, name: &str, state: &ContainerState, now: Timestamp) {
        match &state.phase {
            Phase::Waiting { .. } => self.start.push(name.to_owned()),
            Phase::Starting | Phase::Running(_) => {}
            Phase::Ended(run) => {
                let at = state.restart_at(run);
                if at <= now {
                    self.start.push(name.to_owned());
                } else {
                    self.backing_off.push(name.to_owned());
                    self.again_at = Some(self.again_at.map_or(at, |earlier| earlier.min(at)));
                }
            }
        }
    }
}

/// Time between two moments; zero if they are the other way round.
pub fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::sandbox::plan::ProcessId;
    use serde_json::json;

    fn pod(policy: &str) -> Pod {
        serde_json::from_value(json!({"spec": {
            "restartPolicy": policy,
            "initContainers": [{"name": "first"}, {"name": "second"}],
            "containers": [{"name": "a"}, {"name": "b"}],
        }}))
        .unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ended(code: i32, second: i64) -> ContainerState {
        let mut state = ContainerState::default();
        state.end(Exit {
            at: at(second),
            outcome: Outcome::Exited {
                code,
                out_of_memory: false,
            },
        });
        state
    }

    fn running() -> ContainerState {
        let process = ProcessId {
            pid: 1,
            start_time: 1,
            boot_id: String::new(),
        };
        ContainerState {
            phase: Phase::Running(Started { at: at(0), process }),
            ..ContainerState::default()
        }
    }

    fn containers(states: &[(&str, ContainerState)]) -> Containers {
        states
            .iter()
            .map(|(name, state)| ((*name).to_owned(), state.clone()))
            .collect()
    }

    #[test]
    fn init_containers_go_one_after_the_other() {
        let pod = pod("Never");
        let mut states = Containers::new();
        assert_eq!(next(&pod, &states, at(0)).start, ["first"]);
        states.insert("first".to_owned(), running());
        assert_eq!(next(&pod, &states, at(0)), Next::default());
        states.insert("first".to_owned(), ended(0, 0));
        assert_eq!(next(&pod, &states, at(0)).start, ["second"]);
        states.insert("second".to_owned(), ended(0, 0));
        assert_eq!(next(&pod, &states, at(0)).start, ["a", "b"]);
    }

    #[test]
    fn a_failed_init_container_ends_a_pod_that_never_restarts() {
        let states = containers(&[("first", ended(1, 0))]);
        assert_eq!(
            next(&pod("Never"), &states, at(0)).finished,
            Some(Finish::Failed)
        );
        let on_failure = next(&pod("OnFailure"), &states, at(0));
        assert_eq!(
            (on_failure.finished, on_failure.again_at),
            (None, Some(at(10)))
        );
    }

    #[test]
    fn a_pod_is_over_when_every_container_is() {
        let done = |a: i32, b: ContainerState| {
            containers(&[
                ("first", ended(0, 0)),
                ("second", ended(0, 0)),
                ("a", ended(a, 0)),
                ("b", b),
            ])
        };
        assert_eq!(
            next(&pod("Never"), &done(1, running()), at(0)).finished,
            None
        );
        assert_eq!(
            next(&pod("Never"), &done(1, ended(0, 0)), at(0)).finished,
            Some(Finish::Failed)
        );
        assert_eq!(
            next(&pod("Never"), &done(0, ended(0, 0)), at(0)).finished,
            Some(Finish::Succeeded)
        );
        assert_eq!(
            next(&pod("OnFailure"), &done(1, ended(0, 0)), at(9)).backing_off,
            ["a"]
        );
        assert_eq!(
            next(&pod("OnFailure"), &done(1, ended(0, 0)), at(10)).start,
            ["a"]
        );
        assert_eq!(
            next(&pod("Always"), &done(0, ended(0, 0)), at(10)).start,
            ["a", "b"]
        );
    }

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let mut state = ContainerState::default();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            state.end(Exit {
                at: at(0),
                outcome: Outcome::Exited {
                    code: 1,
                    out_of_memory: false,
                },
            });
            let Phase::Ended(run) = &state.phase else {
                unreachable!()
            };
            pauses.push(state.restart_at(run).as_second());
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_start_that_never_happened_is_tried_again() {
        let mut state = ContainerState::default();
        state.end(Exit {
            at: at(0),
            outcome: Outcome::NeverStarted,
        });
        let states = containers(&[("first", state)]);
        assert_eq!(next(&pod("Never"), &states, at(0)).start, ["first"]);
    }
}
