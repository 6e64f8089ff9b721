//! The status of a Pod, as Kubernetes shows it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Container, ContainerState as ApiState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus, HostIP, Pod, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::state::{ContainerState, Containers, Finish, Phase, Run};
use crate::node::plan::fields::POD_IP;
use crate::node::plan::reasons;
use crate::node::shim::state::Outcome;

/// Why a Pod is over, when not because of its containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// One word.
    pub reason: &'static str,
    /// In words.
    pub message: String,
}

/// What a status is built from.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The Pod with the status that the API server has.
    pub pod: &'a Pod,
    /// Its containers.
    pub containers: &'a Containers,
    /// When the node first saw it.
    pub start_time: Timestamp,
    /// Whether its network is there.
    pub has_network: bool,
    /// Whether it is over.
    pub finished: Option<Finish>,
    /// Why, when not because of its containers.
    pub verdict: Option<&'a Verdict>,
    /// Now.
    pub now: Timestamp,
}

/// Builds the status.
pub fn build(view: &View<'_>) -> PodStatus {
    let spec = view.pod.spec.as_ref();
    let inits: Vec<&Container> = spec
        .iter()
        .flat_map(|spec| spec.init_containers.iter().flatten())
        .collect();
    let mains: Vec<&Container> = spec.iter().flat_map(|spec| &spec.containers).collect();
    let state = |container: &Container| {
        view.containers
            .get(&container.name)
            .cloned()
            .unwrap_or_default()
    };
    let initialized = inits
        .iter()
        .all(|container| matches!(state(container).phase, Phase::Ended(run) if run.succeeded()));
    let ready = view.finished.is_none()
        && !mains.is_empty()
        && mains
            .iter()
            .all(|container| matches!(state(container).phase, Phase::Running(_)));
    // As Kubernetes has it: a Pod is pending until its first regular container was started.
    let begun = mains.iter().any(|container| {
        !matches!(
            state(container).phase,
            Phase::Waiting { .. } | Phase::Starting
        ) || state(container).restarts > 0
    });
    let phase = match view.finished {
        Some(Finish::Succeeded) => "Succeeded",
        Some(Finish::Failed) => "Failed",
        None if begun && initialized => "Running",
        None => "Pending",
    };
    let address = view.has_network || begun;
    PodStatus {
        phase: Some(phase.to_owned()),
        reason: view.verdict.map(|verdict| verdict.reason.to_owned()),
        message: view.verdict.map(|verdict| verdict.message.clone()),
        start_time: Some(time(view.start_time)),
        host_ip: Some(POD_IP.to_owned()),
        host_ips: Some(vec![HostIP {
            ip: POD_IP.to_owned(),
        }]),
        pod_ip: address.then(|| POD_IP.to_owned()),
        pod_ips: address.then(|| {
            vec![PodIP {
                ip: POD_IP.to_owned(),
            }]
        }),
        qos_class: view
            .pod
            .status
            .as_ref()
            .and_then(|status| status.qos_class.clone())
            .or_else(|| Some(qos_class(&mains).to_owned())),
        conditions: Some(conditions(view, initialized, ready)),
        init_container_statuses: (!inits.is_empty()).then(|| {
            inits
                .iter()
                .map(|container| {
                    container_status(view.pod, container, &state(container), Kind::Init)
                })
                .collect()
        }),
        container_statuses: Some(
            mains
                .iter()
                .map(|container| {
                    container_status(
                        view.pod,
                        container,
                        &state(container),
                        if initialized {
                            Kind::Main
                        } else {
                            Kind::MainBehindInit
                        },
                    )
                })
                .collect(),
        ),
        ..PodStatus::default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Init,
    Main,
    MainBehindInit,
}

fn container_status(
    pod: &Pod,
    container: &Container,
    state: &ContainerState,
    kind: Kind,
) -> ContainerStatus {
    let image = container.image.clone().unwrap_or_default();
    let running = matches!(state.phase, Phase::Running(_));
    let succeeded = matches!(&state.phase, Phase::Ended(run) if run.succeeded());
    let id = |attempt| {
        format!(
            "bubblewrap://{}/{}/{attempt}",
            pod.metadata.uid.as_deref().unwrap_or_default(),
            container.name
        )
    };
    let current = match &state.phase {
        Phase::Waiting { reason, message } => {
            let reason = if kind == Kind::MainBehindInit {
                reasons::POD_INITIALIZING
            } else {
                reason
            };
            ApiState {
                waiting: Some(waiting(reason, message.as_deref())),
                ..ApiState::default()
            }
        }
        Phase::Starting => ApiState {
            waiting: Some(waiting(reasons::CONTAINER_CREATING, None)),
            ..ApiState::default()
        },
        Phase::Running(started) => ApiState {
            running: Some(ContainerStateRunning {
                started_at: Some(time(started.at)),
            }),
            ..ApiState::default()
        },
        Phase::Ended(_) if state.backing_off => ApiState {
            waiting: Some(waiting(reasons::CRASH_LOOP_BACK_OFF, None)),
            ..ApiState::default()
        },
        Phase::Ended(run) => ApiState {
            terminated: Some(terminated(run, state.attempt.map(id))),
            ..ApiState::default()
        },
    };
    let previous = match &state.phase {
        Phase::Ended(run) if state.backing_off => Some((run, state.attempt)),
        _ => state.previous.as_ref().map(|run| {
            (
                run,
                state.attempt.and_then(|attempt| attempt.checked_sub(1)),
            )
        }),
    };
    let previous = previous.map(|(run, attempt)| ApiState {
        terminated: Some(terminated(run, attempt.map(id))),
        ..ApiState::default()
    });
    ContainerStatus {
        name: container.name.clone(),
        image_id: format!("local://{image}"),
        image,
        container_id: if state.is_live() || matches!(state.phase, Phase::Ended(_)) {
            state.attempt.map(id)
        } else {
            None
        },
        ready: if kind == Kind::Init {
            succeeded
        } else {
            running
        },
        started: Some(running),
        restart_count: i32::try_from(state.restarts).unwrap_or(i32::MAX),
        state: Some(current),
        last_state: Some(previous.unwrap_or_default()),
        ..ContainerStatus::default()
    }
}

fn waiting(reason: &str, message: Option<&str>) -> ContainerStateWaiting {
    ContainerStateWaiting {
        reason: Some(reason.to_owned()),
        message: message.map(str::to_owned),
    }
}

fn terminated(run: &Run, id: Option<String>) -> ContainerStateTerminated {
    let (exit_code, reason, message) = match &run.exit.outcome {
        Outcome::Exited { out_of_memory: true, code } => (*code, "OOMKilled", None),
        Outcome::Exited { code: 0, .. } => (0, "Completed", None),
        Outcome::Exited { code, .. } => (*code, "Error", None),
        Outcome::CannotRun { message } => (128, "ContainerCannotRun", Some(message.clone())),
        Outcome::NeverStarted | Outcome::Lost => (
            137,
            "ContainerStatusUnknown",
            Some("The process that kept the container was killed, or the machine restarted; how the container ended is not known.".to_owned()),
        ),
    };
    ContainerStateTerminated {
        exit_code,
        reason: Some(reason.to_owned()),
        message,
        started_at: run.started.as_ref().map(|started| time(started.at)),
        finished_at: Some(time(run.exit.at)),
        container_id: id,
        signal: None,
    }
}

fn conditions(view: &View<'_>, initialized: bool, ready: bool) -> Vec<PodCondition> {
    let existing: &[PodCondition] = view
        .pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    let completed = matches!(view.finished, Some(Finish::Succeeded));
    let reason = |holds: bool, otherwise: &'static str| match (holds, completed) {
        (true, _) => None,
        (false, true) => Some("PodCompleted"),
        (false, false) => Some(otherwise),
    };
    let own = [
        (
            "PodReadyToStartContainers",
            view.has_network && view.finished.is_none(),
            None,
        ),
        (
            "Initialized",
            initialized,
            (!initialized).then_some("ContainersNotInitialized"),
        ),
        ("Ready", ready, reason(ready, "ContainersNotReady")),
        (
            "ContainersReady",
            ready,
            reason(ready, "ContainersNotReady"),
        ),
        ("PodScheduled", true, None),
    ];
    let condition = |(kind, holds, reason): (&str, bool, Option<&str>)| {
        let status = if holds { "True" } else { "False" };
        let before = existing
            .iter()
            .find(|condition| condition.type_ == kind && condition.status == status);
        PodCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
            last_transition_time: before
                .and_then(|before| before.last_transition_time.clone())
                .or_else(|| Some(time(view.now))),
            ..PodCondition::default()
        }
    };
    let others = existing
        .iter()
        .filter(|condition| !own.iter().any(|(kind, ..)| *kind == condition.type_))
        .cloned();
    own.into_iter().map(condition).chain(others).collect()
}

fn qos_class(containers: &[&Container]) -> &'static str {
    let of = |container: &Container| {
        let resources = container.resources.clone().unwrap_or_default();
        (
            resources.limits.unwrap_or_default(),
            resources.requests.unwrap_or_default(),
        )
    };
    let guaranteed = |container: &&Container| {
        let (limits, requests) = of(container);
        ["cpu", "memory"].iter().all(|name| {
            limits.contains_key(*name)
                && requests
                    .get(*name)
                    .is_none_or(|request| Some(request) == limits.get(*name))
        })
    };
    if containers.iter().all(guaranteed) {
        "Guaranteed"
    } else if containers
        .iter()
        .all(|container| of(container) == Default::default())
    {
        "BestEffort"
    } else {
        "Burstable"
    }
}

/// A time of the API, which has whole seconds.
pub fn time(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}
