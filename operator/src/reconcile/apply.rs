//! The steps, taken. The one that creates the Pod, and those at the end of a task, have files of their own.

use std::sync::Arc;
use std::time::Duration;

use codex_crds::{CodexRepository, CodexTask, CodexTaskStatus, meta, reasons};
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::status::{self, Draft};
use super::{Flow, Pass, pods};
use crate::admission::{Decision, user_of};
use crate::checkpoint::Checkpoint;
use crate::domain::admission::Waiting;
use crate::domain::outcome::Outcome;
use crate::domain::step::{Situation, Step};
use crate::error::Error;
use crate::follow::{LogSource, PodSight};
use crate::observe;
use crate::plan::{self, Refusal};

/// How long the arrival of a write in the caches may take until it is checked.
pub(super) const ARRIVAL: Duration = Duration::from_secs(5);

impl Pass {
    pub(super) async fn apply(&mut self, step: Step, situation: &Situation) -> Result<Flow, Error> {
        match step {
            Step::AddFinalizer => self.add_finalizer().await,
            Step::RecordIntent => self.record_intent(situation).await,
            Step::Enter => self.enter().await,
            Step::ShowPlace => self.show_place().await,
            Step::RecordAdmission => self.record_admission().await,
            Step::CreatePod => self.create_pod(situation).await,
            Step::RecordGate => self.record_gate(situation).await,
            Step::RecordUngated => self.record_ungated().await,
            Step::RenewToken => self.renew_token().await,
            Step::Follow => Ok(self.follow(situation)),
            Step::RecordStart => self.record_start(situation).await,
            Step::LowerDeadline(seconds) => self.lower_deadline(seconds).await,
            Step::DeletePod(grace) => self.delete_pod(grace).await,
            Step::ReleasePod => self.release_pod().await,
            Step::Conclude(outcome) => self.conclude(outcome).await,
            Step::Archive => Ok(self.archive()),
            Step::RecordArchiveFailure => self.record_archive_failure().await,
            Step::RecordArchiveRecovery => self.record_archive_recovery().await,
            Step::RecordFinal => self.record_final().await,
            Step::CleanUp => self.clean_up().await,
            Step::RemoveFinalizer => self.remove_finalizer().await,
            Step::Expire => self.expire().await,
            Step::Wait(_) => Ok(Flow::Wait(ARRIVAL)),
        }
    }

    async fn add_finalizer(&mut self) -> Result<Flow, Error> {
        let mut finalizers = self.task.metadata.finalizers.clone().unwrap_or_default();
        finalizers.push(meta::OPERATOR_FINALIZER.to_owned());
        let task = self.patch_finalizers(&finalizers).await?;
        self.learn(task);
        self.reached(Checkpoint::FinalizerAdded).await;
        Ok(Flow::Again)
    }

