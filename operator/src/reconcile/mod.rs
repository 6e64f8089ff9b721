//! Passes over tasks: look at everything, take one step, look again; until there is nothing to do but wait.
//!
//! Only API calls happen here. Logs and archives have tasks of their own, which ask for a pass when they are done.

mod apply;
mod context;
mod create;
mod finish;
mod gates;
mod memory;
mod orphans;
mod pods;
mod status;

pub use context::{Context, strip as strip_task};
pub use memory::Memories;
pub(crate) use orphans::owner_name;
pub use orphans::release as release_orphans;

use std::sync::Arc;
use std::time::Duration;

use codex_crds::{CodexTask, conditions, meta};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tracing::Instrument as _;

use crate::admission::Decision;
use crate::domain::step::{self, Situation, Step, Turn};
use crate::error::Error;
use crate::follow::{ArchiveReport, LogReport, PodSight};
use crate::metrics::Store;
use crate::observe;
use crate::trace::TaskTrace;
use memory::Memory;

/// A pass that takes longer is given up and made again.
const PASS_DEADLINE: Duration = Duration::from_secs(60);
/// More steps than any way through [`step::next`] has.
const MAX_STEPS: usize = 24;
/// Changes arrive by themselves; this is for those that were missed.
const RESYNC: Duration = Duration::from_secs(600);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// Takes all steps that a task can take now.
///
/// # Errors
/// [`Error`] when the Kubernetes API refuses or does not answer; [`retry`] says when to try again.
pub async fn reconcile(task: Arc<CodexTask>, context: Arc<Context>) -> Result<Action, Error> {
    context.metrics.reconciles.inc();
    let mut pass = Pass::new(&task, context)?;
    let span = tracing::info_span!("task", task.id = %pass.id, trace_id = pass.trace().trace_id());
    let action = tokio::time::timeout(PASS_DEADLINE, pass.run().instrument(span))
        .await
        .map_err(|_| Error::Stalled)??;
    pass.memory(|memory| memory.errors = 0);
    Ok(action)
}

/// When a failed pass is made again.
#[must_use]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the controller hands out its own references"
)]
pub fn retry(task: Arc<CodexTask>, error: &Error, context: Arc<Context>) -> Action {
    context.metrics.reconcile_errors.inc();
    if matches!(error, Error::Kube(_) | Error::Stalled) {
        context.metrics.store_error(Store::Kubernetes);
    }
    let uid = task.metadata.uid.as_deref().unwrap_or_default();
    let errors = context.memories.with(uid, |memory| {
        memory.errors = memory.errors.saturating_add(1);
        memory.errors
    });
    let pause = FIRST_RETRY
        .saturating_mul(1 << errors.saturating_sub(1).min(16))
        .min(LAST_RETRY);
    tracing::warn!(task.id = task.task_id(), %error, errors, "a pass over a task failed; it is made again");
    Action::requeue(pause)
}

/// A pass over one task.
struct Pass {
    context: Arc<Context>,
    task: Arc<CodexTask>,
    reference: ObjectRef<CodexTask>,
    name: String,
    uid: String,
    id: String,
}

/// What follows a step.
enum Flow {
    /// Look again.
    Again,
    /// The effect arrives as a change; look again after this time at the latest.
    Wait(Duration),
}

impl Pass {
    fn new(task: &Arc<CodexTask>, context: Arc<Context>) -> Result<Self, Error> {
        let name = task
            .metadata
            .name
            .clone()
            .ok_or(Error::Incomplete("a name"))?;
        let uid = task
            .metadata
            .uid
            .clone()
            .ok_or(Error::Incomplete("a UID"))?;
        let id = task.task_id().ok_or(Error::Incomplete("an id"))?;
        let reference = ObjectRef::from_obj(&**task);
        let task = context.memories.with(&uid, |memory| memory.newest(task));
        Ok(Self {
            context,
            task,
            reference,
            name,
            uid,
            id,
        })
    }

