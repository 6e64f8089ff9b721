//! The steps at the end of a task: its outcome, its archive, its final state, and what is cleared away.

use codex_crds::{Phase, conditions, meta, reasons};
use jiff::Timestamp;
use kube::api::{DeleteParams, Preconditions};

use super::apply::{ARRIVAL, is_not_found};
use super::{Flow, Pass, pods};
use crate::checkpoint::Checkpoint;
use crate::domain::outcome::{LogState, Outcome};
use crate::error::Error;
use crate::follow::{ArchiveReport, PodSight};
use crate::observe;
use crate::trace::Times;

impl Pass {
    pub(super) async fn conclude(&mut self, outcome: Outcome) -> Result<Flow, Error> {
        self.memory(|memory| {
            memory.outcome = Some(outcome);
            memory.concluded_at = Some(Timestamp::now());
        });
        self.reached(Checkpoint::Concluded).await;
        Ok(Flow::Again)
    }

    pub(super) fn archive(&self) -> Flow {
        if let Some(outcome) = self.memory(|memory| memory.outcome.clone()) {
            self.context
                .logs
                .archive(&self.id, &self.reference, outcome);
        }
        Flow::Again
    }

    pub(super) async fn record_archive_failure(&mut self) -> Result<Flow, Error> {
        if let Some(ArchiveReport::Failing(error)) = self.context.logs.archive_health(&self.id) {
            self.record(self.draft().archive_failing(&error)).await?;
            self.context
                .events
                .warning(&self.task, reasons::STORAGE_UNAVAILABLE, error);
        }
        Ok(Flow::Again)
    }

    pub(super) async fn record_archive_recovery(&mut self) -> Result<Flow, Error> {
        self.record(self.draft().archive_recovered()).await?;
        self.context.events.normal(
            &self.task,
            reasons::UPLOADING,
            "The log of the task is archived again.",
        );
        Ok(Flow::Again)
    }

    pub(super) async fn record_final(&mut self) -> Result<Flow, Error> {
        let Some(outcome) = self.memory(|memory| memory.outcome.clone()) else {
            return Ok(Flow::Again);
        };
        let archived = match self.context.logs.archive_report(&self.id) {
            Some(ArchiveReport::Done(archived)) => Some(archived),
            _ => None,
        };
        self.reached(Checkpoint::Archived).await;
        self.record(self.draft().finished(&outcome, archived.as_ref()))
            .await?;
        let (pod_uid, concluded_at) =
            self.memory(|memory| (memory.pod_uid.clone(), memory.concluded_at));
        if outcome.phase == Phase::Error
            && observe::true_condition(&self.task, conditions::STARTED).is_none()
        {
            self.context.metrics.spawn_failed(&outcome.reason);
        }
        self.trace_end(&outcome, pod_uid.as_deref(), concluded_at);
        self.context.logs.release(
            &self.id,
            pod_uid.as_deref(),
            self.context.config.live_linger(),
        );
        tracing::info!(task.id = %self.id, phase = %outcome.phase, reason = %outcome.reason, exit_code = outcome.exit_code, "the task has ended");
        let note = outcome
            .message
            .unwrap_or_else(|| "Codex ended with exit code 0.".to_owned());
        if outcome.phase == Phase::Error {
            self.context
                .events
                .warning(&self.task, &outcome.reason, note);
        } else {
            self.context
                .events
                .normal(&self.task, &outcome.reason, note);
        }
        self.reached(Checkpoint::FinalRecorded).await;
        Ok(Flow::Again)
    }

    fn trace_end(&self, outcome: &Outcome, pod_uid: Option<&str>, concluded_at: Option<Timestamp>) {
        let state = pod_uid.map(|uid| self.context.logs.report(uid, PodSight::Over).state);
        let phases = match state {
            Some(LogState::Ended(end)) => end.phases,
            _ => None,
        };
        let recorded = Timestamp::now();
        let started = observe::true_condition(&self.task, conditions::STARTED)
            .map(|condition| condition.last_transition_time.0);
        let times = Times {
            submitted: observe::submitted_at(&self.task),
            started,
            ended: concluded_at.unwrap_or(recorded),
            recorded,
        };
        self.trace()
            .ended(&times, outcome, &phases.unwrap_or_default());
    }

    pub(super) async fn clean_up(&mut self) -> Result<Flow, Error> {
        let secret = self
            .context
            .secret_api
            .delete(&meta::pod_name(&self.id), &DeleteParams::default())
            .await;
        match secret {
            Ok(_) => {}
            Err(error) if is_not_found(&error) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(pod) = self.pod() {
            pods::remove(&self.context.pod_api, &pod, None).await?;
        }
        self.memory(|memory| memory.is_cleaned_up = true);
        self.reached(Checkpoint::CleanedUp).await;
        Ok(Flow::Again)
    }

    pub(super) async fn expire(&mut self) -> Result<Flow, Error> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(self.uid.clone()),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        match self.context.task_api.delete(&self.name, &params).await {
            Ok(_) => {}
            Err(error) if is_not_found(&error) => {}
            Err(error) => return Err(error.into()),
        }
        tracing::info!(task.id = %self.id, "the time to live of the task is over");
        Ok(Flow::Wait(ARRIVAL))
    }
}