    async fn remove_finalizer(&mut self) -> Result<Flow, Error> {
        let mut finalizers = self.task.metadata.finalizers.clone().unwrap_or_default();
        finalizers.retain(|finalizer| finalizer != meta::OPERATOR_FINALIZER);
        match self.patch_finalizers(&finalizers).await {
            Ok(task) => self.learn(task),
            Err(Error::Kube(error)) if is_not_found(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(Flow::Wait(ARRIVAL))
    }

    async fn patch_finalizers(&self, finalizers: &[String]) -> Result<CodexTask, Error> {
        let patch = json!({"metadata": {
            "resourceVersion": self.task.metadata.resource_version,
            "finalizers": finalizers,
        }});
        Ok(self
            .context
            .task_api
            .patch(&self.name, &PatchParams::default(), &Patch::Merge(patch))
            .await?)
    }

    pub(super) async fn record(&mut self, status: CodexTaskStatus) -> Result<(), Error> {
        let task = status::write(&self.context.task_api, &self.task, status).await?;
        self.learn(task);
        Ok(())
    }

    pub(super) fn draft(&self) -> Draft {
        Draft::new(&self.task, Timestamp::now())
    }

    async fn record_intent(&mut self, situation: &Situation) -> Result<Flow, Error> {
        let Some(intent) = situation.intent else {
            return Ok(Flow::Again);
        };
        self.record(self.draft().cancel_requested(intent)).await?;
        self.context
            .events
            .normal(&self.task, "CancelRequested", "The task is being ended.");
        Ok(Flow::Again)
    }

    /// Checks the task; one that can never run ends here.
    async fn enter(&mut self) -> Result<Flow, Error> {
        if let Err(refusal) = self.check_afresh().await? {
            return self.conclude(refused(&refusal)).await;
        }
        let waiting = Waiting {
            id: self.uid.clone(),
            name: self.name.clone(),
            user: user_of(&self.task),
            since: observe::created_at(&self.task),
        };
        self.context
            .admission
            .enter(waiting, self.reference.clone());
        Ok(Flow::Again)
    }

    /// The name of the repository, or why the task cannot run. A refusal is only believed when the API itself, not the cache,
    /// has no better repository.
    async fn check_afresh(&self) -> Result<Result<String, Refusal>, Error> {
        let check = |repositories: &[Arc<CodexRepository>]| {
            plan::check(&self.task, repositories, &self.context.config)
                .map(|checked| checked.repository.metadata.name.clone().unwrap_or_default())
        };
        match check(&self.context.repositories.state()) {
            Err(Refusal::Cwd(_) | Refusal::HostPath(_)) => {
                Ok(check(&self.context.fresh_repositories().await?))
            }
            result => Ok(result),
        }
    }

    async fn show_place(&mut self) -> Result<Flow, Error> {
        if let Some(Decision::Waiting { position, blocked }) =
            self.context.admission.decision(&self.uid)
        {
            self.record(self.draft().place(position, blocked)).await?;
        }
        Ok(Flow::Again)
    }

    async fn record_admission(&mut self) -> Result<Flow, Error> {
        let repository = match self.check_afresh().await? {
            Ok(repository) => repository,
            Err(refusal) => return self.conclude(refused(&refusal)).await,
        };
        self.record(self.draft().admitted(&self.id, &repository))
            .await?;
        let (submitted, now) = (observe::submitted_at(&self.task), Timestamp::now());
        self.context.metrics.waited(elapsed(submitted, now));
        self.trace().admitted(submitted, now);
        tracing::info!(task.id = %self.id, repository, "the task has its turn");
        self.context.events.normal(
            &self.task,
            reasons::ADMITTED,
            "The task has its turn; its Pod is being created.",
        );
        self.reached(Checkpoint::AdmissionRecorded).await;
        Ok(Flow::Again)
    }

    fn follow(&self, situation: &Situation) -> Flow {
        if let Some(pod) = &situation.pod {
            let sight = if pod.is_over(Timestamp::now()) {
                PodSight::Over
            } else {
                PodSight::Running
            };
            self.context.logs.follow(
                LogSource {
                    task: self.id.clone(),
                    reference: self.reference.clone(),
                    pod_name: meta::pod_name(&self.id),
                    pod_uid: pod.uid.clone(),
                    nonce: self.context.nonces.nonce(&self.uid),
                    submitted_at: observe::submitted_at(&self.task),
                },
                sight,
            );
        }
        Flow::Again
    }

    async fn record_start(&mut self, situation: &Situation) -> Result<Flow, Error> {
        let now = Timestamp::now();
        let started_at = situation
            .pod
            .as_ref()
            .and_then(crate::domain::pod::PodFacts::started_at)
            .unwrap_or(now);
        self.record(self.draft().started(started_at)).await?;
        if let Some(admitted_at) = situation.ungated_at.or(situation.admitted_at) {
            self.context.metrics.started(elapsed(admitted_at, now));
            self.trace().started(admitted_at, now);
        }
        tracing::info!(task.id = %self.id, "the task runs");
        self.context
            .events
            .normal(&self.task, "Started", "The runner has started.");
        self.reached(Checkpoint::StartRecorded).await;
        Ok(Flow::Again)
    }

    async fn lower_deadline(&mut self, seconds: i64) -> Result<Flow, Error> {
        let patch = json!({"spec": {"activeDeadlineSeconds": seconds}});
        let result = self
            .context
            .pod_api
            .patch_metadata(
                &meta::pod_name(&self.id),
                &PatchParams::default(),
                &Patch::Merge(patch),
            )
            .await;
        match result {
            Ok(_) => {}
            // It is gone, or its limit is lower already: both come as changes.
            Err(kube::Error::Api(status)) if status.is_not_found() || status.code == 422 => {}
            Err(error) => return Err(error.into()),
        }
        self.memory(|memory| memory.is_deadline_lowered = true);
        tracing::info!(task.id = %self.id, "the Pod is being ended");
        Ok(Flow::Again)
    }

    async fn delete_pod(&mut self, grace: Option<u32>) -> Result<Flow, Error> {
        if let Some(pod) = self.pod() {
            tracing::info!(task.id = %self.id, grace, "the Pod is being deleted");
            pods::delete(&self.context.pod_api, &pod, grace).await?;
        }
        Ok(Flow::Wait(ARRIVAL))
    }

    async fn release_pod(&mut self) -> Result<Flow, Error> {
        if let Some(pod) = self.pod() {
            tracing::warn!(task.id = %self.id, "a Pod was deleted before it started; another one follows");
            // The cache may be behind the deletion.
            pods::remove(&self.context.pod_api, &pod, Some(0)).await?;
            self.memory(|memory| {
                memory.pod_uid = None;
                memory.back_off();
            });
        }
        Ok(Flow::Wait(ARRIVAL))
    }

    pub(super) async fn reached(&self, point: Checkpoint) {
        self.context.reached(point, &self.id).await;
    }
}

pub(super) fn refused(refusal: &Refusal) -> Outcome {
    Outcome::error(refusal.reason(), refusal.to_string())
}

pub(super) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found())
}

/// How long something took, where clocks of several machines may be a little apart.
fn elapsed(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or_default()
}
