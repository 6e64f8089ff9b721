//! Starting what may be started.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{FIRST_RETRY, LONGEST_RETRY, Worker, is_init};
use crate::node::plan::objects::Objects;
use crate::node::plan::volumes::{self, Source};
use crate::node::plan::{self, Environment, PlanError, containers_of, reasons, security};
use crate::node::runtime::{HeldNetwork, Runtime, RuntimeError};
use crate::node::sync::events::Kind;
use crate::node::sync::objects;
use crate::node::sync::state::{Finish, Phase, next};
use crate::node::sync::status::Verdict;

/// What containers need, once it is there.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) objects: Objects,
    pub(super) volumes: BTreeMap<String, Source>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("cannot read what the Pod refers to: {0}")]
    Api(#[from] kube::Error),
}

impl Worker {
    /// Starts what may be started.
    pub(super) async fn advance(&mut self) {
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
            self.verdict = Some(Verdict {
                reason: "Unsupported",
                message: message.clone(),
            });
            self.shared
                .events
                .record(&self.pod, None, Kind::Warning, "Unsupported", message);
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

    pub(super) async fn start(&mut self, name: &str) -> Result<(), StartError> {
        let pod = self.pod.clone();
        let Some(container) = containers_of(&pod).find(|container| container.name == name) else {
            return Ok(());
        };
        let shared = self.shared.clone();
        let runtime = &shared.runtime;
        plan::image(runtime.config(), container)?;
        if self.prepared.is_none() {
            self.dir
                .create(&pod)
                .map_err(|source| RuntimeError::System {
                    what: "the Pod's folder".to_owned(),
                    source,
                })?;
            let (objects, network) = tokio::join!(
                objects::fetch(&self.shared.client, &pod),
                self.network(runtime)
            );
            // Kept whatever else is missing: the next try goes on with it.
            if let Some(network) = network? {
                self.watch_network(network);
            }
            let objects = objects?;
            let volumes = volumes::resolve(&pod, &objects, &self.dir.volumes())?;
            runtime.prepare_volumes(volumes.values())?;
            self.prepared = Some(Prepared { objects, volumes });
        }
        let Some(prepared) = &self.prepared else {
            return Ok(());
        };
        let attempt = self.dir.attempts(name).last().map_or(0, |last| last + 1);
        let environment = Environment {
            config: runtime.config(),
            cgroups: &runtime.found().cgroups,
            host: runtime.found().host,
            confinement: runtime.confinement(self.network.as_ref()),
            volumes: &prepared.volumes,
            objects: &prepared.objects,
        };
        let plan = plan::container(
            &pod,
            container,
            &environment,
            self.dir.container(name, attempt).log(),
        )?;
        let dir =
            self.dir
                .create_container(name, attempt)
                .map_err(|source| RuntimeError::System {
                    what: "the container's folder".to_owned(),
                    source,
                })?;
        let handle = runtime.start(dir, &plan).await?;

        let init = is_init(&pod, name);
        let image = container.image.as_deref().unwrap_or_default();
        self.shared.events.record(
            &pod,
            Some((name, init)),
            Kind::Normal,
            "Pulled",
            format!("Container image \"{image}\" already present on machine"),
        );
        self.shared.events.record(
            &pod,
            Some((name, init)),
            Kind::Normal,
            "Created",
            format!("Created container: {name}"),
        );
        self.follow(name, handle);
        let state = self.containers.entry(name.to_owned()).or_default();
        state.replace_phase(Phase::Starting);
        state.attempt = Some(attempt);
        self.forget_old_runs(name, attempt);
        Ok(())
    }

    /// The network, unless the Pod has it already.
    async fn network(&self, runtime: &Runtime) -> Result<Option<HeldNetwork>, RuntimeError> {
        match &self.network {
            Some(_) => Ok(None),
            None => runtime.network(&self.dir).await,
        }
    }

    /// Only the present run and the one before can be asked for, as in Kubernetes.
    pub(super) fn forget_old_runs(&self, name: &str, attempt: u32) {
        for old in self
            .dir
            .attempts(name)
            .into_iter()
            .filter(|old| old + 1 < attempt)
        {
            let path = self.dir.container(name, old);
            if let Err(error) = std::fs::remove_dir_all(path.path()) {
                tracing::warn!(error = %error, "cannot remove the folder of an old container");
            }
        }
    }

    pub(super) fn back_off(&mut self, name: &str) {
        let init = is_init(&self.pod, name);
        if let Some(state) = self.containers.get_mut(name)
            && !state.backing_off
        {
            state.backing_off = true;
            self.shared.events.record(
                &self.pod,
                Some((name, init)),
                Kind::Warning,
                "BackOff",
                format!("Back-off restarting failed container {name}"),
            );
        }
    }

    pub(super) fn postpone(&mut self, name: &str, error: &StartError) {
        // What was missing is asked for anew next time.
        self.prepared = None;
        let pause = self
            .retry
            .map_or(FIRST_RETRY, |(_, pause)| (pause * 2).min(LONGEST_RETRY));
        let first = self.retry.is_none();
        self.retry = Some((Timestamp::now() + pause, pause));
        let (reason, message) = match error {
            StartError::Plan(PlanError {
                reason: reasons::ERR_IMAGE_PULL,
                message,
            }) if !first => (reasons::IMAGE_PULL_BACK_OFF, message.clone()),
            StartError::Plan(PlanError { reason, message }) => (*reason, message.clone()),
            other => (reasons::CONTAINER_CREATING, other.to_string()),
        };
        if let Some(state) = self.containers.get_mut(name)
            && !state.is_live()
        {
            state.replace_phase(Phase::Waiting {
                reason,
                message: Some(message.clone()),
            });
        }
        if first {
            let event = if reason == reasons::CONTAINER_CREATING {
                "FailedMount"
            } else {
                "Failed"
            };
            self.shared.events.record(
                &self.pod,
                Some((name, is_init(&self.pod, name))),
                Kind::Warning,
                event,
                message,
            );
        }
    }
}
