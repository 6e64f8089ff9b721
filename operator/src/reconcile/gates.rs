//! Pods that somebody holds back with scheduling gates, as Kueue does with those in its queues.

use codex_crds::reasons;
use jiff::{SignedDuration, Timestamp};

use super::apply::ARRIVAL;
use super::{Flow, Pass};
use crate::domain::pod::{PodFacts, later};
use crate::domain::step::Situation;
use crate::error::Error;
use crate::plan;

/// How long a token in the Secret of a Pod that waits is left as it is.
const RENEWAL: SignedDuration = SignedDuration::from_mins(5);
/// The gate of Kueue.
const KUEUE_GATE: &str = "kueue.x-k8s.io/admission";

impl Pass {
    /// Whether the status says what the Pod waits for.
    pub(super) fn shows_gates(&self, pod: &PodFacts) -> bool {
        let status = self.task.status.as_ref();
        status.is_some_and(|status| {
            status.reason.as_deref() == Some(reasons::SCHEDULING_GATED)
                && status.message.as_deref() == Some(&self.gate_message(pod))
        })
    }

    fn gate_message(&self, pod: &PodFacts) -> String {
        let queue = plan::queue_name(&self.task.spec, &self.context.config);
        match queue {
            Some(queue) if pod.gates.iter().any(|gate| gate == KUEUE_GATE) => format!(
                "The task waits in the queue {queue:?} of Kueue. `kubectl get workloads` says what it waits for there."
            ),
            _ => format!(
                "The Pod of the task is held back by scheduling gates: {}. Whoever put them there has to remove them.",
                pod.gates.join(", ")
            ),
        }
    }

    pub(super) async fn record_gate(&mut self, situation: &Situation) -> Result<Flow, Error> {
        if let Some(pod) = &situation.pod {
            let message = self.gate_message(pod);
            self.record(self.draft().gated(&message)).await?;
            self.context
                .events
                .normal(&self.task, reasons::SCHEDULING_GATED, message);
        }
        Ok(Flow::Again)
    }

    pub(super) async fn record_ungated(&mut self) -> Result<Flow, Error> {
        self.record(self.draft().ungated()).await?;
        self.memory(|memory| memory.renewal_due = None);
        self.context.events.normal(
            &self.task,
            reasons::SCHEDULING,
            "Nobody holds the Pod of the task back any more.",
        );
        Ok(Flow::Again)
    }

    /// Writes the Secret again, with a token that is good for as long as one that a task without queue gets at its turn. The Pod reads
    /// the Secret when its container starts.
    pub(super) async fn renew_token(&mut self) -> Result<Flow, Error> {
        let Some(task) = self.context.task_api.get_opt(&self.name).await? else {
            return Ok(Flow::Wait(ARRIVAL));
        };
        if task.metadata.uid.as_deref() != Some(&self.uid) {
            return Ok(Flow::Wait(ARRIVAL));
        }
        let repositories = self.context.repositories.state();
        // The Pod is planned already: a repository that has gone since is no reason to give up on it.
        match plan::check(&task, &repositories, &self.context.config) {
            Ok(checked) => self.apply_secret(&self.secret(&checked, RENEWAL)?).await?,
            Err(refusal) => {
                tracing::warn!(task.id = %self.id, %refusal, "the token of a task that waits was not renewed");
            }
        }
        let due = later(Timestamp::now(), RENEWAL);
        self.memory(|memory| memory.renewal_due = Some(due));
        Ok(Flow::Again)
    }
}
