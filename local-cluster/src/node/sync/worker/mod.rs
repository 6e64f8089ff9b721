//! One task for each Pod: compares what should run with what runs, and acts.
//!
//! The loop is: look at the Pod and its containers, decide, act, publish the status beside it, sleep until something
//! changes. Nothing in it waits for a container, and the disk ([`crate::node::shim::state`]) is what a restarted node
//! begins with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

mod end;
mod follow;
mod start;

use self::end::Stop;
use self::start::Prepared;
use super::events::Events;
use super::publisher::Publisher;
use super::state::{ContainerState, Containers, Finish, Phase, next};
use super::status::{self, Verdict, View};
use crate::node::plan::containers_of;
use crate::node::runtime::dirs::PodDir;
use crate::node::runtime::{HeldNetwork, Progress, Runtime, RuntimeError, Stopper};

/// First pause after something that a Pod needs was missing; doubled each time.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// Longest pause after something that a Pod needs was missing.
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// What all workers share.
pub struct Shared {
    /// Starts processes.
    pub runtime: Runtime,
    /// The API server.
    pub client: kube::Client,
    /// Records events.
    pub events: Events,
}

/// What a worker is told about its Pod.
#[derive(Clone, Debug)]
pub struct Update {
    /// The newest Pod.
    pub pod: Arc<Pod>,
    /// The API server doesn't have it any more.
    pub removed: bool,
}

/// Runs one Pod until it is gone.
pub struct Worker {
    shared: Arc<Shared>,
    updates: watch::Receiver<Update>,
    pod: Arc<Pod>,
    removed: bool,
    dir: PodDir,
    publisher: Publisher,
    containers: Containers,
    stoppers: BTreeMap<String, Stopper>,
    followers: JoinSet<()>,
    news: mpsc::Sender<(String, Progress)>,
    changes: mpsc::Receiver<(String, Progress)>,
    start_time: Timestamp,
    prepared: Option<Prepared>,
    network: Option<HeldNetwork>,
    stop: Option<Stop>,
    asked_to_stop: BTreeSet<String>,
    finished: Option<Finish>,
    verdict: Option<Verdict>,
    retry: Option<(Timestamp, Duration)>,
    deleted: bool,
}

impl Worker {
    /// A worker that goes on from what the disk and the API server say about the Pod.
    ///
    /// # Errors
    /// Fails for a Pod whose uid cannot be a folder.
    pub fn new(
        shared: Arc<Shared>,
        mut updates: watch::Receiver<Update>,
    ) -> Result<Self, RuntimeError> {
        let Update { pod, removed } = updates.borrow_and_update().clone();
        let dir = shared.runtime.pod_dir(&pod)?;
        let api: Api<Pod> = Api::namespaced(
            shared.client.clone(),
            pod.namespace().as_deref().unwrap_or("default"),
        );
        let publisher = Publisher::new(api, &pod);
        let (news, changes) = mpsc::channel(16);
        let known = pod
            .status
            .as_ref()
            .and_then(|status| status.start_time.as_ref());
        let finished = match pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref())
        {
            Some("Succeeded") => Some(Finish::Succeeded),
            Some("Failed") => Some(Finish::Failed),
            _ => None,
        };
        let mut worker = Self {
            start_time: known.map_or_else(Timestamp::now, |time| time.0),
            shared,
            updates,
            removed,
            dir,
            publisher,
            containers: Containers::new(),
            stoppers: BTreeMap::new(),
            followers: JoinSet::new(),
            news,
            changes,
            prepared: None,
            network: None,
            stop: None,
            asked_to_stop: BTreeSet::new(),
            finished,
            verdict: None,
            retry: None,
            deleted: false,
            pod,
        };
        worker.adopt();
        Ok(worker)
    }

    /// Runs until the Pod is gone.
    pub async fn run(mut self) {
        loop {
            if self.step().await {
                return;
            }
            let wake = self.wake_at();
            tokio::select! {
                changed = self.updates.changed() => match changed {
                    Ok(()) => {
                        let update = self.updates.borrow_and_update().clone();
                        self.pod = update.pod;
                        self.removed |= update.removed;
                        if self.dir.path().exists() && let Err(error) = self.dir.save(&self.pod) {
                            tracing::warn!(error = %error, pod.name = self.pod.name_any(), "cannot record a Pod");
                        }
                    }
                    // The node stops. Containers go on without it.
                    Err(_) => return,
                },
                Some((name, progress)) = self.changes.recv() => self.take(&name, progress),
                () = sleep_until(wake) => {}
            }
        }
    }

    /// One round. True when the Pod is gone and nothing is left to do.
    async fn step(&mut self) -> bool {
        self.notice_stop();
        if let Some(stop) = self.stop.clone() {
            self.stop_containers(&stop);
        }
        let live = self.containers.values().any(ContainerState::is_live);
        if self.removed {
            if live {
                return false;
            }
            self.clean_up().await;
            return true;
        }
        if self.finished.is_none() && self.stop.is_none() {
            self.advance().await;
        }
        if let Some(stop) = &self.stop
            && !self.containers.values().any(ContainerState::is_live)
            && self.finished.is_none()
        {
            let all_done = containers_of(&self.pod).all(|container| {
                self.containers.get(&container.name).is_some_and(
                    |state| matches!(&state.phase, Phase::Ended(run) if run.succeeded()),
                )
            });
            self.finished = Some(if all_done && stop.verdict.is_none() {
                Finish::Succeeded
            } else {
                Finish::Failed
            });
            self.verdict = stop.verdict.clone();
        }
        if self.finished.is_some() {
            self.shared.runtime.stop_network(&self.dir);
        }
        self.publish();
        if self.finished.is_some()
            && self.pod.metadata.deletion_timestamp.is_some()
            && !self.deleted
        {
            self.publisher.flush().await;
            self.delete_object().await;
        }
        false
    }

    fn publish(&self) {
        if self.removed {
            return;
        }
        let has_network =
            self.network.is_some() || self.containers.values().any(ContainerState::is_live);
        self.publisher.publish(status::build(&View {
            pod: &self.pod,
            containers: &self.containers,
            start_time: self.start_time,
            has_network,
            finished: self.finished,
            verdict: self.verdict.as_ref(),
            now: Timestamp::now(),
        }));
    }

    /// When to look again although nothing changed.
    fn wake_at(&self) -> Option<Timestamp> {
        let deadline = self
            .deadline()
            .filter(|_| self.finished.is_none() && self.stop.is_none());
        let backoff = if self.finished.is_none() && self.stop.is_none() {
            next(&self.pod, &self.containers, Timestamp::now()).again_at
        } else {
            None
        };
        let waits = self.finished.is_none() && self.stop.is_none()
            || self.pod.metadata.deletion_timestamp.is_some() && !self.deleted;
        let retry = self.retry.map(|(at, _)| at).filter(|_| waits);
        [deadline, backoff, retry].into_iter().flatten().min()
    }
}

fn is_init(pod: &Pod, name: &str) -> bool {
    pod.spec
        .iter()
        .flat_map(|spec| spec.init_containers.iter().flatten())
        .any(|container| container.name == name)
}

async fn sleep_until(at: Option<Timestamp>) {
    match at {
        Some(at) => {
            tokio::time::sleep(
                super::state::elapsed(Timestamp::now(), at) + Duration::from_millis(1),
            )
            .await;
        }
        None => std::future::pending().await,
    }
}
