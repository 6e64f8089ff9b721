//! One task for each Pod: compares what should run with what runs, and acts.
//!
//! The loop is: look at the Pod and its containers, decide, act, publish the status beside it, sleep until something
//! changes. Nothing in it waits for a container, and the disk ([`crate::node::shim::state`]) is what a restarted node
//! begins with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, ResourceExt as _};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::events::{Events, Kind};
use super::objects;
use super::publisher::Publisher;
use super::state::{ContainerState, Containers, Finish, Phase, next};
use super::status::{self, Verdict, View};
use crate::node::config::SandboxMode;
use crate::node::plan::objects::Objects;
use crate::node::plan::volumes::{self, Source};
use crate::node::plan::{self, Environment, PlanError, reasons, security};
use crate::node::runtime::dirs::PodDir;
use crate::node::runtime::{ContainerHandle, Progress, Runtime, RuntimeError, Stopper};
use crate::node::sandbox::plan::PodNamespaces;
use crate::node::shim::state::{Exit, Outcome};

/// First pause after something that a Pod needs was missing; doubled each time.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// Longest pause after something that a Pod needs was missing.
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// SIGTERM to SIGKILL for Pods whose API object is gone already.
const ORPHAN_GRACE: Duration = Duration::from_secs(2);

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

/// Why the containers have to end.
#[derive(Clone, Debug)]
struct Stop {
    at: Timestamp,
    grace: Duration,
    verdict: Option<Verdict>,
}

/// What containers need, once it is there.
#[derive(Debug)]
struct Prepared {
    objects: Objects,
    volumes: BTreeMap<String, Source>,
    network: Option<PodNamespaces>,
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
    pub fn new(shared: Arc<Shared>, mut updates: watch::Receiver<Update>) -> Result<Self, RuntimeError> {
        let Update { pod, removed } = updates.borrow_and_update().clone();
        let dir = shared.runtime.pod_dir(&pod)?;
        let api: Api<Pod> = Api::namespaced(shared.client.clone(), pod.namespace().as_deref().unwrap_or("default"));
        let publisher = Publisher::new(api, &pod);
        let (news, changes) = mpsc::channel(16);
        let known = pod.status.as_ref().and_then(|status| status.start_time.as_ref());
        let finished = match pod.status.as_ref().and_then(|status| status.phase.as_deref()) {
            Some("Succeeded") => Some(Finish::Succeeded),
            Some("Failed") => Some(Finish::Failed),
            _ => None,
        };
        let mut worker = Self {
            start_time: known.map_or_else(Timestamp::now, |time| time.0),
            shared, updates, removed, dir, publisher, containers: Containers::new(), stoppers: BTreeMap::new(),
            followers: JoinSet::new(), news, changes, prepared: None, stop: None, asked_to_stop: BTreeSet::new(), finished, verdict: None, retry: None, deleted: false,
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

    /// Finds the containers that an earlier node started.
    fn adopt(&mut self) {
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
                state.end(Exit { at: Timestamp::now(), outcome: Outcome::Lost });
            }
            self.containers.insert(container.name.clone(), state);
        }
        if self.containers.values().any(ContainerState::is_live) && self.shared.runtime.config().sandbox == SandboxMode::Enforced {
            match self.shared.runtime.running_network(&self.dir) {
                Some(network) => self.watch_network(&network),
                None => self.lose_network(),
            }
        }
    }

    fn follow(&mut self, name: &str, mut handle: ContainerHandle) {
        self.stoppers.insert(name.to_owned(), handle.stopper());
        let (news, name) = (self.news.clone(), name.to_owned());
        self.followers.spawn(async move {
            loop {
                let progress = handle.next().await.unwrap_or_else(|error| {
                    tracing::error!(error = %error, container = name, "lost sight of a container");
                    Progress::Exited(Exit { at: Timestamp::now(), outcome: Outcome::Lost })
                });
                let ended = matches!(progress, Progress::Exited(_));
                if news.send((name.clone(), progress)).await.is_err() || ended {
                    return;
                }
            }
        });
    }

