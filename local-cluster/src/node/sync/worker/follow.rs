//! Following a Pod's processes, those of an earlier node included.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::end::Stop;
use super::{Worker, is_init};
use crate::node::config::SandboxMode;
use crate::node::plan::containers_of;
use crate::node::runtime::{ContainerHandle, HeldNetwork, Progress};
use crate::node::shim::state::{Exit, Outcome};
use crate::node::sync::events::Kind;
use crate::node::sync::state::{ContainerState, Phase};
use crate::node::sync::status::Verdict;

impl Worker {
    /// Finds the containers that an earlier node started.
    pub(super) fn adopt(&mut self) {
        let pod = self.pod.clone();
        for container in containers_of(&pod) {
            let attempts = self.dir.attempts(&container.name);
            let mut state = ContainerState::default();
            for (index, &attempt) in attempts.iter().enumerate() {
                let dir = self.dir.container(&container.name, attempt);
                let last = index + 1 == attempts.len();
                state.attempt = Some(attempt);
                if let Some(exit) = dir.exit() {
                    if let Some(started) = dir.started() {
                        state.start(started);
                    }
                    state.end(exit);
                } else if last {
                    self.follow(&container.name, ContainerHandle::adopt(dir));
                    state.phase = Phase::Starting;
                }
                if !last && let Phase::Ended(run) = std::mem::take(&mut state.phase) {
                    state.previous = Some(run);
                    state.restarts += 1;
                }
            }
            if attempts.is_empty() && self.finished.is_none() && ran_before(&pod, &container.name) {
                // The node's folder was lost, and with it what the container did. It must not run a second time unasked.
                state.end(Exit {
                    at: Timestamp::now(),
                    outcome: Outcome::Lost,
                });
            }
            self.containers.insert(container.name.clone(), state);
        }
        if self.containers.values().any(ContainerState::is_live)
            && self.shared.runtime.config().sandbox == SandboxMode::Enforced
        {
            match self.shared.runtime.running_network(&self.dir) {
                Some(network) => self.watch_network(network),
                None if self.ran_without_network() => self.lose_network(),
                // It ended because no node was there that could start anything, and the next start gets another.
                None => {}
            }
        }
    }

    pub(super) fn follow(&mut self, name: &str, mut handle: ContainerHandle) {
        self.stoppers.insert(name.to_owned(), handle.stopper());
        let (news, name) = (self.news.clone(), name.to_owned());
        self.followers.spawn(async move {
            loop {
                let progress = handle.next().await.unwrap_or_else(|error| {
                    tracing::error!(error = %error, container = name, "lost sight of a container");
                    Progress::Exited(Exit {
                        at: Timestamp::now(),
                        outcome: Outcome::Lost,
                    })
                });
                let ended = matches!(progress, Progress::Exited(_));
                if news.send((name.clone(), progress)).await.is_err() || ended {
                    return;
                }
            }
        });
    }

    /// Whether a container has been started and has no end. Asked after the network was found to be gone: a container that kept it
    /// until its own end has written that down before.
    fn ran_without_network(&self) -> bool {
        containers_of(&self.pod).any(|container| {
            let last = self.dir.attempts(&container.name).last().copied();
            last.is_some_and(|attempt| {
                let dir = self.dir.container(&container.name, attempt);
                dir.may_have_run() && dir.exit().is_none()
            })
        })
    }

    pub(super) fn watch_network(&mut self, network: HeldNetwork) {
        let (news, process) = (self.news.clone(), network.namespaces.process.clone());
        self.network = Some(network);
        self.followers.spawn(async move {
            if let Err(error) = process.ended().await {
                tracing::error!(error = %error, "cannot watch the network process of a Pod");
                return std::future::pending().await;
            }
            // The worker knows no container without a name.
            let exit = Exit {
                at: Timestamp::now(),
                outcome: Outcome::Lost,
            };
            let _ = news.send((String::new(), Progress::Exited(exit))).await;
        });
    }

    /// Without its network process a Pod reaches nothing and could not be started again: it fails as a whole.
    pub(super) fn lose_network(&mut self) {
        if self.finished.is_none() && self.stop.is_none() {
            let message = "The process that kept the Pod's network was killed".to_owned();
            self.stop = Some(Stop {
                at: Timestamp::now(),
                grace: Duration::ZERO,
                verdict: Some(Verdict {
                    reason: "NetworkLost",
                    message,
                }),
            });
        }
    }

    pub(super) fn take(&mut self, name: &str, progress: Progress) {
        let Some(state) = self.containers.get_mut(name) else {
            return self.lose_network();
        };
        let init = is_init(&self.pod, name);
        match progress {
            Progress::Started(started) => {
                state.start(started);
                self.shared.events.record(
                    &self.pod,
                    Some((name, init)),
                    Kind::Normal,
                    "Started",
                    format!("Started container {name}"),
                );
            }
            Progress::Exited(exit) => {
                self.stoppers.remove(name);
                if let Outcome::CannotRun { message } = &exit.outcome {
                    self.shared.events.record(
                        &self.pod,
                        Some((name, init)),
                        Kind::Warning,
                        "Failed",
                        format!("Error: {message}"),
                    );
                }
                state.end(exit);
            }
        }
        // Reaped here, so that the set doesn't grow with restarts.
        while self.followers.try_join_next().is_some() {}
    }
}

/// Whether the API server knows of a run of the container.
fn ran_before(pod: &Pod, name: &str) -> bool {
    let statuses = pod.status.iter().flat_map(|status| {
        status
            .container_statuses
            .iter()
            .chain(&status.init_container_statuses)
            .flatten()
    });
    statuses
        .filter(|status| status.name == name)
        .filter_map(|status| status.state.as_ref())
        .any(|state| state.running.is_some() || state.terminated.is_some())
}