    async fn run(&mut self) -> Result<Action, Error> {
        let patience = self.context.config.patience();
        for _ in 0..MAX_STEPS {
            let now = Timestamp::now();
            let situation = self.situation(now);
            let step = step::next(now, &situation, &patience);
            if let Step::Wait(until) = step {
                return Ok(wait(now, until));
            }
            tracing::debug!(task.id = %self.id, step = ?StepName(&step), "taking a step");
            match self.apply(step, &situation).await {
                Ok(Flow::Again) => {}
                Ok(Flow::Wait(pause)) => return Ok(Action::requeue(pause)),
                Err(error) if error.is_conflict() => {
                    // Somebody else wrote in between; the step is decided anew from what is there now.
                    if !self.refresh().await? {
                        return Ok(Action::await_change());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Action::requeue(FIRST_RETRY))
    }

    /// Everything that a step depends on.
    fn situation(&self, now: Timestamp) -> Situation {
        let task = &*self.task;
        let status = task.status.as_ref();
        let pod = self.pod().map(|pod| observe::pod_facts(&pod));
        let archive = self.context.logs.archive_report(&self.id);
        let health = self.context.logs.archive_health(&self.id);
        let log = self.log(now, pod.as_ref());
        let is_gate_shown = pod.as_ref().is_some_and(|pod| self.shows_gates(pod));
        self.memory(|memory| Situation {
            phase: task.phase(),
            has_finalizer: task
                .metadata
                .finalizers
                .iter()
                .flatten()
                .any(|finalizer| finalizer == meta::OPERATOR_FINALIZER),
            is_deleting: task.metadata.deletion_timestamp.is_some(),
            intent: observe::intent(task),
            intent_recorded_at: observe::true_condition(task, conditions::CANCEL_REQUESTED)
                .map(|condition| condition.last_transition_time.0),
            turn: self.turn(),
            admitted_at: observe::admitted_at(task)
                .filter(|_| status.is_some_and(|status| status.pod_name.is_some())),
            is_start_recorded: observe::true_condition(task, conditions::STARTED).is_some(),
            pod: pod.filter(|_| !memory.is_cleaned_up),
            is_gate_recorded: observe::is_gate_recorded(task),
            is_gate_shown,
            ungated_at: observe::ungated_at(task),
            renewal_due: memory.renewal_due,
            is_deadline_lowered: memory.is_deadline_lowered,
            last_error: memory.last_error.clone(),
            not_before: memory.not_before,
            is_refused: memory.is_refused,
            log: log.state,
            is_concluded: memory.outcome.is_some(),
            archive: archive.as_ref().map(Into::into).unwrap_or_default(),
            is_archive_failing: matches!(health, Some(ArchiveReport::Failing(_))),
            is_archive_proven: matches!(health, Some(ArchiveReport::Working)),
            archive_failure_recorded_at: observe::condition(task, conditions::ARCHIVED)
                .filter(|condition| condition.status == "False")
                .map(|condition| condition.last_transition_time.0),
            concluded_at: memory.concluded_at,
            finished_at: memory.outcome.as_ref().and_then(|end| end.finished_at),
            is_finish_forced: task
                .metadata
                .annotations
                .as_ref()
                .and_then(|all| all.get(meta::FORCE_FINISH_ANNOTATION))
                .is_some_and(|value| value == "true"),
            expires_at: observe::expires_at(task),
        })
    }

    fn turn(&self) -> Turn {
        match self.context.admission.decision(&self.uid) {
            None => Turn::Unknown,
            Some(Decision::Open) => Turn::Waiting { is_shown: true },
            Some(Decision::Admitted) => Turn::Now,
            Some(Decision::Waiting { position, blocked }) => Turn::Waiting {
                is_shown: status::shows_place(&self.task, position, blocked),
            },
        }
    }

    /// The Pod of this task; one of the same name that belongs to somebody else is none.
    fn pod(&self) -> Option<Arc<Pod>> {
        let key = ObjectRef::new(&meta::pod_name(&self.id)).within(&self.context.config.namespace);
        let pod = self.context.pods.get(&key)?;
        pods::is_owned_by(&pod, &self.uid).then_some(pod)
    }

    /// What the reader of the log says. It is told what is known about the Pod, because that tells it when to stop.
    fn log(&self, now: Timestamp, pod: Option<&crate::domain::pod::PodFacts>) -> LogReport {
        let sight = match pod {
            Some(pod) if !pod.is_over(now) => PodSight::Running,
            _ => PodSight::Over,
        };
        let uid = self.memory(|memory| {
            if let Some(pod) = pod {
                memory.pod_uid = Some(pod.uid.clone());
            }
            memory.pod_uid.clone()
        });
        uid.map(|uid| self.context.logs.report(&uid, sight))
            .unwrap_or_default()
    }

    /// The place of this task in its trace.
    fn trace(&self) -> TaskTrace {
        TaskTrace::of(&self.task, &self.context.tracer)
    }

    fn memory<T>(&self, use_it: impl FnOnce(&mut Memory) -> T) -> T {
        self.context.memories.with(&self.uid, use_it)
    }

    /// Takes over what a write answered, so that the next step does not look at an older object.
    fn learn(&mut self, task: CodexTask) {
        let task = Arc::new(context::strip(task));
        self.task = Arc::clone(&task);
        self.memory(|memory| memory.latest = Some(task));
    }

    /// Reads the task anew; answers whether it is still there.
    async fn refresh(&mut self) -> Result<bool, Error> {
        match self.context.task_api.get_opt(&self.name).await? {
            Some(task) if task.metadata.uid.as_deref() == Some(&self.uid) => {
                self.learn(task);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

fn wait(now: Timestamp, until: Option<Timestamp>) -> Action {
    let pause = until.map_or(RESYNC, |until| {
        // One more millisecond, so that the time has surely come.
        let pause = until.duration_since(now).unsigned_abs() + Duration::from_millis(1);
        if until <= now {
            Duration::from_millis(1)
        } else {
            pause.min(RESYNC)
        }
    });
    Action::requeue(pause)
}

/// Names a step without what it carries: messages belong into the status, not into every log.
struct StepName<'a>(&'a Step);

impl std::fmt::Debug for StepName<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Step::Conclude(outcome) => write!(f, "Conclude({})", outcome.reason),
            step => write!(f, "{step:?}"),
        }
    }
}