    fn watch_network(&mut self, network: &PodNamespaces) {
        let (news, process) = (self.news.clone(), network.process.clone());
        self.followers.spawn(async move {
            if let Err(error) = process.ended().await {
                tracing::error!(error = %error, "cannot watch the network process of a Pod");
                return std::future::pending().await;
            }
            // The worker knows no container without a name.
            let exit = Exit { at: Timestamp::now(), outcome: Outcome::Lost };
            let _ = news.send((String::new(), Progress::Exited(exit))).await;
        });
    }

    /// Without its network process a Pod reaches nothing and could not be started again: it fails as a whole.
    fn lose_network(&mut self) {
        if self.finished.is_none() && self.stop.is_none() {
            let message = "The process that kept the Pod's network was killed".to_owned();
            self.stop = Some(Stop { at: Timestamp::now(), grace: Duration::ZERO, verdict: Some(Verdict { reason: "NetworkLost", message }) });
        }
    }

    fn take(&mut self, name: &str, progress: Progress) {
        let Some(state) = self.containers.get_mut(name) else {
            return self.lose_network();
        };
        let init = is_init(&self.pod, name);
        match progress {
            Progress::Started(started) => {
                state.start(started);
                self.shared.events.record(&self.pod, Some((name, init)), Kind::Normal, "Started", format!("Started container {name}"));
            }
            Progress::Exited(exit) => {
                self.stoppers.remove(name);
                if let Outcome::CannotRun { message } = &exit.outcome {
                    self.shared.events.record(&self.pod, Some((name, init)), Kind::Warning, "Failed", format!("Error: {message}"));
                }
                state.end(exit);
            }
        }
        // Reaped here, so that the set doesn't grow with restarts.
        while self.followers.try_join_next().is_some() {}
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
                self.containers.get(&container.name).is_some_and(|state| matches!(&state.phase, Phase::Ended(run) if run.succeeded()))
            });
            self.finished = Some(if all_done && stop.verdict.is_none() { Finish::Succeeded } else { Finish::Failed });
            self.verdict = stop.verdict.clone();
        }
        if self.finished.is_some() {
            self.shared.runtime.stop_network(&self.dir);
        }
        self.publish();
        if self.finished.is_some() && self.pod.metadata.deletion_timestamp.is_some() && !self.deleted {
            self.publisher.flush().await;
            self.delete_object().await;
        }
        false
    }

    /// Sees whether the Pod has to end: it is gone, being deleted, or past its time.
    fn notice_stop(&mut self) {
        let now = Timestamp::now();
        let metadata = &self.pod.metadata;
        if self.removed {
            self.shorten_stop(Stop { at: now, grace: ORPHAN_GRACE, verdict: None });
        } else if metadata.deletion_timestamp.is_some() {
            let grace = metadata.deletion_grace_period_seconds.map_or_else(|| plan::grace_seconds(&self.pod), |seconds| u64::try_from(seconds).unwrap_or(0));
            self.shorten_stop(Stop { at: now, grace: Duration::from_secs(grace), verdict: None });
        }
        if self.finished.is_none() && self.deadline().is_some_and(|deadline| deadline <= now) && self.stop.is_none() {
            let verdict = Verdict { reason: "DeadlineExceeded", message: "Pod was active on the node longer than the specified deadline".to_owned() };
            self.shared.events.record(&self.pod, None, Kind::Normal, verdict.reason, verdict.message.clone());
            let grace = Duration::from_secs(plan::grace_seconds(&self.pod));
            self.stop = Some(Stop { at: now, grace, verdict: Some(verdict) });
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        let seconds = self.pod.spec.as_ref()?.active_deadline_seconds?;
        self.start_time.checked_add(SignedDuration::from_secs(seconds)).ok()
    }

    /// A stop may only become shorter, and keeps its first reason.
    fn shorten_stop(&mut self, stop: Stop) {
        let end = |stop: &Stop| stop.at + stop.grace;
        match &mut self.stop {
            None => self.stop = Some(stop),
            Some(present) if end(&stop) < end(present) => {
                present.at = stop.at;
                present.grace = stop.grace;
                self.asked_to_stop.clear();
            }
            Some(_) => {}
        }
    }

    fn stop_containers(&mut self, stop: &Stop) {
        for (name, stopper) in &self.stoppers {
            if self.asked_to_stop.contains(name) {
                continue;
            }
            let event = format!("Stopping container {name}");
            self.shared.events.record(&self.pod, Some((name, is_init(&self.pod, name))), Kind::Normal, "Killing", event);
            match stopper.stop(stop.grace) {
                Ok(()) => {
                    self.asked_to_stop.insert(name.clone());
                }
                Err(error) => tracing::error!(error = %error, pod.name = self.pod.name_any(), container = name, "cannot stop a container"),
            }
        }
    }

    /// Starts what may be started.
    async fn advance(&mut self) {
        if self.retry.is_some_and(|(at, _)| at > Timestamp::now()) {
            return;
        }
        let next = next(&self.pod, &self.containers, Timestamp::now());
        self.finished = next.finished;
        for name in &next.backing_off {
            self.back_off(name);
        }
        if next.start.is_empty() {
            return;
        }
        if let Some(message) = security::refusal(&self.pod) {
            self.finished = Some(Finish::Failed);
            self.verdict = Some(Verdict { reason: "Unsupported", message: message.clone() });
            self.shared.events.record(&self.pod, None, Kind::Warning, "Unsupported", message);
            return;
        }
        // Seen by people while the rest of this goes on.
        self.publish();
        for name in next.start {
            if let Err(error) = self.start(&name).await {
                self.postpone(&name, &error);
                return;
            }
        }
        self.retry = None;
    }

    async fn start(&mut self, name: &str) -> Result<(), StartError> {
        let pod = self.pod.clone();
        let Some(container) = containers_of(&pod).find(|container| container.name == name) else { return Ok(()) };
        let shared = self.shared.clone();
        let runtime = &shared.runtime;
        plan::image(runtime.config(), container)?;
        if self.prepared.is_none() {
            self.dir.create(&pod).map_err(|source| RuntimeError::System { what: "the Pod's folder".to_owned(), source })?;
            let (objects, network) = tokio::join!(objects::fetch(&self.shared.client, &pod), runtime.network(&self.dir));
            let (objects, network) = (objects?, network?);
            let volumes = volumes::resolve(&pod, &objects, &self.dir.volumes())?;
            runtime.prepare_volumes(volumes.values())?;
            if let Some(network) = &network {
                self.watch_network(network);
            }
            self.prepared = Some(Prepared { objects, volumes, network });
        }
        let Some(prepared) = &self.prepared else { return Ok(()) };
        let attempt = self.dir.attempts(name).last().map_or(0, |last| last + 1);
        let environment = Environment {
            config: runtime.config(),
            cgroups: &runtime.found().cgroups,
            host: runtime.found().host,
            confinement: runtime.confinement(prepared.network.as_ref()),
            volumes: &prepared.volumes,
            objects: &prepared.objects,
        };
        let plan = plan::container(&pod, container, &environment, self.dir.container(name, attempt).log())?;
        let dir = self.dir.create_container(name, attempt).map_err(|source| RuntimeError::System { what: "the container's folder".to_owned(), source })?;
        let handle = runtime.start(dir, &plan).await?;

        let init = is_init(&pod, name);
        let image = container.image.as_deref().unwrap_or_default();
        self.shared.events.record(&pod, Some((name, init)), Kind::Normal, "Pulled", format!("Container image \"{image}\" already present on machine"));
        self.shared.events.record(&pod, Some((name, init)), Kind::Normal, "Created", format!("Created container: {name}"));
        self.follow(name, handle);
        let state = self.containers.entry(name.to_owned()).or_default();
        state.replace_phase(Phase::Starting);
        state.attempt = Some(attempt);
        self.forget_old_runs(name, attempt);
        Ok(())
    }

    /// Only the present run and the one before can be asked for, as in Kubernetes.
    fn forget_old_runs(&self, name: &str, attempt: u32) {
        for old in self.dir.attempts(name).into_iter().filter(|old| old + 1 < attempt) {
            let path = self.dir.container(name, old);
            if let Err(error) = std::fs::remove_dir_all(path.path()) {
                tracing::warn!(error = %error, "cannot remove the folder of an old container");
            }
        }
    }

    fn back_off(&mut self, name: &str) {
        let init = is_init(&self.pod, name);
        if let Some(state) = self.containers.get_mut(name)
            && !state.backing_off
        {
            state.backing_off = true;
            self.shared.events.record(&self.pod, Some((name, init)), Kind::Warning, "BackOff", format!("Back-off restarting failed container {name}"));
        }
    }

    fn postpone(&mut self, name: &str, error: &StartError) {
        let pause = self.retry.map_or(FIRST_RETRY, |(_, pause)| (pause * 2).min(LONGEST_RETRY));
        let first = self.retry.is_none();
        self.retry = Some((Timestamp::now() + pause, pause));
        let (reason, message) = match error {
            StartError::Plan(PlanError { reason: reasons::ERR_IMAGE_PULL, message }) if !first => (reasons::IMAGE_PULL_BACK_OFF, message.clone()),
            StartError::Plan(PlanError { reason, message }) => (*reason, message.clone()),
            other => (reasons::CONTAINER_CREATING, other.to_string()),
        };
        if let Some(state) = self.containers.get_mut(name)
            && !state.is_live()
        {
            state.replace_phase(Phase::Waiting { reason, message: Some(message.clone()) });
        }
        if first {
            let event = if reason == reasons::CONTAINER_CREATING { "FailedMount" } else { "Failed" };
            self.shared.events.record(&self.pod, Some((name, is_init(&self.pod, name))), Kind::Warning, event, message);
        }
    }

    fn publish(&self) {
        if self.removed {
            return;
        }
        let has_network = self.prepared.as_ref().is_some_and(|prepared| prepared.network.is_some()) || self.containers.values().any(ContainerState::is_live);
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

    /// Tells the API server that nothing of the Pod runs any more.
    async fn delete_object(&mut self) {
        let api: Api<Pod> = Api::namespaced(self.shared.client.clone(), self.pod.namespace().as_deref().unwrap_or("default"));
        let parameters = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions { uid: self.pod.uid(), resource_version: None }),
            ..DeleteParams::default()
        };
        match api.delete(&self.pod.name_any(), &parameters).await {
            Ok(_) => self.deleted = true,
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => self.deleted = true,
            Err(error) => {
                tracing::warn!(error = %error, pod.name = self.pod.name_any(), "cannot finish the deletion of a Pod; will try again");
                let pause = self.retry.map_or(FIRST_RETRY, |(_, pause)| (pause * 2).min(LONGEST_RETRY));
                self.retry = Some((Timestamp::now() + pause, pause));
            }
        }
    }

    async fn clean_up(&mut self) {
        self.shared.runtime.stop_network(&self.dir);
        self.followers.shutdown().await;
        self.shared.runtime.remove_cgroups(&self.pod);
        let dir = self.dir.clone();
        match tokio::task::spawn_blocking(move || dir.remove()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = %error, folder = %self.dir.path().display(), "cannot remove the folder of a Pod"),
            Err(error) => tracing::error!(error = %error, "the removal of a Pod's folder ended early"),
        }
    }

    /// When to look again although nothing changed.
    fn wake_at(&self) -> Option<Timestamp> {
        let deadline = self.deadline().filter(|_| self.finished.is_none() && self.stop.is_none());
        let backoff = if self.finished.is_none() && self.stop.is_none() { next(&self.pod, &self.containers, Timestamp::now()).again_at } else { None };
        let waits = self.finished.is_none() && self.stop.is_none() || self.pod.metadata.deletion_timestamp.is_some() && !self.deleted;
        let retry = self.retry.map(|(at, _)| at).filter(|_| waits);
        [deadline, backoff, retry].into_iter().flatten().min()
    }
}

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("cannot read what the Pod refers to: {0}")]
    Api(#[from] kube::Error),
}

/// All containers of a Pod, in the order in which they start.
fn containers_of(pod: &Pod) -> impl Iterator<Item = &Container> {
    pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers))
}

fn is_init(pod: &Pod, name: &str) -> bool {
    pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten()).any(|container| container.name == name)
}

/// Whether the API server knows of a run of the container.
fn ran_before(pod: &Pod, name: &str) -> bool {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().chain(&status.init_container_statuses).flatten());
    statuses.filter(|status| status.name == name).filter_map(|status| status.state.as_ref()).any(|state| state.running.is_some() || state.terminated.is_some())
}

async fn sleep_until(at: Option<Timestamp>) {
    match at {
        Some(at) => tokio::time::sleep(super::state::elapsed(Timestamp::now(), at) + Duration::from_millis(1)).await,
        None => std::future::pending().await,
    }
}
